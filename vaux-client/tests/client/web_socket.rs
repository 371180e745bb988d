//! MQTT in WebSocket messages, against a server that reads and writes them one by one.

use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::http::{HeaderValue, StatusCode};
use tokio_tungstenite::tungstenite::{Message as Frame, WebSocket, accept_hdr};
use vaux_client::{
    Client, ConnectError, ConnectErrorKind, ConnectOptions, ConnectionEvent, Disconnected, Message, QoS,
    Subscribe, Version, WebSocketOptions,
};

use super::server::within;

const CONNACK: [u8; 5] = [0x20, 3, 0, 0, 0];

/// Runs `server` with the first WebSocket connection in a thread, and gives the port.
fn serve<T: Send + 'static>(
    server: impl FnOnce(WebSocket<TcpStream>, Request) -> T + Send + 'static,
) -> (u16, thread::JoinHandle<T>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let join = thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let mut asked = None;
        #[expect(clippy::result_large_err, reason = "the library's signature")]
        let answer = |request: &Request, mut response: Response| {
            asked = Some(request.clone());
            response.headers_mut().insert("Sec-WebSocket-Protocol", HeaderValue::from_static("mqtt"));
            Ok(response)
        };
        let socket = accept_hdr(stream, answer).unwrap();
        server(socket, asked.unwrap())
    });
    (port, join)
}

/// The next message, which must be binary.
fn read(socket: &mut WebSocket<TcpStream>) -> Vec<u8> {
    match socket.read().unwrap() {
        Frame::Binary(bytes) => bytes.to_vec(),
        other => panic!("not a binary message: {other}"),
    }
}

fn send(socket: &mut WebSocket<TcpStream>, bytes: &[u8]) {
    socket.send(Frame::binary(bytes.to_vec())).unwrap();
}

fn options(port: u16) -> ConnectOptions {
    ConnectOptions::new("127.0.0.1", port)
        .client_id("me")
        .web_socket(WebSocketOptions::new().path("broker").header("X-Site", "north"))
}

/// Shows: v5:MQTT-6.0.0-1 v311:MQTT-6.0.0-1 v5:MQTT-6.0.0-3 v311:MQTT-6.0.0-3
#[tokio::test]
async fn the_handshake_offers_mqtt_and_messages_are_binary() {
    for version in [Version::V311, Version::V5] {
        let (port, server) = serve(move |mut socket, request| {
            assert_eq!(request.uri().path(), "/broker");
            assert_eq!(request.headers()["X-Site"], "north");
            assert_eq!(request.headers()["Host"].to_str().unwrap().split(':').next(), Some("127.0.0.1"));
            assert_eq!(request.headers()["Sec-WebSocket-Protocol"], "mqtt");
            assert_eq!(read(&mut socket)[0], 0x10);
            send(&mut socket, if version == Version::V5 { &CONNACK } else { &[0x20, 2, 0, 0] });
            assert_eq!(read(&mut socket)[0], 0xe0);
            // The client ends the WebSocket connection in order.
            assert!(matches!(socket.read(), Ok(Frame::Close(_))));
        });
        let (client, _connection) = within(Client::connect(options(port).version(version))).await.unwrap();
        within(client.disconnect()).await.unwrap();
        server.join().unwrap();
    }
}

