//! Two clients of rumqttc, one for each version that it speaks, and vaux's own, each publishing to each.

use std::sync::Arc;
use std::time::Duration;

use rumqttc::v5;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use vaux_broker::config::ListenerKind;
use vaux_client::{Client, ConnectOptions, Message, QoS, Subscribe, Version};

use crate::broker::TestBroker;

/// A wait as long as this has failed.
const TIMEOUT: Duration = Duration::from_secs(60);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    RumqttcV4,
    RumqttcV5,
    VauxV311,
    VauxV5,
}

const KINDS: [Kind; 4] = [Kind::RumqttcV4, Kind::RumqttcV5, Kind::VauxV311, Kind::VauxV5];

/// A message that arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Seen {
    topic: String,
    payload: Vec<u8>,
    qos: u8,
    retain: bool,
}

/// What a client says of itself.
enum Heard {
    Subscribed,
    Message(Seen),
}

enum Sender {
    RumqttcV4(rumqttc::AsyncClient),
    RumqttcV5(v5::AsyncClient),
    Vaux(Client),
}

/// A connected client of any kind. It ends with this value, without DISCONNECT.
struct Peer {
    sender: Sender,
    heard: UnboundedReceiver<Heard>,
    task: JoinHandle<()>,
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Peer {
    /// Connects and subscribes to `topic`, where there is one. A client of rumqttc may leave a will.
    async fn new(kind: Kind, name: &str, port: u16, topic: Option<&str>, will: Option<&str>) -> Peer {
        let (heard_sender, heard) = unbounded_channel();
        let (sender, task) = match kind {
            Kind::RumqttcV4 => rumqttc_v4(name, port, topic, will, heard_sender).await,
            Kind::RumqttcV5 => rumqttc_v5(name, port, topic, will, heard_sender).await,
            Kind::VauxV311 => vaux(Version::V311, name, port, topic, heard_sender).await,
            Kind::VauxV5 => vaux(Version::V5, name, port, topic, heard_sender).await,
        };
        let mut peer = Peer { sender, heard, task };
        if topic.is_some() {
            assert!(matches!(peer.hear().await, Heard::Subscribed), "{kind:?} is subscribed");
        }
        peer
    }

    async fn hear(&mut self) -> Heard {
        let heard = timeout(TIMEOUT, self.heard.recv()).await;
        heard.expect("something comes in time").expect("the client goes on")
    }

    async fn next(&mut self) -> Seen {
        match self.hear().await {
            Heard::Message(seen) => seen,
            Heard::Subscribed => panic!("it subscribed once"),
        }
    }

    async fn publish(&self, topic: &str, qos: u8, retain: bool, payload: Vec<u8>) {
        match &self.sender {
            Sender::RumqttcV4(client) => {
                let qos = rumqttc::qos(qos).expect("it is a QoS");
                client.publish(topic, qos, retain, payload).await.expect("it is taken");
            }
            Sender::RumqttcV5(client) => {
                let qos = v5::mqttbytes::qos(qos).expect("it is a QoS");
                client.publish(topic, qos, retain, payload).await.expect("it is taken");
            }
            Sender::Vaux(client) => {
                let qos = QoS::from_bits(qos).expect("it is a QoS");
                let message = Message::new(topic, payload).qos(qos).retain(retain);
                client.start_publish(message).await.expect("it is taken");
            }
        }
    }
}

async fn rumqttc_v4(
    name: &str,
    port: u16,
    topic: Option<&str>,
    will: Option<&str>,
    heard: UnboundedSender<Heard>,
) -> (Sender, JoinHandle<()>) {
    let mut options = rumqttc::MqttOptions::new(name, "127.0.0.1", port);
    options.set_max_packet_size(2 << 20, 2 << 20);
    if let Some(topic) = will {
        options.set_last_will(rumqttc::LastWill::new(topic, "gone", rumqttc::QoS::AtLeastOnce, false));
    }
    let (client, mut events) = rumqttc::AsyncClient::new(options, 100);
    if let Some(topic) = topic {
        client.subscribe(topic, rumqttc::QoS::ExactlyOnce).await.expect("it is taken");
    }
    let task = tokio::spawn(async move {
        use rumqttc::{Event, Packet};
        while let Ok(event) = events.poll().await {
            let _ = match event {
                Event::Incoming(Packet::SubAck(_)) => heard.send(Heard::Subscribed),
                Event::Incoming(Packet::Publish(publish)) => heard.send(Heard::Message(Seen {
                    topic: publish.topic,
                    payload: publish.payload.to_vec(),
                    qos: publish.qos as u8,
                    retain: publish.retain,
                })),
                _ => Ok(()),
            };
        }
    });
    (Sender::RumqttcV4(client), task)
}

async fn rumqttc_v5(
    name: &str,
    port: u16,
    topic: Option<&str>,
    will: Option<&str>,
    heard: UnboundedSender<Heard>,
) -> (Sender, JoinHandle<()>) {
    use v5::mqttbytes::QoS;
    let mut options = v5::MqttOptions::new(name, "127.0.0.1", port);
    options.set_max_packet_size(Some(2 << 20));
    if let Some(topic) = will {
        options.set_last_will(v5::mqttbytes::v5::LastWill::new(topic, "gone", QoS::AtLeastOnce, false, None));
    }
    let (client, mut events) = v5::AsyncClient::new(options, 100);
    if let Some(topic) = topic {
        client.subscribe(topic, QoS::ExactlyOnce).await.expect("it is taken");
    }
    let task = tokio::spawn(async move {
        use v5::mqttbytes::v5::Packet;
        while let Ok(event) = events.poll().await {
            let _ = match event {
                v5::Event::Incoming(Packet::SubAck(_)) => heard.send(Heard::Subscribed),
                v5::Event::Incoming(Packet::Publish(publish)) => heard.send(Heard::Message(Seen {
                    topic: String::from_utf8(publish.topic.to_vec()).expect("a topic is text"),
                    payload: publish.payload.to_vec(),
                    qos: publish.qos as u8,
                    retain: publish.retain,
                })),
                _ => Ok(()),
            };
        }
    });
    (Sender::RumqttcV5(client), task)
}

async fn vaux(
    version: Version,
    name: &str,
    port: u16,
    topic: Option<&str>,
    heard: UnboundedSender<Heard>,
) -> (Sender, JoinHandle<()>) {
    let options = ConnectOptions::new("127.0.0.1", port).version(version).client_id(name);
    let (client, connection) = Client::connect(options).await.expect("it is accepted");
    let subscription = match topic {
        Some(topic) => {
            Some(client.subscribe(Subscribe::to(topic, QoS::ExactlyOnce)).await.expect("it is granted"))
        }
        None => None,
    };
    let task = tokio::spawn(async move {
        let _connection = connection;
        let Some(mut subscription) = subscription else { return std::future::pending().await };
        let _ = heard.send(Heard::Subscribed);
        while let Some(message) = subscription.next().await {
            let _ = heard.send(Heard::Message(Seen {
                topic: message.topic.to_string(),
                payload: message.payload.to_vec(),
                qos: message.qos.bits(),
                retain: message.retain,
            }));
        }
    });
    (Sender::Vaux(client), task)
}

/// Publishes with one client and receives with another, everything in order.
async fn deliver(broker: &TestBroker, from: Kind, to: Kind, qos: u8, payloads: Vec<Vec<u8>>) {
    let topic = format!("{from:?}/{to:?}/{qos}/{}", payloads.len());
    let mut receiver = Peer::new(to, "receiver", broker.port(), Some(&topic), None).await;
    let publisher = Arc::new(Peer::new(from, "publisher", broker.port(), None, None).await);
    let publishing = tokio::spawn({
        let (publisher, topic, payloads) = (Arc::clone(&publisher), topic.clone(), payloads.clone());
        async move {
            for payload in payloads {
                publisher.publish(&topic, qos, false, payload).await;
            }
        }
    });
    for (index, payload) in payloads.into_iter().enumerate() {
        let wanted = Seen { topic: topic.clone(), payload, qos, retain: false };
        let seen = receiver.next().await;
        assert!(seen == wanted, "message {index} from {from:?} to {to:?} with QoS {qos}");
    }
    publishing.await.expect("all was published");
}

fn pairs() -> impl Iterator<Item = (Kind, Kind)> {
    KINDS.into_iter().flat_map(|from| KINDS.into_iter().map(move |to| (from, to)))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_reach_each_other_with_every_qos() {
    let broker = TestBroker::start(ListenerKind::Tcp, 2);
    for (from, to) in pairs() {
        for qos in 0..=2 {
            let payloads = vec![b"hello".to_vec(), (0..=u8::MAX).collect(), Vec::new(), "Zürich".into()];
            deliver(&broker, from, to, qos, payloads).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn large_payloads_arrive_whole() {
    let broker = TestBroker::start(ListenerKind::Tcp, 2);
    let large: Vec<u8> = (0..1 << 20).map(|index| (index % 251) as u8).collect();
    for (from, to) in pairs() {
        deliver(&broker, from, to, 1, vec![large.clone()]).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_messages_arrive_in_order() {
    let broker = TestBroker::start(ListenerKind::Tcp, 2);
    let many: Vec<Vec<u8>> = (0..10_000).map(|number| format!("{number}").into_bytes()).collect();
    for (from, to) in [
        (Kind::RumqttcV4, Kind::VauxV5),
        (Kind::RumqttcV5, Kind::VauxV311),
        (Kind::VauxV311, Kind::RumqttcV5),
        (Kind::VauxV5, Kind::RumqttcV4),
    ] {
        deliver(&broker, from, to, 1, many.clone()).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn retained_messages_wait_for_subscribers() {
    let broker = TestBroker::start(ListenerKind::Tcp, 2);
    for (from, to) in pairs() {
        let topic = format!("retained/{from:?}/{to:?}");
        let mut early = Peer::new(to, "early", broker.port(), Some(&topic), None).await;
        let publisher = Peer::new(from, "publisher", broker.port(), None, None).await;
        publisher.publish(&topic, 1, true, b"kept".to_vec()).await;
        let passing = Seen { topic: topic.clone(), payload: b"kept".to_vec(), qos: 1, retain: false };
        assert_eq!(early.next().await, passing, "{from:?} to {to:?}");
        let mut late = Peer::new(to, "late", broker.port(), Some(&topic), None).await;
        assert_eq!(late.next().await, Seen { retain: true, ..passing }, "{from:?} to {to:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wills_are_published_when_clients_vanish() {
    let broker = TestBroker::start(ListenerKind::Tcp, 2);
    // A client of vaux that is dropped says goodbye; one of rumqttc vanishes.
    for from in [Kind::RumqttcV4, Kind::RumqttcV5] {
        for to in KINDS {
            let topic = format!("will/{from:?}/{to:?}");
            let mut receiver = Peer::new(to, "receiver", broker.port(), Some(&topic), None).await;
            let mut dying = Peer::new(from, "dying", broker.port(), Some(&topic), Some(&topic)).await;
            dying.publish(&topic, 1, false, b"alive".to_vec()).await;
            let alive = Seen { topic: topic.clone(), payload: b"alive".to_vec(), qos: 1, retain: false };
            assert_eq!(dying.next().await, alive, "{from:?}");
            assert_eq!(receiver.next().await, alive, "{from:?} to {to:?}");
            drop(dying);
            let gone = Seen { payload: b"gone".to_vec(), ..alive };
            assert_eq!(receiver.next().await, gone, "{from:?} to {to:?}");
        }
    }
}
