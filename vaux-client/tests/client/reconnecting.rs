//! Lost connections: redelivery, lost sessions, subscriptions, giving up.

use std::time::Duration;

use vaux_client::{
    ConnectError, ConnectionEvent, ConnectionEvents, Message, Property, QoS, ReasonCode, ReconnectPolicy,
    RequestError, Subscribe, Version,
};
use vaux_mqtt::packet::PacketType;

use super::connecting::quick;
use super::server::{Server, within};

/// The next event that is not about an attempt.
async fn next_change(events: &mut ConnectionEvents) -> ConnectionEvent {
    loop {
        let event = within(events.next()).await.unwrap();
        if !matches!(event, ConnectionEvent::Reconnecting { .. } | ConnectionEvent::ReconnectFailed(_)) {
            return event;
        }
    }
}

#[tokio::test]
async fn a_resumed_session_sends_again_in_order_and_outcomes_arrive() {
    for version in [Version::V311, Version::V5] {
        let server = Server::start(version).await;
        let mut options = server.options().clean_start(false).reconnect(quick());
        if version == Version::V5 {
            options = options.session_expiry_interval(100);
        }
        let (client, mut connection, mut peer) = server.connect(options).await;
        let mut tickets = Vec::new();
        for (payload, qos) in [("1", QoS::AtLeastOnce), ("2", QoS::ExactlyOnce), ("3", QoS::ExactlyOnce)] {
            let message = Message::new("a", payload).qos(qos);
            tickets.push(client.start_publish(message).await.unwrap());
        }
        peer.expect_all(&["PUBLISH 1 q1 a=1", "PUBLISH 2 q2 a=2", "PUBLISH 3 q2 a=3"]).await;
        peer.ack(PacketType::PubRec, 3, ReasonCode::Success).await;
        peer.expect("PUBREL 3 00").await;
        drop(peer);
        let mut peer = server.accept_session(true, &[]).await;
        peer.expect_all(&["PUBLISH 1 q1 dup a=1", "PUBLISH 2 q2 dup a=2", "PUBREL 3 00"]).await;
        peer.puback(1).await;
        peer.ack(PacketType::PubRec, 2, ReasonCode::Success).await;
        peer.expect("PUBREL 2 00").await;
        peer.ack(PacketType::PubComp, 2, ReasonCode::Success).await;
        peer.ack(PacketType::PubComp, 3, ReasonCode::Success).await;
        for ticket in tickets {
            within(ticket).await.unwrap();
        }
        assert!(matches!(next_change(&mut connection.events).await, ConnectionEvent::Disconnected(_)));
        let event = next_change(&mut connection.events).await;
        let ConnectionEvent::Connected(connected) = event else { panic!("{event:?}") };
        assert!(connected.session_present);
    }
}

#[tokio::test]
async fn a_clean_first_start_continues_the_session_later() {
    let server = Server::start(Version::V5).await;
    let options = server.options().clean_start(true).session_expiry_interval(9).reconnect(quick());
    let (_client, _connection, peer) = server.connect(options).await;
    drop(peer);
    let bytes = server.accept().await.packet().await.unwrap();
    assert_eq!(bytes[9] & 0b10, 0, "clean start must be off");
}

#[tokio::test]
async fn when_the_session_is_lost_qos_1_is_published_anew_and_qos_2_fails() {
    let server = Server::start(Version::V5).await;
    let options = server.options().session_expiry_interval(100).reconnect(quick());
    let (client, _connection, mut peer) = server.connect(options).await;
    let first = client.start_publish(Message::new("a", "1").qos(QoS::ExactlyOnce)).await.unwrap();
    let second = client.start_publish(Message::new("a", "2").qos(QoS::AtLeastOnce)).await.unwrap();
    let third = client.start_publish(Message::new("a", "3").qos(QoS::AtLeastOnce)).await.unwrap();
    peer.expect_all(&["PUBLISH 1 q2 a=1", "PUBLISH 2 q1 a=2", "PUBLISH 3 q1 a=3"]).await;
    drop(peer);
    let mut peer = server.accept_session(false, &[]).await;
    peer.expect_all(&["PUBLISH 1 q1 a=2", "PUBLISH 2 q1 a=3"]).await;
    peer.puback(1).await;
    peer.puback(2).await;
    assert!(matches!(within(first).await, Err(RequestError::SessionLost)));
    within(second).await.unwrap();
    within(third).await.unwrap();
}

