//! Publishing: outcomes, order, and what holds publishers back.

use vaux_client::{Message, Property, QoS, ReasonCode, ReconnectPolicy, RequestError, Subscribe, Version};
use vaux_mqtt::packet::PacketType;

use super::server::{Server, packet_id, within};

const ALL: [Version; 3] = [Version::V31, Version::V311, Version::V5];

#[tokio::test]
async fn a_publish_ends_when_its_exchange_does() {
    for version in ALL {
        let server = Server::start(version).await;
        let (client, _connection, mut peer) = server.connect(server.options()).await;
        let message = |qos| Message::new("a", "x").qos(qos);
        let published = within(client.publish(message(QoS::AtMostOnce))).await.unwrap();
        assert_eq!(published.packet_id, None);
        peer.expect("PUBLISH q0 a=x").await;

        let (published, ()) = tokio::join!(client.publish(message(QoS::AtLeastOnce)), async {
            peer.expect("PUBLISH 1 q1 a=x").await;
            peer.puback(1).await;
        });
        assert_eq!(published.unwrap().packet_id, Some(packet_id(1)));

        let ticket = client.start_publish(message(QoS::ExactlyOnce)).await.unwrap();
        peer.expect("PUBLISH 2 q2 a=x").await;
        peer.ack(PacketType::PubRec, 2, ReasonCode::Success).await;
        peer.expect("PUBREL 2 00").await;
        peer.ack(PacketType::PubComp, 2, ReasonCode::Success).await;
        assert_eq!(within(ticket).await.unwrap().packet_id, Some(packet_id(2)));
    }
}

#[tokio::test]
async fn the_servers_reason_is_told() {
    let server = Server::start(Version::V5).await;
    let (client, _connection, mut peer) = server.connect(server.options()).await;
    let mut tickets = Vec::new();
    for qos in [QoS::AtLeastOnce, QoS::AtLeastOnce, QoS::ExactlyOnce] {
        tickets.push(client.start_publish(Message::new("a", "x").qos(qos)).await.unwrap());
        peer.next().await;
    }
    peer.ack(PacketType::PubAck, 1, ReasonCode::NoMatchingSubscribers).await;
    peer.ack(PacketType::PubAck, 2, ReasonCode::NotAuthorized).await;
    peer.ack(PacketType::PubRec, 3, ReasonCode::QuotaExceeded).await;
    let mut tickets = tickets.into_iter();
    let mut outcome = async || within(tickets.next().unwrap()).await;
    assert_eq!(outcome().await.unwrap().reason, ReasonCode::NoMatchingSubscribers);
    for expected in [ReasonCode::NotAuthorized, ReasonCode::QuotaExceeded] {
        let Err(RequestError::Refused { reasons, .. }) = outcome().await else { panic!("must be refused") };
        assert_eq!(reasons, [expected]);
    }
}

#[tokio::test]
async fn what_cannot_be_sent_is_refused_at_once_and_the_next_one_goes() {
    let server = Server::start(Version::V5).await;
    let limits = [Property::MaximumQos(1), Property::MaximumPacketSize(30)];
    let (client, _connection, mut peer) = server.connect_with(server.options(), &limits).await;
    for message in [
        Message::new("a/#", "x"),
        Message::new("a", "x").qos(QoS::ExactlyOnce),
        Message::new("a", "x".repeat(30)),
        Message::new("a", "x").property(Property::TopicAlias(1)).unwrap(),
    ] {
        let outcome = within(client.publish(message)).await;
        assert!(matches!(outcome, Err(RequestError::Invalid(_))), "{outcome:?}");
    }
    within(client.publish(Message::new("a", "x"))).await.unwrap();
    peer.expect("PUBLISH q0 a=x").await;
}

