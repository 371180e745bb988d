//! Acknowledging by hand: what leaves when, and what becomes of it when connections end.

use vaux_client::{
    AcknowledgeError, Client, Message, Property, QoS, ReasonCode, Subscribe, Subscription, Version,
};
use vaux_mqtt::packet::PacketType;

use super::connecting::quick;
use super::server::{Peer, Server, within};

async fn subscribe(client: &Client, peer: &mut Peer, request: Subscribe) -> Subscription {
    let (subscription, ()) = tokio::join!(within(client.subscribe(request)), async {
        let subscribe = peer.next().await;
        let id = subscribe.split(' ').nth(1).unwrap().parse().unwrap();
        peer.suback(id, &[2]).await;
    });
    subscription.unwrap()
}

async fn next(subscription: &mut Subscription, payload: &str) -> Message {
    let message = within(subscription.next()).await.unwrap();
    assert_eq!(message.payload, payload.as_bytes());
    message
}

fn by_hand(filter: &str) -> Subscribe {
    Subscribe::to(filter, QoS::ExactlyOnce).manual_acknowledgement()
}

/// What the client sends next is this and nothing before it.
async fn expect_nothing_else(client: &Client, peer: &mut Peer) {
    within(client.publish(Message::new("ping", "x"))).await.unwrap();
    peer.expect("PUBLISH q0 ping=x").await;
}

/// Shows: v5:MQTT-4.6.0-2 v5:MQTT-4.6.0-3 v311:MQTT-4.6.0-2 v311:MQTT-4.6.0-3
#[tokio::test]
async fn acknowledgements_leave_when_the_application_says_so_in_the_order_of_the_messages() {
    for version in [Version::V311, Version::V5] {
        for (qos, ack) in [(QoS::AtLeastOnce, "PUBACK"), (QoS::ExactlyOnce, "PUBREC")] {
            let server = Server::start(version).await;
            let (client, _connection, mut peer) = server.connect(server.options()).await;
            let mut messages = subscribe(&client, &mut peer, by_hand("a")).await;
            peer.publish("a", QoS::AtMostOnce, &["0"]).await;
            peer.publish("a", qos, &["1", "2", "3"]).await;
            next(&mut messages, "0").await.acknowledge().unwrap();
            let first = next(&mut messages, "1").await;
            let second = next(&mut messages, "2").await.acknowledgement().unwrap();
            next(&mut messages, "3").await.acknowledge().unwrap();
            expect_nothing_else(&client, &mut peer).await;
            first.acknowledge().unwrap();
            first.acknowledge().unwrap();
            peer.expect(&format!("{ack} 1 00")).await;
            expect_nothing_else(&client, &mut peer).await;
            second.acknowledge().unwrap();
            peer.expect_all(&[&format!("{ack} 2 00"), &format!("{ack} 3 00")]).await;
        }
    }
}

#[tokio::test]
async fn other_subscriptions_are_acknowledged_behind_what_waits() {
    let server = Server::start(Version::V5).await;
    let (client, _connection, mut peer) = server.connect(server.options()).await;
    let mut slow = subscribe(&client, &mut peer, by_hand("a")).await;
    let mut quick = subscribe(&client, &mut peer, Subscribe::to("b", QoS::ExactlyOnce)).await;
    peer.publish("a", QoS::AtLeastOnce, &["1"]).await;
    // QoS 1, topic b, identifier 2, payload 2.
    peer.send(&[0x32, 7, 0, 1, b'b', 0, 2, 0, b'2']).await;
    next(&mut quick, "2").await;
    expect_nothing_else(&client, &mut peer).await;
    next(&mut slow, "1").await.acknowledge().unwrap();
    peer.expect_all(&["PUBACK 1 00", "PUBACK 2 00"]).await;
}

