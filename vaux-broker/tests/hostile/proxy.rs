//! The PROXY protocol: mandatory from where it is expected, refused from elsewhere, and believed.

use std::io::Write as _;
use std::time::Duration;

use serde_json::{Value, json};
use vaux_broker::Broker;

use crate::harness::*;

fn behind_proxy(networks: &[&str]) -> Broker {
    start(2, |config| {
        config.limits.connect_timeout = Duration::from_millis(300);
        config.listeners[0].allow_anonymous = Some(true);
        config.listeners[0].proxy_protocol = true;
        config.listeners[0].proxy_from = networks.iter().map(|network| network.parse().unwrap()).collect();
    })
}

/// The address of a client, as operators see it.
fn address_of(broker: &Broker, client_id: &str) -> Value {
    let answer = ask(broker, json!({ "command": "session", "client_id": client_id }));
    answer.pointer("/session/address").unwrap_or_else(|| panic!("{answer}")).clone()
}

#[test]
fn the_client_is_where_the_proxy_says() {
    let broker = behind_proxy(&["10.0.0.0/8", "127.0.0.1"]);
    let v2 =
        [&b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c"[..], &[192, 0, 2, 7, 10, 0, 0, 1, 0xC7, 0x38, 0x07, 0x5B]]
            .concat();
    for (header, address) in [
        (&b"PROXY TCP4 192.0.2.7 10.0.0.1 51000 1883\r\n"[..], "192.0.2.7:51000"),
        (b"PROXY TCP6 2001:db8::7 ::1 51000 1883\r\n", "[2001:db8::7]:51000"),
        (b"PROXY TCP4 127.0.0.1 127.0.0.1 51000 1883\r\n", "127.0.0.1:51000"),
        (b"PROXY UNKNOWN\r\n", "proxy"),
        (&v2, "192.0.2.7:51000"),
    ] {
        // All at once, and byte by byte.
        for chunk in [usize::MAX, 1] {
            let mut stream = open(&broker);
            stream.set_nodelay(true).unwrap();
            let bytes = [header, &connect_bytes("c")].concat();
            bytes.chunks(chunk.min(bytes.len())).for_each(|chunk| stream.write_all(chunk).unwrap());
            expect(&mut stream, &[0x20, 2, 0, 0]);
            assert_eq!(address_of(&broker, "c"), address);
        }
    }
}

#[test]
fn a_proxy_that_says_nothing_or_something_else_is_closed() {
    let broker = behind_proxy(&["127.0.0.0/8"]);
    for bytes in [
        &connect_bytes("direct")[..],
        b"\x16\x03\x01\x00\x05hello",
        b"PROXY TCP4 999.0.2.7 10.0.0.1 51000 1883\r\n",
        b"PROXY TCP4 192.0.2.7",
        b"\r\n\r\n\0\r\nQUIT\n\x21\x11\xff\xff",
        b"",
    ] {
        let mut stream = open(&broker);
        stream.write_all(bytes).unwrap();
        expect_close(stream);
    }
}

#[test]
fn nobody_else_may_connect() {
    let broker = behind_proxy(&["192.0.2.0/24"]);
    let mut stream = open(&broker);
    // The broker may have closed already.
    let _ = stream.write_all(b"PROXY TCP4 192.0.2.7 10.0.0.1 51000 1883\r\n");
    let _ = stream.write_all(&connect_bytes("c"));
    expect_close(stream);
    let why = ask(&broker, json!({ "command": "why" }));
    assert!(why.to_string().contains("no-proxy"), "{why}");
}
