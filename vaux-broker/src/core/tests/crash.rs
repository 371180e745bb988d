//! Random schedules with crashes: the power fails with any part of what is not yet durable on the disk.
//!
//! Publishers and subscribers are clients that keep their sessions, as clients do that want exactly once. In the end
//! every message has arrived: with QoS 1 at least once, with QoS 2 exactly once, the first deliveries in their order.

use std::collections::BTreeSet;

use proptest::prelude::*;
use vaux_mqtt::protocol::{Outbound, Resend};

use super::*;

#[derive(Clone, Debug)]
enum Step {
    /// A publisher publishes its next number.
    Publish { publisher: usize, qos: QoS },
    /// A subscriber answers everything it has received.
    Answer { subscriber: usize },
    /// A client's connection breaks.
    Cut { client: usize },
    /// A client connects, perhaps while it is connected.
    Connect { client: usize },
    /// Some of what was submitted becomes durable.
    Commit { count: usize },
    /// The broker is killed, with some of what was submitted on the disk.
    Crash { kept: usize },
}

fn step() -> impl Strategy<Value = Step> {
    let qos = prop_oneof![Just(QoS::AtLeastOnce), Just(QoS::ExactlyOnce)];
    prop_oneof![
        6 => (0..2_usize, qos).prop_map(|(publisher, qos)| Step::Publish { publisher, qos }),
        4 => (0..2_usize).prop_map(|subscriber| Step::Answer { subscriber }),
        1 => (0..4_usize).prop_map(|client| Step::Cut { client }),
        3 => (0..4_usize).prop_map(|client| Step::Connect { client }),
        5 => (1..4_usize).prop_map(|count| Step::Commit { count }),
        1 => (0..4_usize).prop_map(|kept| Step::Crash { kept }),
    ]
}

/// A client that publishes, as it remembers things across connections.
struct Publisher {
    client: Option<Client>,
    outbound: Outbound<String>,
    /// What it published so far.
    sent: Vec<(String, QoS)>,
}

/// A client that subscribes, as it remembers things across connections.
#[derive(Default)]
struct Subscriber {
    client: Option<Client>,
    /// Deliveries that are new: not the resending of one that it has.
    got: Vec<(String, u8)>,
    /// QoS 2 identifiers between PUBLISH and PUBREL.
    held: BTreeSet<u16>,
    /// Answers that it has not sent.
    owed: Vec<(PacketType, u16)>,
}

impl Subscriber {
    fn receive(&mut self, seen: Vec<Seen>) {
        for seen in seen {
            match seen {
                Seen::Publish { payload, qos: 1, id, .. } => {
                    self.got.push((payload, 1));
                    self.owed.push((PacketType::PubAck, id));
                }
                Seen::Publish { payload, qos: 2, id, dup, .. } => {
                    let is_new = self.held.insert(id);
                    assert!(is_new || dup, "an identifier is used twice");
                    if is_new {
                        self.got.push((payload, 2));
                    }
                    self.owed.push((PacketType::PubRec, id));
                }
                Seen::Ack(PacketType::PubRel, id, _) => {
                    self.held.remove(&id);
                    self.owed.push((PacketType::PubComp, id));
                }
                Seen::ConnAck(present, reason) => {
                    assert!(present && reason == ReasonCode::Success, "an acknowledged session is kept");
                }
                _ => {}
            }
        }
    }
}

struct World {
    sim: Sim,
    publishers: Vec<Publisher>,
    subscribers: Vec<Subscriber>,
}

impl World {
    /// With or without room for queues in memory.
    fn new(workers: u16, queues_in_memory: bool) -> World {
        let mut sim = Sim::stored(workers);
        if !queues_in_memory {
            sim.set_queue_memory(QueueMemory { connected_bytes: 300, offline_bytes: 0 });
        }
        let mut subscribers = vec![Subscriber::default(), Subscriber::default()];
        for (name, subscriber) in ["s0", "s1"].iter().zip(&mut subscribers) {
            let client = sim.open_durable(name);
            sim.subscribe(client, "n/+", QoS::ExactlyOnce);
            sim.commit();
            sim.see(client);
            subscriber.client = Some(client);
        }
        let mut publishers = Vec::new();
        for name in ["p0", "p1"] {
            let client = sim.open_durable(name);
            let mut outbound = Outbound::new();
            outbound.begin_connection(10);
            publishers.push(Publisher { client: Some(client), outbound, sent: Vec::new() });
        }
        World { sim, publishers, subscribers }
    }

    fn take(&mut self, step: &Step) {
        match *step {
            Step::Publish { publisher, qos } => self.publish(publisher, qos),
            Step::Answer { subscriber } => self.answer(subscriber),
            Step::Cut { client } => self.cut(client),
            Step::Connect { client } => self.connect(client),
            Step::Commit { count } => self.sim.commit_some(count),
            Step::Crash { kept } => {
                self.look();
                self.sim.crash(kept);
                self.publishers.iter_mut().for_each(|publisher| publisher.client = None);
                self.subscribers.iter_mut().for_each(|subscriber| subscriber.client = None);
            }
        }
        self.look();
    }

