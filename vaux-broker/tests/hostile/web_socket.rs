//! WebSocket: requests that are none, frames that break RFC 6455, and silence.

use std::io::{Read as _, Write as _};
use std::net::Shutdown;
use std::time::Duration;

use vaux_broker::Broker;
use vaux_broker::config::{ListenerConfig, ListenerKind};

use crate::harness::*;
use crate::healthy::Pair;

fn start_with_web_socket() -> Broker {
    start(2, |config| {
        let mut listener = ListenerConfig::new(ListenerKind::Ws);
        listener.name = "ws".into();
        listener.bind = "127.0.0.1:0".parse().unwrap();
        config.listeners.push(listener);
        config.limits.connect_timeout = Duration::from_millis(500);
    })
}

const REQUEST: &str = "GET /mqtt HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                       Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
                       Sec-WebSocket-Protocol: mqtt\r\n\r\n";

/// What is answered to these bytes before the connection is closed.
fn said(broker: &Broker, bytes: &[u8]) -> Vec<u8> {
    let mut stream = open_at(broker.addresses()[1].address.socket_addr().unwrap());
    stream.write_all(bytes).unwrap();
    let mut said = Vec::new();
    let _ = stream.read_to_end(&mut said);
    said
}

#[test]
fn requests_that_are_none_are_refused() {
    let broker = start_with_web_socket();
    let healthy = Pair::begin(&broker);
    let without = |line: &str| REQUEST.replace(line, "");
    for (name, request, status) in [
        ("no upgrade", without("Upgrade: websocket\r\n"), "400"),
        ("no connection header", without("Connection: Upgrade\r\n"), "400"),
        ("no version", without("Sec-WebSocket-Version: 13\r\n"), "400"),
        ("no key", without("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"), "400"),
        ("no subprotocol", without("Sec-WebSocket-Protocol: mqtt\r\n"), "400"),
        ("no host", without("Host: localhost\r\n"), "400"),
        ("two hosts", REQUEST.replace("Host: localhost\r\n", "Host: a\r\nHost: b\r\n"), "400"),
        ("another version", REQUEST.replace("13\r\n", "8\r\n"), "400"),
        ("another subprotocol", REQUEST.replace(": mqtt\r\n", ": amqp\r\n"), "400"),
        ("another path", REQUEST.replace("/mqtt ", "/admin "), "404"),
        ("another origin", REQUEST.replace("\r\n\r\n", "\r\nOrigin: https://evil.example\r\n\r\n"), "403"),
        ("POST", REQUEST.replace("GET", "POST"), "400"),
        ("HTTP/1.0", REQUEST.replace("HTTP/1.1", "HTTP/1.0"), "400"),
        ("no HTTP", "\u{10}\u{c}\0\u{4}MQTT\u{4}\u{2}\0<\0\0\r\n\r\n".to_owned(), "400"),
        ("frames before the answer", format!("{REQUEST}\u{2}"), "400"),
        ("endless headers", format!("{}{}", &REQUEST[..REQUEST.len() - 2], "A: b\r\n".repeat(3000)), "4"),
        ("one endless header", format!("{}A: {}", &REQUEST[..REQUEST.len() - 2], "b".repeat(20_000)), "4"),
    ] {
        let said = said(&broker, request.as_bytes());
        let text = String::from_utf8_lossy(&said);
        assert!(text.starts_with(&format!("HTTP/1.1 {status}")), "{name}: {text}");
    }
    healthy.end();
}

#[test]
fn frames_that_break_the_rules_end_the_connection_with_the_right_code() {
    let broker = start_with_web_socket();
    let healthy = Pair::begin(&broker);
    for (name, frame, code) in [
        ("not masked", &[0x82, 2, 0xc0, 0][..], 1002u16),
        ("text", &[0x81, 0x82, 0, 0, 0, 0, 0xc0, 0], 1003),
        ("a reserved bit", &[0xc2, 0x82, 0, 0, 0, 0, 0xc0, 0], 1002),
        ("another reserved bit", &[0x92, 0x82, 0, 0, 0, 0, 0xc0, 0], 1002),
        ("a reserved opcode", &[0x83, 0x80, 0, 0, 0, 0], 1002),
        ("a reserved control opcode", &[0x8b, 0x80, 0, 0, 0, 0], 1002),
        ("a continuation of nothing", &[0x80, 0x80, 0, 0, 0, 0], 1002),
        ("a ping in parts", &[0x09, 0x80, 0, 0, 0, 0], 1002),
        ("a ping of 126 bytes", &[0x89, 0xfe, 0, 126, 0, 0, 0, 0], 1002),
        ("a new message within another", &[0x02, 0x80, 0, 0, 0, 0, 0x82, 0x80, 0, 0, 0, 0], 1002),
    ] {
        let mut stream = open_at(broker.addresses()[1].address.socket_addr().unwrap());
        stream.write_all(REQUEST.as_bytes()).unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).unwrap();
            head.push(byte[0]);
        }
        stream.write_all(frame).unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        let mut said = Vec::new();
        let _ = stream.read_to_end(&mut said);
        let [high, low] = code.to_be_bytes();
        assert!(said.starts_with(&[0x88]) && said[2..4] == [high, low], "{name}: {said:02x?}");
    }
    healthy.end();
}

#[test]
fn who_stalls_at_any_point_is_closed_in_time() {
    let broker = start_with_web_socket();
    let healthy = Pair::begin(&broker);
    let huge =
        [REQUEST.as_bytes(), &[0x82, 0xff, 0x3f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 2, 3, 4]]
            .concat();
    let half_connect = [REQUEST.as_bytes(), &[0x82, 0x85, 0, 0, 0, 0, 0x10, 0x10, 0, 4, b'M']].concat();
    let stalls = [
        b"".to_vec(),
        b"GET".to_vec(),
        REQUEST.as_bytes()[..60].to_vec(),
        REQUEST.into(),
        huge,
        half_connect,
    ];
    // All at the same time: they are closed by the clock.
    let streams: Vec<_> = stalls
        .iter()
        .map(|bytes| {
            let mut stream = open_at(broker.addresses()[1].address.socket_addr().unwrap());
            stream.write_all(bytes).unwrap();
            stream
        })
        .collect();
    streams.into_iter().for_each(expect_close);
    healthy.end();
}