#[tokio::test]
async fn the_receive_maximum_of_the_server_holds_publishes_back_but_not_subscriptions() {
    let server = Server::start(Version::V5).await;
    let (client, _connection, mut peer) =
        server.connect_with(server.options(), &[Property::ReceiveMaximum(2)]).await;
    let mut tickets = Vec::new();
    for payload in ["1", "2", "3", "4"] {
        let message = Message::new("a", payload).qos(QoS::AtLeastOnce);
        tickets.push(client.start_publish(message).await.unwrap());
    }
    peer.expect_all(&["PUBLISH 1 q1 a=1", "PUBLISH 2 q1 a=2"]).await;
    let (subscription, ()) = tokio::join!(client.subscribe(Subscribe::to("b", QoS::AtMostOnce)), async {
        peer.expect("SUBSCRIBE 3 b").await;
        peer.suback(3, &[0]).await;
    });
    subscription.unwrap();
    peer.puback(1).await;
    peer.expect("PUBLISH 4 q1 a=3").await;
    peer.puback(2).await;
    peer.expect("PUBLISH 5 q1 a=4").await;
    peer.puback(4).await;
    peer.puback(5).await;
    for ticket in tickets {
        within(ticket).await.unwrap();
    }
}

#[tokio::test]
async fn publishers_wait_while_the_window_and_the_queue_are_full() {
    let server = Server::start(Version::V311).await;
    let options = server.options().inflight_maximum(1).request_capacity(1);
    let (client, _connection, mut peer) = server.connect(options).await;
    let message = || Message::new("a", "x").qos(QoS::AtLeastOnce);
    // One is in the window, one is held back by the task, one is in the queue.
    let mut tickets = Vec::new();
    for _ in 0..3 {
        tickets.push(within(client.start_publish(message())).await.unwrap());
    }
    peer.expect("PUBLISH 1 q1 a=x").await;
    let mut fourth = std::pin::pin!(client.start_publish(message()));
    let is_waiting = tokio::select! {
        biased;
        _ = &mut fourth => false,
        () = tokio::task::yield_now() => true,
    };
    assert!(is_waiting);
    peer.puback(1).await;
    peer.expect("PUBLISH 2 q1 a=x").await;
    within(fourth).await.unwrap();
}

#[tokio::test]
async fn many_messages_arrive_in_order() {
    const COUNT: usize = 5000;
    let server = Server::start(Version::V311).await;
    let (client, _connection, mut peer) = server.connect(server.options()).await;
    let publisher = tokio::spawn(async move {
        let mut last = None;
        for number in 0..COUNT {
            let qos = if number % 3 == 0 { QoS::AtLeastOnce } else { QoS::AtMostOnce };
            let message = Message::new("a", number.to_string()).qos(qos);
            last = Some(client.start_publish(message).await.unwrap());
        }
        last.unwrap().await.unwrap();
    });
    for number in 0..COUNT {
        let text = peer.next().await;
        assert!(text.ends_with(&format!("={number}")), "{number}: {text}");
        if number % 3 == 0 {
            peer.puback((number / 3 + 1) as u16).await;
        }
    }
    within(publisher).await.unwrap();
}

#[tokio::test]
async fn a_large_payload_goes_and_comes_in_pieces() {
    let server = Server::start(Version::V5).await;
    let (client, mut connection, mut peer) = server.connect(server.options()).await;
    let payload = "x".repeat(1024 * 1024);
    let ticket =
        client.start_publish(Message::new("a", payload.clone()).qos(QoS::AtLeastOnce)).await.unwrap();
    assert_eq!(peer.next().await, format!("PUBLISH 1 q1 a={payload}"));
    peer.puback(1).await;
    within(ticket).await.unwrap();
    let (message, ()) = tokio::join!(within(connection.messages.next()), async {
        peer.publish("b", QoS::AtMostOnce, &[&payload]).await;
    });
    assert_eq!(message.unwrap().payload, payload);
}

#[tokio::test]
async fn messages_that_nobody_acknowledged_fail_when_the_client_ends() {
    let server = Server::start(Version::V5).await;
    let options = server.options().reconnect(ReconnectPolicy::NEVER).inflight_maximum(1);
    let (client, _connection, mut peer) = server.connect(options).await;
    let message = || Message::new("a", "x").qos(QoS::AtLeastOnce);
    let sent = client.start_publish(message()).await.unwrap();
    let unsent = client.start_publish(message()).await.unwrap();
    peer.expect("PUBLISH 1 q1 a=x").await;
    drop(peer);
    assert!(matches!(within(sent).await, Err(RequestError::Disconnected)));
    assert!(matches!(within(unsent).await, Err(RequestError::Ended)));
}
