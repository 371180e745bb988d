//! Publishing without a connection.

use std::time::Duration;

use vaux_client::{
    Client, ConnectionEvent, Message, OfflineQueue, Property, QoS, ReconnectPolicy, RequestError, Version,
    WhenFull,
};

use super::connecting::quick;
use super::server::{Server, within};

fn message(payload: &'static str) -> Message {
    Message::new("a", payload).qos(QoS::AtLeastOnce)
}

#[tokio::test]
async fn what_is_published_without_a_connection_follows_in_order_behind_what_was_under_way() {
    for version in [Version::V311, Version::V5] {
        let server = Server::start(version).await;
        let queue = OfflineQueue::new(3).when_full(WhenFull::DropOldest);
        let mut options = server.options().clean_start(false).reconnect(quick()).offline_queue(queue);
        if version == Version::V5 {
            options = options.session_expiry_interval(9);
        }
        let (client, _connection, mut peer) = server.connect(options).await;
        let under_way = client.start_publish(message("1")).await.unwrap();
        peer.expect("PUBLISH 1 q1 a=1").await;
        drop(peer);
        // CONNACK is not there yet.
        let mut peer = server.accept_connect().await;
        let mut tickets = Vec::new();
        for payload in ["2", "3", "4", "5"] {
            tickets.push(client.start_publish(message(payload)).await.unwrap());
        }
        let qos0 = client.start_publish(Message::new("a", "x")).await.unwrap();
        assert!(matches!(within(qos0).await, Err(RequestError::Disconnected)));
        assert!(matches!(within(tickets.remove(0)).await, Err(RequestError::Dropped)));
        peer.connack(true, vaux_client::ReasonCode::Success, &[]).await;
        peer.expect("PUBLISH 1 q1 dup a=1").await;
        for (id, payload) in [(2, "3"), (3, "4"), (4, "5")] {
            peer.expect(&format!("PUBLISH {id} q1 a={payload}")).await;
        }
        for id in 1..=4 {
            peer.puback(id).await;
        }
        within(under_way).await.unwrap();
        for ticket in tickets {
            within(ticket).await.unwrap();
        }
    }
}

#[tokio::test]
async fn a_client_can_begin_without_a_connection() {
    let server = Server::start(Version::V5).await;
    let queue = OfflineQueue::new(2).keep_qos0(true);
    let options = server.options().reconnect(quick()).offline_queue(queue);
    let (client, mut events, _messages) = Client::start(options).unwrap();
    let mut peer = server.accept_connect().await;
    let kept = client.start_publish(Message::new("a", "1")).await.unwrap();
    client.queue(message("2")).await.unwrap();
    let refused = client.try_publish(message("3")).unwrap();
    assert!(matches!(within(refused).await, Err(RequestError::QueueFull)));
    // The first attempt fails, and the next is made as the policy says.
    drop(peer);
    peer = server.accept_session(false, &[]).await;
    peer.expect_all(&["PUBLISH q0 a=1", "PUBLISH 1 q1 a=2"]).await;
    within(kept).await.unwrap();
    let mut seen = Vec::new();
    while !matches!(seen.last(), Some(ConnectionEvent::Connected(_))) {
        seen.push(within(events.next()).await.unwrap());
    }
    assert!(
        matches!(
            &seen[..],
            [
                ConnectionEvent::ReconnectFailed(_),
                ConnectionEvent::Reconnecting { attempt: 1, .. },
                ConnectionEvent::Connected(_)
            ]
        ),
        "{seen:?}"
    );
}

#[tokio::test]
async fn a_client_without_a_connection_sends_what_it_has_although_all_handles_are_gone() {
    let server = Server::start(Version::V5).await;
    let options = server.options().reconnect(quick()).offline_queue(OfflineQueue::new(9));
    let (client, _events, _messages) = Client::start(options).unwrap();
    client.queue(message("1")).await.unwrap();
    drop(client);
    let mut peer = server.accept_session(false, &[]).await;
    peer.expect("PUBLISH 1 q1 a=1").await;
    peer.puback(1).await;
    peer.expect("DISCONNECT 00").await;
}

#[tokio::test]
async fn what_still_waits_when_the_client_ends_is_told_so() {
    let server = Server::start(Version::V5).await;
    let policy = ReconnectPolicy::backoff(Duration::from_secs(3600), Duration::from_secs(3600));
    let options = server.options().reconnect(policy).offline_queue(OfflineQueue::new(9));
    let (client, mut connection, peer) = server.connect(options).await;
    drop(peer);
    assert!(matches!(within(connection.events.next()).await, Some(ConnectionEvent::Disconnected(_))));
    let waiting = client.start_publish(message("1")).await.unwrap();
    within(client.disconnect()).await.unwrap();
    assert!(matches!(within(waiting).await, Err(RequestError::Ended)));
}

/// The unit tests of the queue show what happens to intervals; this, that nothing else happens to the packet.
#[tokio::test]
async fn a_message_that_did_not_wait_keeps_its_expiry_interval() {
    let server = Server::start(Version::V5).await;
    let (client, _connection, mut peer) = server.connect(server.options()).await;
    let expiring = message("x").property(Property::MessageExpiryInterval(7)).unwrap();
    client.queue(expiring).await.unwrap();
    assert_eq!(peer.packet().await.unwrap(), [0x32, 12, 0, 1, b'a', 0, 1, 5, 2, 0, 0, 0, 7, b'x']);
}