    fn publish(&mut self, index: usize, qos: QoS) {
        let publisher = &mut self.publishers[index];
        let Some(client) = publisher.client.filter(|_| publisher.outbound.has_room()) else { return };
        let text = format!("{index} {}", publisher.sent.len());
        publisher.sent.push((text.clone(), qos));
        let packet_id = publisher.outbound.send(qos, text.clone()).unwrap();
        self.sim.publish(client, &format!("n/{index}"), &text, qos, packet_id.value());
    }

    fn answer(&mut self, index: usize) {
        let subscriber = &mut self.subscribers[index];
        let Some(client) = subscriber.client else { return };
        for (packet_type, packet_id) in std::mem::take(&mut subscriber.owed) {
            self.sim.ack(client, packet_type, packet_id);
        }
    }

    fn client(&mut self, index: usize) -> &mut Option<Client> {
        match index {
            0 | 1 => &mut self.publishers[index].client,
            _ => &mut self.subscribers[index - 2].client,
        }
    }

    fn cut(&mut self, index: usize) {
        self.look();
        if let Some(client) = self.client(index).take() {
            self.sim.cut(client);
        }
    }

    /// Connects again and sends what was not acknowledged. Input waits for CONNACK, as a client may.
    fn connect(&mut self, index: usize) {
        self.look();
        let (name, window) = [("p0", 10), ("p1", 10), ("s0", 3), ("s1", 3)][index];
        let hello = Hello { receive_maximum: Some(window), ..Hello::durable(name) };
        let (client, seen) = self.sim.connect_and_see(&hello);
        self.sim.received.entry(client).or_default();
        *self.client(index) = Some(client);
        if index >= 2 {
            self.subscribers[index - 2].owed.clear();
            self.subscribers[index - 2].receive(seen);
            return;
        }
        self.sim.commit();
        self.publishers[index].outbound.begin_connection(10);
        self.resend(index, client);
    }

    fn resend(&mut self, index: usize, client: Client) {
        let publisher = &mut self.publishers[index];
        let topic = format!("n/{index}");
        while let Some(resend) = publisher.outbound.next_resend() {
            match resend {
                Resend::PubRel(packet_id) => self.sim.ack(client, PacketType::PubRel, packet_id.value()),
                Resend::Publish { packet_id, qos, message } => {
                    let publish = Publish {
                        dup: true,
                        qos,
                        packet_id: Some(packet_id),
                        payload: message.as_bytes(),
                        ..Publish::new(&topic)
                    };
                    self.sim.send_publish(client, &publish);
                }
            }
        }
    }

    /// All clients look at what they have received. Publishers answer at once.
    fn look(&mut self) {
        for subscriber in &mut self.subscribers {
            if let Some(client) = subscriber.client {
                subscriber.receive(self.sim.see(client));
            }
        }
        for index in 0..2 {
            let Some(client) = self.publishers[index].client else { continue };
            for seen in self.sim.see(client) {
                let outbound = &mut self.publishers[index].outbound;
                match seen {
                    Seen::Ack(PacketType::PubAck, packet_id, _) => {
                        assert!(outbound.handle_puback(id(packet_id)).is_some());
                    }
                    Seen::Ack(PacketType::PubRec, packet_id, reason) => {
                        outbound.handle_pubrec(id(packet_id), reason);
                        self.sim.ack(client, PacketType::PubRel, packet_id);
                    }
                    Seen::Ack(PacketType::PubComp, packet_id, _) => {
                        outbound.handle_pubcomp(id(packet_id));
                    }
                    _ => {}
                }
            }
        }
    }

    /// Lets everything arrive, then checks what did, and that nothing of it is left on the disk.
    fn finish(mut self) {
        self.sim.commit();
        (0..4).for_each(|client| self.connect(client));
        let count = self.publishers.iter().map(|publisher| publisher.sent.len()).sum::<usize>();
        for _ in 0..count * 3 + 3 {
            self.sim.commit();
            self.look();
            (0..2).for_each(|subscriber| self.answer(subscriber));
        }
        self.sim.commit();
        self.look();
        for subscriber in &self.subscribers {
            assert_eq!(subscriber.owed, [], "it has settled");
            for (index, publisher) in self.publishers.iter().enumerate() {
                assert!(publisher.outbound.is_empty(), "everything was acknowledged");
                for qos in [QoS::AtLeastOnce, QoS::ExactlyOnce] {
                    check(&subscriber.got, index, &publisher.sent, qos);
                }
            }
        }
        assert_eq!(self.sim.disk.delivery_count(), 0);
    }
}

fn check(got: &[(String, u8)], publisher: usize, sent: &[(String, QoS)], qos: QoS) {
    let expected: Vec<&String> = sent.iter().filter(|(_, sent)| *sent == qos).map(|(text, _)| text).collect();
    let mine = format!("{publisher} ");
    let is_mine = |(text, got): &&(String, u8)| *got == qos.bits() && text.starts_with(&mine);
    let mut got: Vec<&String> = got.iter().filter(is_mine).map(|(text, _)| text).collect();
    if qos == QoS::AtLeastOnce {
        let mut seen = BTreeSet::new();
        got.retain(|text| seen.insert(text.as_str()));
    }
    assert_eq!(got, expected);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_was_acknowledged_survives_crashes_at_any_moment(
        workers in 1..4_u16,
        queues_in_memory in any::<bool>(),
        steps in proptest::collection::vec(step(), 0..60),
    ) {
        let mut world = World::new(workers, queues_in_memory);
        steps.iter().for_each(|step| world.take(step));
        world.finish();
    }
}