#[tokio::test]
async fn subscriptions_are_made_again_when_the_server_lost_them() {
    let server = Server::start(Version::V5).await;
    let (client, mut connection, mut peer) = server.connect(server.options().reconnect(quick())).await;
    let request = Subscribe::to("a", QoS::AtMostOnce).and("b", QoS::AtMostOnce);
    let (subscription, ()) = tokio::join!(within(client.subscribe(request)), async {
        peer.expect("SUBSCRIBE 1 a b").await;
        peer.suback(1, &[0, 0]).await;
    });
    let mut messages = subscription.unwrap();
    drop(peer);
    let mut peer = server.accept_session(false, &[]).await;
    peer.expect("SUBSCRIBE 1 a b").await;
    peer.suback(1, &[0, 0x87]).await;
    peer.publish("a", QoS::AtMostOnce, &["x"]).await;
    assert_eq!(&within(messages.next()).await.unwrap().payload[..], b"x");
    next_change(&mut connection.events).await;
    next_change(&mut connection.events).await;
    let event = next_change(&mut connection.events).await;
    let ConnectionEvent::SubscriptionsLost(filters) = event else { panic!("{event:?}") };
    assert_eq!(filters, ["b".into()]);
}

#[tokio::test]
async fn more_subscriptions_than_may_be_unanswered_are_all_made_again() {
    const COUNT: u16 = 1100;
    let server = Server::start(Version::V5).await;
    let (client, _connection, mut peer) = server.connect(server.options().reconnect(quick())).await;
    let mut subscriptions = Vec::new();
    for number in 1..=COUNT {
        let request = Subscribe::to(number.to_string(), QoS::AtMostOnce);
        let (subscription, ()) = tokio::join!(within(client.subscribe(request)), async {
            peer.expect(&format!("SUBSCRIBE {number} {number}")).await;
            peer.suback(number, &[0]).await;
        });
        subscriptions.push(subscription.unwrap());
    }
    drop(peer);
    let mut peer = server.accept_session(false, &[]).await;
    for number in 1..=COUNT {
        peer.expect(&format!("SUBSCRIBE {number} {number}")).await;
        peer.suback(number, &[0]).await;
    }
    peer.publish("1100", QoS::AtMostOnce, &["x"]).await;
    let last = subscriptions.last_mut().unwrap();
    assert_eq!(&within(last.next()).await.unwrap().payload[..], b"x");
}

#[tokio::test]
async fn subscriptions_are_not_made_again_when_the_session_lives_or_nobody_wants_it() {
    let server = Server::start(Version::V5).await;
    for (session_present, resubscribe) in [(true, true), (false, false)] {
        let options = server
            .options()
            .clean_start(false)
            .session_expiry_interval(9)
            .resubscribe(resubscribe)
            .reconnect(quick());
        let (client, _connection, mut peer) = server.connect(options).await;
        let (subscription, ()) =
            tokio::join!(within(client.subscribe(Subscribe::to("a", QoS::AtMostOnce))), async {
                peer.expect("SUBSCRIBE 1 a").await;
                peer.suback(1, &[0]).await;
            });
        drop(peer);
        let mut peer = server.accept_session(session_present, &[]).await;
        within(client.publish(Message::new("b", "x"))).await.unwrap();
        peer.expect("PUBLISH q0 b=x").await;
        drop(subscription);
    }
}

#[tokio::test]
async fn requests_wait_for_the_next_connection() {
    let server = Server::start(Version::V311).await;
    let (client, _connection, mut peer) = server.connect(server.options().reconnect(quick())).await;
    let unanswered = tokio::spawn({
        let client = client.clone();
        async move { client.subscribe(Subscribe::to("a", QoS::AtMostOnce)).await }
    });
    peer.expect("SUBSCRIBE 1 a").await;
    drop(peer);
    let mut peer = server.accept_connect().await;
    // CONNACK is not there yet: this waits.
    let ticket = client.start_publish(Message::new("b", "x").qos(QoS::AtLeastOnce)).await.unwrap();
    peer.connack(false, ReasonCode::Success, &[]).await;
    peer.expect("SUBSCRIBE 1 a").await;
    peer.suback(1, &[0]).await;
    peer.expect("PUBLISH 2 q1 b=x").await;
    peer.puback(2).await;
    within(unanswered).await.unwrap().unwrap();
    within(ticket).await.unwrap();
}

#[tokio::test]
async fn attempts_go_on_until_the_policy_ends_them() {
    let server = Server::start(Version::V5).await;
    let options = server.options().reconnect(quick().max_attempts(2));
    let (client, mut connection, peer) = server.connect(options).await;
    drop(server);
    drop(peer);
    let mut events = Vec::new();
    while let Some(event) = within(connection.events.next()).await {
        events.push(event);
    }
    assert!(
        matches!(
            &events[..],
            [
                ConnectionEvent::Disconnected(_),
                ConnectionEvent::Reconnecting { attempt: 1, .. },
                ConnectionEvent::ReconnectFailed(error),
                ConnectionEvent::Reconnecting { attempt: 2, .. },
                ConnectionEvent::ReconnectFailed(_),
                ConnectionEvent::Ended,
            ] if matches!(**error, ConnectError::Tcp { .. })
        ),
        "{events:?}"
    );
    assert!(matches!(client.publish(Message::new("a", "x")).await, Err(RequestError::Ended)));
}

