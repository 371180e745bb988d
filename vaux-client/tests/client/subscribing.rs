//! Subscriptions, where messages go, and backpressure.

use vaux_client::{
    Client, Message, Property, QoS, ReasonCode, RequestError, Subscribe, Subscription, Version,
};
use vaux_mqtt::packet::PacketType;

use super::server::{Peer, Server, within};

const ALL: [Version; 3] = [Version::V31, Version::V311, Version::V5];

async fn subscribe(client: &Client, peer: &mut Peer, request: Subscribe, id: u16) -> Subscription {
    let (subscription, ()) = tokio::join!(within(client.subscribe(request)), async {
        assert!(peer.next().await.starts_with(&format!("SUBSCRIBE {id} ")));
        peer.suback(id, &[0]).await;
    });
    subscription.unwrap()
}

async fn next(subscription: &mut Subscription) -> Message {
    within(subscription.next()).await.unwrap()
}

/// Shows: v5:MQTT-4.6.0-2 v5:MQTT-4.6.0-3 v311:MQTT-4.6.0-2 v311:MQTT-4.6.0-3
#[tokio::test]
async fn acknowledgements_go_out_in_the_order_of_the_messages() {
    for version in [Version::V311, Version::V5] {
        let server = Server::start(version).await;
        let (client, _connection, mut peer) = server.connect(server.options()).await;
        let messages = subscribe(&client, &mut peer, Subscribe::to("a", QoS::ExactlyOnce), 1).await;
        peer.publish("a", QoS::AtLeastOnce, &["1", "2", "3"]).await;
        for wanted in ["PUBACK 1 00", "PUBACK 2 00", "PUBACK 3 00"] {
            peer.expect(wanted).await;
        }
        peer.publish("a", QoS::ExactlyOnce, &["1", "2", "3"]).await;
        for wanted in ["PUBREC 1 00", "PUBREC 2 00", "PUBREC 3 00"] {
            peer.expect(wanted).await;
        }
        drop(messages);
    }
}

/// Shows: v5:MQTT-4.5.0-2 v311:MQTT-4.5.0-2
#[tokio::test]
async fn messages_arrive_and_are_acknowledged() {
    for version in ALL {
        let server = Server::start(version).await;
        let (client, _connection, mut peer) = server.connect(server.options()).await;
        let mut messages = subscribe(&client, &mut peer, Subscribe::to("a/+", QoS::ExactlyOnce), 1).await;
        peer.publish("a/b", QoS::AtMostOnce, &["0"]).await;
        peer.publish("a/b", QoS::AtLeastOnce, &["1"]).await;
        peer.publish("a/b", QoS::ExactlyOnce, &["2"]).await;
        peer.expect_all(&["PUBACK 1 00", "PUBREC 1 00"]).await;
        peer.ack(PacketType::PubRel, 1, ReasonCode::Success).await;
        peer.expect("PUBCOMP 1 00").await;
        for (payload, qos) in [("0", QoS::AtMostOnce), ("1", QoS::AtLeastOnce), ("2", QoS::ExactlyOnce)] {
            let message = next(&mut messages).await;
            assert_eq!(
                (&*message.topic, &message.payload[..], message.qos),
                ("a/b", payload.as_bytes(), qos)
            );
        }
    }
}

#[tokio::test]
async fn a_server_that_sends_byte_by_byte_is_understood() {
    let server = Server::start(Version::V5).await;
    let (client, _connection, mut peer) = server.connect(server.options()).await;
    let mut messages = subscribe(&client, &mut peer, Subscribe::to("a", QoS::AtMostOnce), 1).await;
    for byte in [0x30, 7, 0, 1, b'a', 2, 1, 1, b'x', 0x30, 5, 0, 1, b'a', 0, b'y'] {
        peer.send(&[byte]).await;
        tokio::task::yield_now().await;
    }
    let message = next(&mut messages).await;
    assert_eq!(&message.payload[..], b"x");
    assert_eq!(message.properties.list().payload_format_indicator(), Some(1));
    assert_eq!(&next(&mut messages).await.payload[..], b"y");
}

