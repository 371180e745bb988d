//! WebSocket as browsers speak it: what frames may hold, and who is let in.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use tungstenite::client::IntoClientRequest as _;
use tungstenite::http::HeaderValue;
use tungstenite::{Error, Message, WebSocket};
use vaux_broker::config::ListenerKind;

use crate::broker::TestBroker;

type Socket = WebSocket<TcpStream>;

/// Requests a connection with these headers: the socket and the subprotocol that was selected, or the status of the
/// refusal.
fn request(
    broker: &TestBroker,
    path: &str,
    headers: &[(&'static str, &str)],
) -> Result<(Socket, String), u16> {
    let url = format!("ws://127.0.0.1:{}{path}", broker.port());
    let mut request = url.into_client_request().expect("the address is right");
    for (name, value) in headers {
        request.headers_mut().insert(*name, HeaderValue::from_str(value).expect("the header is right"));
    }
    let stream = TcpStream::connect(("127.0.0.1", broker.port())).expect("the broker listens");
    match tungstenite::client(request, stream) {
        Ok((socket, response)) => {
            let selected = &response.headers()["sec-websocket-protocol"];
            Ok((socket, selected.to_str().expect("it is text").to_owned()))
        }
        Err(tungstenite::HandshakeError::Failure(Error::Http(response))) => Err(response.status().as_u16()),
        Err(error) => panic!("{error}"),
    }
}

const MQTT: (&str, &str) = ("Sec-WebSocket-Protocol", "mqtt");

const CONNECT: &[u8] = b"\x10\x0d\x00\x04MQTT\x05\x02\x00\x3c\x00\x00\x00";
const SUBSCRIBE: &[u8] = b"\x82\x07\x00\x01\x00\x00\x01a\x00";
const PUBLISH: &[u8] = b"\x30\x08\x00\x01a\x00long";
const PINGREQ: &[u8] = b"\xc0\x00";
const PINGRESP: &[u8] = b"\xd0\x00";

fn open(broker: &TestBroker) -> Socket {
    request(broker, "/mqtt", &[MQTT]).expect("it is let in").0
}

/// Reads until what came ends with PINGRESP.
fn read_to_pong(socket: &mut Socket) -> Vec<u8> {
    let mut bytes = Vec::new();
    while !bytes.ends_with(PINGRESP) {
        match socket.read().expect("the connection lives") {
            Message::Binary(frame) => bytes.extend_from_slice(&frame),
            other => panic!("{other}"),
        }
    }
    bytes
}

/// Shows: v5:MQTT-6.0.0-2 v311:MQTT-6.0.0-2
#[test]
fn packets_may_be_spread_over_frames_and_frames_may_hold_several() {
    let broker = TestBroker::start(ListenerKind::Ws, 2);
    let all = [CONNECT, SUBSCRIBE, PUBLISH, PINGREQ].concat();
    let mut whole = open(&broker);
    whole.send(Message::binary(all.clone())).expect("it is sent");
    let answers = read_to_pong(&mut whole);
    assert_eq!(answers[0], 0x20);
    assert!(answers.windows(PUBLISH.len()).any(|window| window == PUBLISH), "{answers:?}");
    for step in [1, 2, 5] {
        let mut split = open(&broker);
        for piece in all.chunks(step) {
            split.send(Message::binary(piece.to_vec())).expect("it is sent");
        }
        let answers = read_to_pong(&mut split);
        assert!(answers.windows(PUBLISH.len()).any(|window| window == PUBLISH), "{answers:?}");
    }
}

/// Shows: v5:MQTT-6.0.0-1 v311:MQTT-6.0.0-1
#[test]
fn a_text_frame_closes_the_connection() {
    let broker = TestBroker::start(ListenerKind::Ws, 1);
    let mut socket = open(&broker);
    socket.send(Message::binary(CONNECT)).expect("it is sent");
    assert!(matches!(socket.read(), Ok(Message::Binary(_))));
    socket.send(Message::text("x")).expect("it is sent");
    match socket.read() {
        Ok(Message::Close(Some(frame))) => assert_eq!(u16::from(frame.code), 1003),
        other => panic!("{other:?}"),
    }
}

/// Shows: v5:MQTT-6.0.0-4 v311:MQTT-6.0.0-4
#[test]
fn the_subprotocol_is_mqtt() {
    let broker = TestBroker::start(ListenerKind::Ws, 1);
    let offer = [("Sec-WebSocket-Protocol", "chat, mqtt")];
    assert_eq!(request(&broker, "/mqtt", &offer).expect("it is let in").1, "mqtt");
    assert_eq!(request(&broker, "/mqtt", &[]).expect_err("nothing is offered"), 400);
}

#[test]
fn other_paths_and_pages_from_elsewhere_are_refused() {
    let broker = TestBroker::start(ListenerKind::Ws, 1);
    assert_eq!(request(&broker, "/", &[MQTT]).expect_err("the path is /mqtt"), 404);
    let origin = ("Origin", "https://example.org");
    assert_eq!(request(&broker, "/mqtt", &[MQTT, origin]).expect_err("no origin is allowed"), 403);
}

#[test]
fn pings_are_answered_and_a_close_is_returned() {
    let broker = TestBroker::start(ListenerKind::Ws, 1);
    let mut socket = open(&broker);
    socket.send(Message::Ping("hello".into())).expect("it is sent");
    assert_eq!(socket.read().expect("an answer"), Message::Pong("hello".into()));
    socket.close(None).expect("it is sent");
    assert!(matches!(socket.read(), Ok(Message::Close(_))));
}

#[test]
fn what_is_no_request_is_told_so() {
    let broker = TestBroker::start(ListenerKind::Ws, 1);
    let mut stream = TcpStream::connect(("127.0.0.1", broker.port())).expect("the broker listens");
    stream.write_all(CONNECT).expect("it is sent");
    stream.write_all(b"\r\n\r\n").expect("it is sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer and the end");
    assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
}
