//! TLS: records that are none, handshakes that stop, and floods of them.

use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::{PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore};
use vaux_broker::Broker;
use vaux_broker::config::{ListenerConfig, ListenerKind};

use crate::harness::*;
use crate::healthy::Pair;

/// A broker with a listener without TLS and one with.
fn start_with_tls() -> Broker {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let tls = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    let mut config = configuration(2);
    let mut listener = ListenerConfig::new(ListenerKind::Tls);
    listener.name = "tls".into();
    listener.bind = "127.0.0.1:0".parse().unwrap();
    config.listeners.push(listener);
    config.limits.connect_timeout = Duration::from_millis(500);
    Broker::start(config, vec![None, Some(Arc::new(tls).into())]).unwrap()
}

/// The first flight of a client.
fn client_hello() -> Vec<u8> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(RootCertStore::empty())
        .with_no_client_auth();
    let name = ServerName::try_from("localhost").unwrap();
    let mut client = ClientConnection::new(Arc::new(config), name).unwrap();
    let mut bytes = Vec::new();
    client.write_tls(&mut bytes).unwrap();
    bytes
}

#[test]
fn handshakes_that_stop_or_go_wrong_end_in_time() {
    let broker = start_with_tls();
    let healthy = Pair::begin(&broker);
    let hello = client_hello();
    let changed = |at: usize, byte: u8| {
        let mut bytes = hello.clone();
        bytes[at] = byte;
        bytes
    };
    let mut cases = vec![
        ("nothing", Vec::new()),
        ("MQTT in the clear", connect_bytes("plain")),
        ("HTTP", b"GET / HTTP/1.1\r\n\r\n".to_vec()),
        ("an alert", vec![0x15, 3, 3, 0, 2, 2, 40]),
        ("a warning that everything is over", vec![0x15, 3, 3, 0, 2, 1, 0]),
        ("application data first", vec![0x17, 3, 3, 0, 5, 1, 2, 3, 4, 5]),
        ("change cipher spec first", vec![0x14, 3, 3, 0, 1, 1]),
        ("a record of 64 KiB", vec![0x16, 3, 1, 0xff, 0xff]),
        ("an empty record", vec![0x16, 3, 1, 0, 0]),
        ("SSL 2", vec![0x80, 0x2e, 1, 0, 2, 0, 0x15, 0, 0, 0, 0x10]),
        ("a hello of 16 MiB", vec![0x16, 3, 1, 0, 4, 1, 0xff, 0xff, 0xff]),
        ("the hello of a server", changed(5, 2)),
        ("another version of records", changed(1, 9)),
        ("a legacy version that is none", changed(9, 0)),
        ("a hello whose session is too long", changed(43, 0xff)),
        ("the hello, twice", [&hello[..], &hello].concat()),
        ("the hello, then noise", [&hello[..], &[0xff; 100]].concat()),
        ("the hello, and no more", hello.clone()),
    ];
    for end in [1, 4, 5, 6, 9, 40, hello.len() - 1] {
        cases.push(("the beginning of the hello", hello[..end].to_vec()));
    }
    // All at the same time: those that stall are closed by the clock.
    let streams: Vec<_> = cases
        .iter()
        .map(|(name, bytes)| {
            let mut stream = open_at(broker.addresses()[1].address.socket_addr().unwrap());
            stream.write_all(bytes).unwrap_or_else(|error| panic!("{name}: {error}"));
            stream
        })
        .collect();
    streams.into_iter().for_each(expect_close);
    healthy.end();
}

#[test]
fn a_flood_of_handshakes_that_never_end_leaves_room_for_others() {
    let broker = start_with_tls();
    let healthy = Pair::begin(&broker);
    let hello = client_hello();
    let streams: Vec<_> = (0..200)
        .map(|_| {
            let mut stream = open_at(broker.addresses()[1].address.socket_addr().unwrap());
            stream.write_all(&hello).unwrap();
            stream
        })
        .collect();
    assert_healthy(&broker);
    streams.into_iter().for_each(expect_close);
    healthy.end();
}
