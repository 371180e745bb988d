//! How much memory clients can make the broker hold: no more than the limits say, whatever they promise, send, leave
//! unread or leave behind. The broker is a process of its own, whose peak the system knows.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};

use vaux_mqtt::packet::{Connect, Publish};
use vaux_mqtt::property::{Properties, Property};
use vaux_mqtt::{QoS, Version};

use crate::harness::*;
use crate::healthy::Pair;
use crate::program::Program;

/// What it may hold beside what it held before. Each abuse asks for 70 to 200 MB.
const ALLOWED_BYTES: u64 = 40 << 20;

const CONFIGURATION: &str = "workers = 2
[[listener]]
kind = \"tcp\"
bind = \"127.0.0.1:0\"
allow_anonymous = true
[limits]
max_packet_size = \"1MiB\"
max_outbox_bytes = \"64KiB\"
max_queued_bytes = \"64KiB\"
max_queued_messages = 100
max_sessions = 300
max_retained_bytes = \"1MiB\"
[store]
engine = \"memory\"
";

fn connected(address: SocketAddr, client_id: &str) -> TcpStream {
    let mut stream = open_at(address);
    stream.write_all(&connect_bytes(client_id)).unwrap();
    expect(&mut stream, &[0x20, 2, 0, 0]);
    stream
}

fn subscribed(address: SocketAddr, client_id: &str, filter: &str, qos: QoS) -> TcpStream {
    let mut stream = connected(address, client_id);
    stream.write_all(&subscribe_bytes(filter, qos)).unwrap();
    expect(&mut stream, &[0x90, 3, 0, 1, qos.bits()]);
    stream
}

/// Messages of 1000 bytes, and then one whose acknowledgement says that the broker has had them all.
fn flood(publisher: &mut TcpStream, topic: &str, count: usize, qos: QoS) {
    let payload = [b'x'; 1000];
    for number in 0..count {
        publisher.write_all(&publish_bytes(topic, &payload, qos, 7)).unwrap();
        if qos == QoS::AtLeastOnce {
            expect(publisher, &[0x40, 2, 0, 7]);
        } else if number % 1000 == 0 {
            settle(publisher);
        }
    }
    settle(publisher);
}

fn settle(stream: &mut TcpStream) {
    stream.write_all(&publish_bytes("settled", b"", QoS::AtLeastOnce, 9)).unwrap();
    expect(stream, &[0x40, 2, 0, 9]);
}

/// 200 packets of a mebibyte each, of which a kibibyte comes.
fn promises(address: SocketAddr) -> Vec<TcpStream> {
    let begin = |number: usize| {
        let mut stream = connected(address, &format!("promise-{number}"));
        let remaining_length = (1 << 20) - 10;
        let [low, middle, high] =
            [remaining_length & 0x7f | 0x80, remaining_length >> 7 & 0x7f | 0x80, remaining_length >> 14];
        stream.write_all(&[0x30, low as u8, middle as u8, high as u8]).unwrap();
        stream.write_all(&[0; 1000]).unwrap();
        stream
    };
    (0..200).map(begin).collect()
}

/// 20 clients that read nothing of 10 MB each.
fn deafness(address: SocketAddr) -> Vec<TcpStream> {
    let deaf: Vec<_> = (0..20)
        .map(|number| {
            let qos = if number % 2 == 0 { QoS::AtMostOnce } else { QoS::AtLeastOnce };
            subscribed(address, &format!("deaf-{number}"), "flood", qos)
        })
        .collect();
    let mut publisher = connected(address, "flood");
    flood(&mut publisher, "flood", 9_000, QoS::AtMostOnce);
    flood(&mut publisher, "flood", 1_000, QoS::AtLeastOnce);
    deaf
}

/// 100 sessions that are away while 1 MB comes for each.
fn absence(address: SocketAddr) {
    for number in 0..100 {
        let mut stream = open_at(address);
        let client_id = format!("away-{number}");
        let mut bytes = Vec::new();
        Connect { clean_start: false, ..Connect::new(Version::V311, &client_id) }.encode(&mut bytes);
        stream.write_all(&bytes).unwrap();
        expect(&mut stream, &[0x20, 2, 0, 0]);
        stream.write_all(&subscribe_bytes("away", QoS::AtLeastOnce)).unwrap();
        expect(&mut stream, &[0x90, 3, 0, 1, 1]);
    }
    flood(&mut connected(address, "letters"), "away", 1_000, QoS::AtLeastOnce);
}

/// 100 MB to be kept, each message under a topic of its own.
fn keeping(address: SocketAddr) {
    let mut publisher = connected(address, "keeper");
    let payload = [b'x'; 100_000];
    for number in 0..1_000 {
        let topic = format!("kept/{number}");
        let mut bytes = Vec::new();
        Publish { qos: QoS::AtMostOnce, retain: true, payload: &payload, ..Publish::new(&topic) }
            .encode(Version::V311, &mut bytes);
        publisher.write_all(&bytes).unwrap();
    }
    settle(&mut publisher);
}

/// 1200 sessions, each to be kept for a year, with a will of 60 kB.
fn sessions(address: SocketAddr) {
    let expiry = Properties::from_slice(&[Property::SessionExpiryInterval(31_536_000)]);
    let payload = [b'x'; 60_000];
    for number in 0..1_200 {
        let client_id = format!("session-{number}");
        let will = vaux_mqtt::packet::Will {
            qos: QoS::AtMostOnce,
            retain: false,
            properties: Properties::from_slice(&[Property::WillDelayInterval(31_536_000)]),
            topic: "will",
            payload: &payload,
        };
        let mut bytes = Vec::new();
        Connect { will: Some(will), properties: expiry, ..Connect::new(Version::V5, &client_id) }
            .encode(&mut bytes);
        let mut stream = open_at(address);
        stream.write_all(&bytes).unwrap();
        // CONNACK of success, or of refusal when there are too many.
        stream.read_exact(&mut [0; 4]).unwrap();
    }
}

/// 10,000 messages of QoS 2, of 100 MB, that are never released.
fn unreleased(address: SocketAddr) -> TcpStream {
    let mut stream = connected(address, "unreleased");
    let numbers: Vec<u16> = (1..=10_000).collect();
    for part in numbers.chunks(50) {
        let messages: Vec<u8> = part
            .iter()
            .flat_map(|number| publish_bytes("nobody", &[b'x'; 10_000], QoS::ExactlyOnce, *number))
            .collect();
        stream.write_all(&messages).unwrap();
        stream.read_exact(&mut vec![0; 4 * part.len()]).unwrap();
    }
    stream
}

#[test]
fn memory_stays_within_the_limits_whatever_clients_do() {
    let home = tempfile::tempdir().unwrap();
    fs::write(home.path().join("broker.toml"), CONFIGURATION).unwrap();
    let broker = Program::start(home.path(), "true", "-c broker.toml --data-dir data");
    let address = broker.address;
    let healthy = Pair::begin_at(address);
    let (before, _) = broker.memory();
    let assert_bounded = |what: &str| {
        let (_, peak) = broker.memory();
        let more = peak.saturating_sub(before);
        assert!(more < ALLOWED_BYTES, "{} MiB more after {what}", more >> 20);
    };
    let promising = promises(address);
    assert_bounded("promises");
    let deaf = deafness(address);
    assert_bounded("deafness");
    drop(promising);
    drop(deaf);
    absence(address);
    assert_bounded("absence");
    keeping(address);
    assert_bounded("retained messages");
    let _unreleased = unreleased(address);
    assert_bounded("messages that are never released");
    sessions(address);
    assert_bounded("sessions");
    healthy.end();
}
