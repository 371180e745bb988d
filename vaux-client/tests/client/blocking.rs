//! The client for threads. The server runs in a runtime, the client's calls on a thread without one.

use std::time::Duration;

use vaux_client::blocking::{Client, Connection, TimedOut};
use vaux_client::{
    ConnectError, ConnectionEvent, Message, QoS, RequestError, Subscribe, TryPublishError, Version,
};

use super::server::{Peer, Server, within};

/// Runs `client` on a thread of its own, and `server` meanwhile.
async fn beside<T: Send + 'static>(
    client: impl FnOnce() -> T + Send + 'static,
    server: impl AsyncFnOnce(),
) -> T {
    let (done, output) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || done.send(client()).ok().unwrap());
    server().await;
    within(output).await.unwrap()
}

async fn connect(options: vaux_client::ConnectOptions, server: &Server) -> (Client, Connection, Peer) {
    let (done, output) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || done.send(Client::connect(options)).ok().unwrap());
    let peer = server.accept_session(false, &[]).await;
    let (client, connection) = within(output).await.unwrap().unwrap();
    (client, connection, peer)
}

#[tokio::test]
async fn threads_publish_subscribe_and_leave() {
    for version in [Version::V311, Version::V5] {
        let server = Server::start(version).await;
        let (client, mut connection, mut peer) = connect(server.options(), &server).await;
        let application = move || {
            client.publish(Message::new("a", "0")).unwrap();
            let mut ticket = client.start_publish(Message::new("a", "1").qos(QoS::AtLeastOnce)).unwrap();
            assert!(ticket.try_wait().is_none());
            assert!(ticket.wait_timeout(Duration::from_millis(1)).is_none());
            client.queue(Message::new("a", "2").qos(QoS::AtLeastOnce)).unwrap();
            ticket.wait().unwrap();
            let mut messages = client.subscribe(Subscribe::to("b", QoS::AtLeastOnce)).unwrap();
            assert_eq!(messages.answer().reasons.len(), 1);
            assert_eq!(messages.next().unwrap().payload, "3");
            let two: Vec<_> = messages.by_ref().take(2).map(|message| message.payload).collect();
            assert_eq!(two, ["4", "5"]);
            assert_eq!(messages.next_timeout(Duration::from_millis(1)), Err(TimedOut));
            assert_eq!(messages.iter_timeout(Duration::from_millis(1)).count(), 0);
            client.unsubscribe(["b"]).unwrap();
            assert_eq!(messages.next(), None);
            client.disconnect().unwrap();
            assert!(matches!(connection.events.next(), Some(ConnectionEvent::Disconnected(_))));
            assert!(matches!(connection.events.next(), Some(ConnectionEvent::Ended)));
            assert!(connection.events.next().is_none());
            let late = client.try_publish(Message::new("a", "9"));
            assert!(matches!(late, Err(TryPublishError::Ended(message)) if message.payload == "9"));
            assert!(matches!(client.publish(Message::new("a", "9")), Err(RequestError::Ended)));
        };
        beside(application, async move || {
            peer.expect_all(&["PUBLISH q0 a=0", "PUBLISH 1 q1 a=1", "PUBLISH 2 q1 a=2"]).await;
            peer.puback(1).await;
            peer.puback(2).await;
            peer.expect("SUBSCRIBE 3 b").await;
            peer.suback(3, &[1]).await;
            peer.publish("b", QoS::AtLeastOnce, &["3", "4", "5"]).await;
            peer.expect_all(&["PUBACK 1 00", "PUBACK 2 00", "PUBACK 3 00"]).await;
            peer.expect("UNSUBSCRIBE 4 b").await;
            peer.unsuback(4, &[0]).await;
            peer.expect("DISCONNECT 00").await;
        })
        .await;
    }
}

#[tokio::test]
async fn pings_go_on_while_the_application_sleeps() {
    let server = Server::start(Version::V5).await;
    let (client, _connection, mut peer) = connect(server.options().keep_alive(1), &server).await;
    // The application does nothing until the server has seen two pings.
    let (wake, sleep) = std::sync::mpsc::channel::<()>();
    let application = move || {
        sleep.recv().unwrap();
        client.disconnect().unwrap();
    };
    beside(application, async move || {
        for _ in 0..2 {
            peer.expect("PINGREQ").await;
            peer.send(&[0xd0, 0]).await;
        }
        wake.send(()).unwrap();
        peer.expect("DISCONNECT 00").await;
    })
    .await;
}

#[tokio::test]
async fn a_full_queue_gives_the_message_back() {
    let server = Server::start(Version::V5).await;
    let options = server.options().inflight_maximum(1).request_capacity(1);
    let (client, _connection, mut peer) = connect(options, &server).await;
    let message = || Message::new("a", "x").qos(QoS::AtLeastOnce);
    let application = move || {
        // One under way, one held back, one in the queue.
        for _ in 0..3 {
            client.queue(message()).unwrap();
        }
        let full = client.try_publish(message());
        assert!(matches!(full, Err(TryPublishError::Full(returned)) if returned == message()));
    };
    beside(application, async || peer.expect("PUBLISH 1 q1 a=x").await).await;
}

#[tokio::test]
async fn errors_of_connecting_are_told() {
    let server = Server::start(Version::V5).await;
    let options = server.options();
    drop(server);
    let error = beside(move || Client::connect(options).unwrap_err(), async || {}).await;
    assert!(matches!(error, ConnectError::Tcp { .. }), "{error:?}");
}