#[tokio::test]
async fn a_client_that_is_not_wanted_does_not_come_back() {
    let server = Server::start(Version::V5).await;
    let (_client, mut connection, mut peer) = server.connect(server.options().reconnect(quick())).await;
    peer.disconnect(ReasonCode::SessionTakenOver).await;
    assert!(matches!(within(connection.events.next()).await, Some(ConnectionEvent::Disconnected(_))));
    assert!(matches!(within(connection.events.next()).await, Some(ConnectionEvent::Ended)));

    let (_client, mut connection, peer) = server.connect(server.options().reconnect(quick())).await;
    drop(peer);
    let mut peer = server.accept_connect().await;
    peer.connack(false, ReasonCode::NotAuthorized, &[]).await;
    assert!(matches!(next_change(&mut connection.events).await, ConnectionEvent::Disconnected(_)));
    assert!(matches!(next_change(&mut connection.events).await, ConnectionEvent::Ended));
}

#[tokio::test]
async fn a_subscription_that_was_replaced_is_made_again_once() {
    let server = Server::start(Version::V5).await;
    let (client, _connection, mut peer) = server.connect(server.options().reconnect(quick())).await;
    for (identifier, qos) in [(1, QoS::AtMostOnce), (2, QoS::AtLeastOnce)] {
        let request = Subscribe::to("a", qos).property(Property::SubscriptionIdentifier(identifier)).unwrap();
        let asking = tokio::spawn({
            let client = client.clone();
            async move { client.subscribe_default(request).await }
        });
        let subscribe = peer.packet().await.unwrap();
        peer.suback(u16::from_be_bytes([subscribe[2], subscribe[3]]), &[0]).await;
        within(asking).await.unwrap().unwrap();
    }
    drop(peer);
    let mut peer = server.accept_session(false, &[]).await;
    let subscribe = peer.packet().await.unwrap();
    assert_eq!(subscribe.last(), Some(&1), "the options of the second: {subscribe:?}");
    within(client.publish(Message::new("b", "x"))).await.unwrap();
    peer.expect("PUBLISH q0 b=x").await;
}

#[tokio::test]
async fn disconnecting_ends_a_client_that_waits_for_its_server() {
    let server = Server::start(Version::V5).await;
    let policy = ReconnectPolicy::backoff(Duration::from_secs(3600), Duration::from_secs(3600));
    let (client, mut connection, peer) = server.connect(server.options().reconnect(policy)).await;
    drop(peer);
    assert!(matches!(within(connection.events.next()).await, Some(ConnectionEvent::Disconnected(_))));
    within(client.disconnect()).await.unwrap();
    assert!(matches!(next_change(&mut connection.events).await, ConnectionEvent::Ended));
}

#[tokio::test]
async fn an_unfinished_qos_2_message_is_not_delivered_again() {
    let server = Server::start(Version::V5).await;
    let options = server.options().clean_start(false).session_expiry_interval(9).reconnect(quick());
    let (_client, mut connection, mut peer) = server.connect(options).await;
    peer.publish("a", QoS::ExactlyOnce, &["x"]).await;
    peer.expect("PUBREC 1 00").await;
    drop(peer);
    let mut peer = server.accept_session(true, &[Property::ReceiveMaximum(1)]).await;
    // DUP, QoS 2
    peer.send(&[0x3c, 7, 0, 1, b'a', 0, 1, 0, b'x']).await;
    peer.expect("PUBREC 1 00").await;
    peer.ack(PacketType::PubRel, 1, ReasonCode::Success).await;
    peer.expect("PUBCOMP 1 00").await;
    assert_eq!(&within(connection.messages.next()).await.unwrap().payload[..], b"x");
    assert_eq!(connection.messages.try_next(), None);
}

#[tokio::test]
async fn a_message_that_waits_for_its_stream_is_not_acknowledged_on_another_connection() {
    let server = Server::start(Version::V5).await;
    let options = server
        .options()
        .clean_start(false)
        .session_expiry_interval(9)
        .keep_alive(1)
        .message_capacity(1)
        .reconnect(quick());
    let (client, mut connection, mut peer) = server.connect(options).await;
    peer.publish("a", QoS::AtLeastOnce, &["1", "2", "3"]).await;
    peer.expect("PUBACK 1 00").await;
    // The second message waits. The client does not read meanwhile, and learns of the end by a ping.
    drop(peer);
    let mut peer = server.accept_session(true, &[]).await;
    within(client.publish(Message::new("b", "x"))).await.unwrap();
    peer.expect("PUBLISH q0 b=x").await;
    assert_eq!(&within(connection.messages.next()).await.unwrap().payload[..], b"1");
    assert_eq!(&within(connection.messages.next()).await.unwrap().payload[..], b"2");
    // Identifier 9: were the message of before acknowledged here, it would come first.
    peer.send(&[0x32, 7, 0, 1, b'a', 0, 9, 0, b'4']).await;
    peer.expect("PUBACK 9 00").await;
    assert_eq!(&within(connection.messages.next()).await.unwrap().payload[..], b"4");
}