/// Shows: v5:MQTT-6.0.0-2 v311:MQTT-6.0.0-2
#[tokio::test]
async fn packets_may_be_cut_and_joined_anywhere() {
    let (port, server) = serve(|mut socket, _| {
        read(&mut socket);
        CONNACK.iter().for_each(|byte| send(&mut socket, &[*byte]));
        assert_eq!(read(&mut socket)[0], 0x82);
        socket.send(Frame::Ping(Vec::new().into())).unwrap();
        send(&mut socket, &[]);
        // SUBACK, two messages, and the first byte of another.
        let message = |payload: u8| [0x30, 5, 0, 1, b'a', 0, payload];
        let joined = [&[0x90, 4, 0, 1, 0, 1][..], &message(b'1'), &message(b'2'), &[0x30]].concat();
        send(&mut socket, &joined);
        send(&mut socket, &message(b'3')[1..]);
        loop {
            match socket.read().unwrap() {
                Frame::Binary(bytes) if bytes[0] == 0xe0 => break,
                Frame::Pong(_) => {}
                other => panic!("unexpected: {other}"),
            }
        }
    });
    let (client, _connection) = within(Client::connect(options(port))).await.unwrap();
    let mut messages = within(client.subscribe(Subscribe::to("a", QoS::AtLeastOnce))).await.unwrap();
    for payload in ["1", "2", "3"] {
        assert_eq!(within(messages.next()).await.unwrap().payload, payload);
    }
    within(client.disconnect()).await.unwrap();
    server.join().unwrap();
}

#[tokio::test]
async fn a_large_message_arrives_whole() {
    const LEN: usize = 3_000_000;
    let (port, server) = serve(|mut socket, _| {
        read(&mut socket);
        send(&mut socket, &CONNACK);
        let mut received = 0;
        while received < LEN {
            received += read(&mut socket).len();
        }
        send(&mut socket, &[0x40, 2, 0, 1]);
        assert_eq!(read(&mut socket)[0], 0xe0);
    });
    let (client, _connection) = within(Client::connect(options(port))).await.unwrap();
    let message = Message::new("a", vec![0; LEN]).qos(QoS::AtLeastOnce);
    within(client.publish(message)).await.unwrap();
    within(client.disconnect()).await.unwrap();
    server.join().unwrap();
}

#[tokio::test]
async fn text_ends_the_connection() {
    let (port, server) = serve(|mut socket, _| {
        read(&mut socket);
        send(&mut socket, &CONNACK);
        socket.send(Frame::text("hello")).unwrap();
        // Until the client is gone.
        while socket.read().is_ok() {}
    });
    let (_client, mut connection) = within(Client::connect(options(port))).await.unwrap();
    let event = within(connection.events.next()).await;
    let Some(ConnectionEvent::Disconnected(Disconnected::Lost(error))) = event else { panic!("{event:?}") };
    assert!(error.to_string().contains("text"), "{error}");
    server.join().unwrap();
}

#[tokio::test]
async fn a_server_that_does_not_want_it_is_an_error_that_says_so() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let server = thread::spawn(move || {
        #[expect(clippy::result_large_err, reason = "the library's signature")]
        let refuse = |_: &Request, _: Response| {
            let mut response = ErrorResponse::new(None);
            *response.status_mut() = StatusCode::FORBIDDEN;
            Err(response)
        };
        assert!(accept_hdr(listener.accept().unwrap().0, refuse).is_err());
        // One that agrees to no subprotocol does not speak MQTT.
        drop(tokio_tungstenite::tungstenite::accept(listener.accept().unwrap().0));
    });
    let error = within(Client::connect(options(port))).await.expect_err("it was refused");
    assert_eq!(error.to_string(), "no WebSocket at /broker: the server answered 403 Forbidden");
    assert_eq!(error.kind(), ConnectErrorKind::Unreachable);
    let error = within(Client::connect(options(port))).await.expect_err("it is no MQTT server");
    assert!(matches!(error, ConnectError::WebSocket { .. }), "{error}");
    server.join().unwrap();
}

#[tokio::test]
async fn headers_that_cannot_be_are_refused() {
    for (name, value) in [("a b", "x"), ("a", "x\r\ny: z")] {
        let options = ConnectOptions::new("host.invalid", 1);
        let options = options.web_socket(WebSocketOptions::new().header(name, value));
        let error = Client::connect(options).await.expect_err("it cannot be sent");
        assert_eq!(error.kind(), ConnectErrorKind::Options, "{error}");
    }
}
