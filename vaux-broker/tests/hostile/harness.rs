//! A broker in this process, and clients that say what they like.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::Value;
use vaux_broker::Broker;
use vaux_broker::config::{Config, ListenerConfig, ListenerKind, StoreEngine};
use vaux_mqtt::packet::{Connect, Publish, Subscribe, Subscription, SubscriptionOptions, Subscriptions};
use vaux_mqtt::{PacketId, QoS, Version};

/// A test that waits for longer has failed.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// One listener without TLS, on any port, and nothing on the disk.
pub(crate) fn configuration(workers: usize) -> Config {
    let mut listener = ListenerConfig::new(ListenerKind::Tcp);
    listener.bind = "127.0.0.1:0".parse().unwrap();
    let mut config = Config { workers, listeners: vec![listener], ..Config::default() };
    config.store.engine = StoreEngine::Memory;
    config
}

pub(crate) fn start(workers: usize, change: impl FnOnce(&mut Config)) -> Broker {
    let mut config = configuration(workers);
    change(&mut config);
    Broker::start(config, vec![None]).unwrap()
}

pub(crate) fn address(broker: &Broker) -> SocketAddr {
    broker.addresses()[0].address.socket_addr().unwrap()
}

pub(crate) fn open(broker: &Broker) -> TcpStream {
    open_at(address(broker))
}

pub(crate) fn open_at(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    stream
}

pub(crate) fn connect_bytes(client_id: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    Connect { clean_start: true, ..Connect::new(Version::V311, client_id) }.encode(&mut bytes);
    bytes
}

pub(crate) fn subscribe_bytes(filter: &str, qos: QoS) -> Vec<u8> {
    let list = [Subscription { filter, options: SubscriptionOptions::with_qos(qos) }];
    let subscriptions = Subscriptions::from_slice(&list);
    let mut bytes = Vec::new();
    Subscribe { packet_id: PacketId::FIRST, properties: Default::default(), subscriptions }
        .encode(Version::V311, &mut bytes);
    bytes
}

pub(crate) fn publish_bytes(topic: &str, payload: &[u8], qos: QoS, packet_id: u16) -> Vec<u8> {
    let mut bytes = Vec::new();
    Publish { qos, packet_id: PacketId::new(packet_id), payload, ..Publish::new(topic) }
        .encode(Version::V311, &mut bytes);
    bytes
}

/// A connected client of version 3.1.1.
pub(crate) fn connect(broker: &Broker, client_id: &str) -> TcpStream {
    let mut stream = open(broker);
    stream.write_all(&connect_bytes(client_id)).unwrap();
    expect(&mut stream, &[0x20, 2, 0, 0]);
    stream
}

pub(crate) fn subscribe(broker: &Broker, client_id: &str, filter: &str, qos: QoS) -> TcpStream {
    let mut stream = connect(broker, client_id);
    stream.write_all(&subscribe_bytes(filter, qos)).unwrap();
    expect(&mut stream, &[0x90, 3, 0, 1, qos.bits()]);
    stream
}

pub(crate) fn expect(stream: &mut impl Read, bytes: &[u8]) {
    let mut received = vec![0; bytes.len()];
    stream.read_exact(&mut received).unwrap();
    assert_eq!(received, bytes);
}

/// Waits until the broker has closed the connection, whatever it says before.
pub(crate) fn expect_close(mut stream: impl Read) {
    let mut said = Vec::new();
    if let Err(error) = stream.read_to_end(&mut said) {
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset, "the broker closes");
    }
}

/// A message goes from one well-behaved client to another.
pub(crate) fn assert_healthy(broker: &Broker) {
    let mut subscriber = subscribe(broker, "well", "health/+", QoS::AtLeastOnce);
    let mut publisher = connect(broker, "behaved");
    publisher.write_all(&publish_bytes("health/a", b"fine", QoS::AtLeastOnce, 9)).unwrap();
    expect(&mut publisher, &[0x40, 2, 0, 9]);
    expect(&mut subscriber, &publish_bytes("health/a", b"fine", QoS::AtLeastOnce, 1));
}

/// Asks what an operator can ask.
pub(crate) fn ask(broker: &Broker, request: Value) -> Value {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(broker.control(&request))
}
