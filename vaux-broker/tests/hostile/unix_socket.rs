//! Listeners on unix sockets.

use std::io::Write as _;
use std::os::unix::net::UnixStream;

use vaux_broker::BoundAddress;
use vaux_broker::config::{ListenerConfig, ListenerKind};
use vaux_mqtt::QoS;

use crate::harness::*;

#[test]
fn clients_of_a_unix_socket_speak_with_those_of_tcp() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("mqtt.sock");
    let broker = start(2, |config| {
        let mut listener = ListenerConfig::new(ListenerKind::Unix);
        listener.name = "unix".into();
        listener.socket = path.clone();
        config.listeners.push(listener);
    });
    assert_eq!(broker.addresses()[1].address, BoundAddress::Unix(path.clone()));
    let mut subscriber = subscribe(&broker, "tcp", "a", QoS::AtMostOnce);
    for number in 0..8 {
        let mut publisher = UnixStream::connect(&path).unwrap();
        publisher.set_read_timeout(Some(PATIENCE)).unwrap();
        publisher.write_all(&connect_bytes(&format!("unix{number}"))).unwrap();
        expect(&mut publisher, &[0x20, 2, 0, 0]);
        publisher.write_all(&publish_bytes("a", b"x", QoS::AtMostOnce, 0)).unwrap();
        expect(&mut subscriber, &publish_bytes("a", b"x", QoS::AtMostOnce, 0));
        publisher.write_all(&[0xff, 0]).unwrap();
        expect_close(publisher);
    }
    broker.shutdown(PATIENCE);
    drop(broker);
    assert!(!path.exists());
}