#[tokio::test]
async fn a_message_of_two_subscriptions_is_acknowledged_when_both_did() {
    let server = Server::start(Version::V5).await;
    let (client, _connection, mut peer) = server.connect(server.options()).await;
    let mut one = subscribe(&client, &mut peer, by_hand("a")).await;
    let mut two = subscribe(&client, &mut peer, by_hand("+")).await;
    peer.publish("a", QoS::AtLeastOnce, &["1"]).await;
    let message = next(&mut one, "1").await;
    message.acknowledge().unwrap();
    message.clone().acknowledge().unwrap();
    expect_nothing_else(&client, &mut peer).await;
    let handle = next(&mut two, "1").await.acknowledgement().unwrap();
    assert_eq!(handle.refuse(ReasonCode::Success), Err(AcknowledgeError::ReasonCode));
    handle.refuse(ReasonCode::QuotaExceeded).unwrap();
    peer.expect("PUBACK 1 97").await;
}

#[tokio::test]
async fn what_was_not_acknowledged_comes_again_and_old_handles_are_stale() {
    for version in [Version::V311, Version::V5] {
        let server = Server::start(version).await;
        let mut options = server.options().clean_start(false).reconnect(quick());
        if version == Version::V5 {
            options = options.session_expiry_interval(9);
        }
        let (client, _connection, mut peer) = server.connect(options).await;
        let mut messages = subscribe(&client, &mut peer, by_hand("a")).await;
        peer.publish("a", QoS::ExactlyOnce, &["1", "2"]).await;
        let first = next(&mut messages, "1").await;
        // Held back behind the first, but the application has it.
        next(&mut messages, "2").await.acknowledge().unwrap();
        expect_nothing_else(&client, &mut peer).await;
        drop(peer);
        let mut peer = server.accept_session(true, &[]).await;
        expect_nothing_else(&client, &mut peer).await;
        assert_eq!(first.acknowledge(), Err(AcknowledgeError::Stale));
        // DUP, QoS 2, topic a, identifiers 1 and 2, payloads 1 and 2.
        let properties_len = usize::from(version == Version::V5);
        for digit in [b'1', b'2'] {
            let mut bytes = vec![0x3c, 6 + properties_len as u8, 0, 1, b'a', 0, digit - b'0'];
            bytes.resize(7 + properties_len, 0);
            bytes.push(digit);
            peer.send(&bytes).await;
        }
        let again = next(&mut messages, "1").await;
        assert!(again.dup);
        again.acknowledge().unwrap();
        peer.expect_all(&["PUBREC 1 00", "PUBREC 2 00"]).await;
        peer.ack(PacketType::PubRel, 1, ReasonCode::Success).await;
        peer.expect("PUBCOMP 1 00").await;
        assert_eq!(messages.try_next(), None);
    }
}

#[tokio::test]
async fn messages_of_a_resumed_session_can_be_acknowledged_by_hand() {
    let server = Server::start(Version::V5).await;
    let options = server.options().clean_start(false).session_expiry_interval(9).manual_acknowledgement();
    let (connected, mut peer) = tokio::join!(within(Client::connect(options)), async {
        let mut peer = server.accept_session(true, &[]).await;
        peer.publish("a", QoS::AtLeastOnce, &["1", "2"]).await;
        peer
    });
    let (client, mut connection) = connected.unwrap();
    let message = within(connection.messages.next()).await.unwrap();
    expect_nothing_else(&client, &mut peer).await;
    message.acknowledge().unwrap();
    peer.expect("PUBACK 1 00").await;
    // Nobody can acknowledge the second one any more: the application does not want it.
    drop(connection);
    peer.publish_with("b", QoS::AtMostOnce, &["3"], &[Property::PayloadFormatIndicator(1)]).await;
    expect_nothing_else(&client, &mut peer).await;
}

#[tokio::test]
async fn what_was_acknowledged_leaves_before_the_client_does() {
    let server = Server::start(Version::V5).await;
    let (client, _connection, mut peer) = server.connect(server.options()).await;
    let mut messages = subscribe(&client, &mut peer, by_hand("a")).await;
    peer.publish("a", QoS::AtLeastOnce, &["1"]).await;
    let message = next(&mut messages, "1").await;
    message.acknowledge().unwrap();
    let (disconnected, ()) = tokio::join!(within(client.disconnect()), async {
        peer.expect_all(&["PUBACK 1 00", "DISCONNECT 00"]).await;
        drop(peer);
    });
    disconnected.unwrap();
}