#[tokio::test]
async fn granted_filters_count_and_no_granted_filter_is_an_error() {
    let server = Server::start(Version::V5).await;
    let (client, _connection, mut peer) = server.connect(server.options()).await;
    let request = Subscribe::to("a", QoS::AtLeastOnce).and("b", QoS::AtLeastOnce);
    let (subscription, ()) = tokio::join!(within(client.subscribe(request)), async {
        peer.expect("SUBSCRIBE 1 a b").await;
        peer.suback(1, &[1, 0x87]).await;
    });
    assert_eq!(subscription.unwrap().answer().reasons, [ReasonCode::GrantedQos1, ReasonCode::NotAuthorized]);
    let (refused, ()) = tokio::join!(within(client.subscribe(Subscribe::to("c", QoS::AtLeastOnce))), async {
        peer.expect("SUBSCRIBE 2 c").await;
        peer.suback(2, &[0x8f]).await;
    });
    let Err(RequestError::Refused { reasons, .. }) = refused else { panic!("{refused:?}") };
    assert_eq!(reasons, [ReasonCode::TopicFilterInvalid]);
    let invalid = within(client.subscribe(Subscribe::to("a/#/b", QoS::AtLeastOnce))).await;
    assert!(matches!(invalid, Err(RequestError::Invalid(_))), "{invalid:?}");
}

#[tokio::test]
async fn each_stream_gets_what_its_filter_matches_and_the_default_stream_the_rest() {
    let server = Server::start(Version::V311).await;
    let (client, mut connection, mut peer) = server.connect(server.options()).await;
    let mut wide = subscribe(&client, &mut peer, Subscribe::to("a/#", QoS::AtMostOnce), 1).await;
    let mut narrow = subscribe(&client, &mut peer, Subscribe::to("a/b", QoS::AtMostOnce), 2).await;
    let (answer, ()) =
        tokio::join!(within(client.subscribe_default(Subscribe::to("c", QoS::AtMostOnce))), async {
            peer.expect("SUBSCRIBE 3 c").await;
            peer.suback(3, &[0]).await;
        });
    assert_eq!(answer.unwrap().reasons, [ReasonCode::Success]);
    for topic in ["a/b", "a/c", "c", "z"] {
        peer.publish(topic, QoS::AtMostOnce, &[topic]).await;
    }
    assert_eq!(&*next(&mut wide).await.topic, "a/b");
    assert_eq!(&*next(&mut wide).await.topic, "a/c");
    assert_eq!(&*next(&mut narrow).await.topic, "a/b");
    assert_eq!(&*within(connection.messages.next()).await.unwrap().topic, "c");
    assert_eq!(&*within(connection.messages.next()).await.unwrap().topic, "z");
    assert_eq!(narrow.try_next(), None);
    assert_eq!(connection.messages.try_next(), None);
}

#[tokio::test]
async fn subscription_identifiers_decide_where_there_are_any() {
    let server = Server::start(Version::V5).await;
    let (client, _connection, mut peer) = server.connect(server.options()).await;
    let request =
        |id| Subscribe::to("a/#", QoS::AtMostOnce).property(Property::SubscriptionIdentifier(id)).unwrap();
    let mut one = subscribe(&client, &mut peer, request(1), 1).await;
    let mut two = subscribe(&client, &mut peer, request(2), 2).await;
    peer.publish_with("a", QoS::AtMostOnce, &["second"], &[Property::SubscriptionIdentifier(2)]).await;
    let both = [Property::SubscriptionIdentifier(1), Property::SubscriptionIdentifier(2)];
    peer.publish_with("a", QoS::AtMostOnce, &["both"], &both).await;
    assert_eq!(&next(&mut one).await.payload[..], b"both");
    assert_eq!(&next(&mut two).await.payload[..], b"second");
    assert_eq!(&next(&mut two).await.payload[..], b"both");
}

#[tokio::test]
async fn unsubscribing_ends_the_stream() {
    for version in ALL {
        let server = Server::start(version).await;
        let (client, _connection, mut peer) = server.connect(server.options()).await;
        let mut messages = subscribe(&client, &mut peer, Subscribe::to("a", QoS::AtMostOnce), 1).await;
        let (answer, ()) = tokio::join!(within(client.unsubscribe(["a", "b"])), async {
            peer.expect("UNSUBSCRIBE 2 a b").await;
            peer.unsuback(2, &[0, 0x11]).await;
        });
        let second =
            if version == Version::V5 { ReasonCode::NoSubscriptionExisted } else { ReasonCode::Success };
        assert_eq!(answer.unwrap().reasons, [ReasonCode::Success, second]);
        assert_eq!(within(messages.next()).await, None);
    }
}

#[tokio::test]
async fn a_full_stream_stops_reading_and_acknowledging_but_not_publishing() {
    let server = Server::start(Version::V5).await;
    let (client, _connection, mut peer) = server.connect(server.options().message_capacity(2)).await;
    let mut messages = subscribe(&client, &mut peer, Subscribe::to("a", QoS::AtLeastOnce), 1).await;
    peer.publish("a", QoS::AtLeastOnce, &["1", "2", "3", "4", "5"]).await;
    peer.expect_all(&["PUBACK 1 00", "PUBACK 2 00"]).await;
    within(client.publish(Message::new("b", "x"))).await.unwrap();
    peer.expect("PUBLISH q0 b=x").await;
    for (read, acknowledged) in [("1", "PUBACK 3 00"), ("2", "PUBACK 4 00"), ("3", "PUBACK 5 00")] {
        assert_eq!(&next(&mut messages).await.payload[..], read.as_bytes());
        peer.expect(acknowledged).await;
    }
}

#[tokio::test]
async fn a_server_that_floods_a_full_stream_is_stopped_by_the_network() {
    const LIMIT: usize = 256 * 1024 * 1024;
    let server = Server::start(Version::V311).await;
    let (client, _connection, mut peer) = server.connect(server.options().message_capacity(1)).await;
    let message = [&[0x30, 0x82, 0x08, 0, 1, b'a'][..], &[0; 1023]].concat();
    let flood = message.repeat(1024);
    let (mut sent, mut is_stopped) = (0, false);
    while !is_stopped && sent < LIMIT {
        let mut accepted = 0;
        // The client takes many turns in between, in each of which it could read.
        for _ in 0..50 {
            accepted += peer.send_some(&flood[(sent + accepted) % message.len()..]);
            within(client.publish(Message::new("b", "x"))).await.unwrap();
            peer.expect("PUBLISH q0 b=x").await;
        }
        sent += accepted;
        is_stopped = accepted == 0;
    }
    assert!(is_stopped, "the client took {sent} bytes that nobody wanted yet");
}

#[tokio::test]
async fn a_stream_that_is_dropped_holds_nobody_up() {
    let server = Server::start(Version::V5).await;
    let (client, connection, mut peer) = server.connect(server.options().message_capacity(1)).await;
    let messages = subscribe(&client, &mut peer, Subscribe::to("a", QoS::AtLeastOnce), 1).await;
    peer.publish("a", QoS::AtLeastOnce, &["1", "2", "3"]).await;
    peer.expect("PUBACK 1 00").await;
    drop(connection);
    drop(messages);
    peer.expect_all(&["PUBACK 2 00", "PUBACK 3 00"]).await;
}

#[tokio::test]
async fn nobody_gives_up_a_server_that_is_not_read_from() {
    let server = Server::start(Version::V311).await;
    let options = server.options().message_capacity(1).keep_alive(1);
    let (client, _connection, mut peer) = server.connect(options).await;
    let mut messages = subscribe(&client, &mut peer, Subscribe::to("a", QoS::AtMostOnce), 1).await;
    peer.publish("a", QoS::AtMostOnce, &["1", "2"]).await;
    // No ping is answered, and none could be read.
    peer.expect_all(&["PINGREQ", "PINGREQ", "PINGREQ"]).await;
    assert_eq!(&next(&mut messages).await.payload[..], b"1");
    assert_eq!(&next(&mut messages).await.payload[..], b"2");
    within(client.publish(Message::new("b", "x"))).await.unwrap();
    peer.expect("PUBLISH q0 b=x").await;
}
