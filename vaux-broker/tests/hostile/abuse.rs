//! Packets that can be read, and go too far: the limits of a broker that has small ones.

use std::io::{Read as _, Write as _};

use vaux_broker::Broker;
use vaux_mqtt::packet::{
    Connect, Publish, Subscribe, Subscription, SubscriptionOptions, Subscriptions, Will,
};
use vaux_mqtt::property::{Properties, Property};
use vaux_mqtt::{PacketId, QoS, Version};

use crate::harness::*;
use crate::healthy::Pair;
use crate::malformed::connect_as;

/// What a client sends after CONNACK, or in place of CONNECT, and what it is told.
struct Case {
    name: String,
    version: Version,
    is_connected: bool,
    bytes: Vec<u8>,
    outcome: Outcome,
}

enum Outcome {
    /// DISCONNECT with this reason in version 5.0, nothing before; then closed.
    Ends(u8),
    /// CONNACK with this code; then closed.
    Refused(u8),
    /// Closed without a word.
    Closed,
    /// Answers, among them this; the connection stays open until the client leaves.
    Answers(Vec<u8>),
}

const SMALL: [Version; 2] = [Version::V311, Version::V5];

fn small_limits() -> Broker {
    start(2, |config| {
        let limits = &mut config.limits;
        limits.max_packet_size = 64 << 10;
        limits.max_connect_packet = 4 << 10;
        limits.max_payload = Some(1000);
        limits.max_topic_levels = 16;
        limits.max_topic_bytes = 200;
        limits.max_client_id_bytes = 40;
        limits.max_subscriptions_per_client = 20;
        limits.receive_maximum = 8;
        limits.topic_alias_maximum = 4;
        limits.max_user_properties = 8;
        limits.max_user_properties_bytes = 500;
        limits.max_retained_messages = 30;
    })
}

fn publish(version: Version, publish: &Publish<'_>) -> Vec<u8> {
    let mut bytes = Vec::new();
    publish.encode(version, &mut bytes);
    bytes
}

fn id(number: u16) -> Option<PacketId> {
    PacketId::new(number)
}

fn acknowledgement(version: Version, first_byte: u8, packet_id: u8, reason: u8) -> Vec<u8> {
    match version {
        // With the reason string that follows, its length is not known here.
        Version::V5 => vec![0, packet_id, reason],
        _ => vec![first_byte, 2, 0, packet_id],
    }
}

/// A case of the table.
fn case(name: &str, version: Version, bytes: Vec<u8>, outcome: Outcome) -> Case {
    Case { name: format!("{version}: {name}"), version, is_connected: true, bytes, outcome }
}

/// The same, in place of CONNECT.
fn first(name: &str, version: Version, bytes: Vec<u8>, outcome: Outcome) -> Case {
    Case { is_connected: false, ..case(name, version, bytes, outcome) }
}

/// What a version that has no DISCONNECT from the server does instead.
fn ends(version: Version, reason: u8) -> Outcome {
    if version == Version::V5 { Outcome::Ends(reason) } else { Outcome::Closed }
}

fn promises() -> Vec<Case> {
    let mut cases = Vec::new();
    for version in SMALL {
        for first_byte in [0x30, 0x32, 0x34, 0x3d, 0x40, 0x50, 0x62, 0x70, 0x82, 0xa2, 0xc0, 0xe0] {
            for (length, text) in [
                (&[0xff, 0xff, 0xff, 0x7f][..], "256 MiB"),
                (&[0x80, 0x80, 0x80, 0x01], "2 MiB"),
                (&[0xff, 0xff, 0x03], "64 KiB"),
            ] {
                let bytes = [&[first_byte], length].concat();
                let name = format!("a packet {first_byte:#04x} promises {text}");
                cases.push(case(&name, version, bytes, ends(version, 0x95)));
            }
        }
    }
    for (length, text) in [(&[0xff, 0xff, 0xff, 0x7f][..], "256 MiB"), (&[0x80, 0x40], "8 KiB")] {
        let bytes = [&[0x10], length].concat();
        cases.push(first(&format!("CONNECT promises {text}"), Version::V5, bytes, Outcome::Closed));
    }
    cases
}

fn topics() -> Vec<Case> {
    let mut cases = Vec::new();
    let deep = "a/".repeat(16) + "a";
    let empty_levels = "/".repeat(150);
    let long = "x".repeat(201);
    for version in SMALL {
        for (what, topic) in [("deep", &deep), ("of empty levels", &empty_levels), ("long", &long)] {
            for (qos, first_byte) in [(QoS::AtLeastOnce, 0x40), (QoS::ExactlyOnce, 0x50)] {
                let bytes = publish(version, &Publish { qos, packet_id: id(7), ..Publish::new(topic) });
                let answer = acknowledgement(version, first_byte, 7, 0x90);
                cases.push(case(
                    &format!("a topic {what}, {qos:?}"),
                    version,
                    bytes,
                    Outcome::Answers(answer),
                ));
            }
            let bytes = [publish(version, &Publish::new(topic)), vec![0xc0, 0]].concat();
            let alive = Outcome::Answers(vec![0xd0, 0]);
            cases.push(case(&format!("a topic {what}, QoS 0"), version, bytes, alive));
            for filter in [topic.clone(), format!("{}/#", &topic[..topic.len() - 1])] {
                let code = if version == Version::V5 { 0x8f } else { 0x80 };
                let bytes = subscribe(version, &[filter.as_str()]);
                let name =
                    format!("a filter {what}, {}", if filter.ends_with('#') { "with #" } else { "plain" });
                cases.push(case(&name, version, bytes, Outcome::Answers(vec![code])));
            }
        }
        let will = Will {
            qos: QoS::AtMostOnce,
            retain: false,
            properties: Properties::EMPTY,
            topic: &deep,
            payload: b"",
        };
        let connect = Connect { will: Some(will), clean_start: true, ..Connect::new(version, "w") };
        let outcome = if version == Version::V5 { Outcome::Refused(0x90) } else { Outcome::Closed };
        cases.push(first("a will with a deep topic", version, connect_packet(&connect), outcome));
        let long_id = "i".repeat(41);
        let refused = Outcome::Refused(if version == Version::V5 { 0x85 } else { 2 });
        let connect = Connect { clean_start: true, ..Connect::new(version, &long_id) };
        cases.push(first("a long client identifier", version, connect_packet(&connect), refused));
    }
    cases
}

fn subscribe(version: Version, filters: &[&str]) -> Vec<u8> {
    let options = SubscriptionOptions::with_qos(QoS::AtMostOnce);
    let list: Vec<_> = filters.iter().map(|filter| Subscription { filter, options }).collect();
    let mut bytes = Vec::new();
    let subscriptions = Subscriptions::from_slice(&list);
    Subscribe { packet_id: PacketId::FIRST, properties: Properties::EMPTY, subscriptions }
        .encode(version, &mut bytes);
    bytes
}

fn connect_packet(connect: &Connect<'_>) -> Vec<u8> {
    let mut bytes = Vec::new();
    connect.encode(&mut bytes);
    bytes
}

fn floods() -> Vec<Case> {
    let mut cases = Vec::new();
    for version in SMALL {
        let names: Vec<_> = (0..25).map(|number| format!("flood/{number}")).collect();
        let filters: Vec<_> = names.iter().map(String::as_str).collect();
        let over = if version == Version::V5 { 0x97 } else { 0x80 };
        let answer = [[0; 20].as_slice(), &[over; 5]].concat();
        cases.push(case("25 subscriptions", version, subscribe(version, &filters), Outcome::Answers(answer)));
        let retained = |number: u8| {
            let topic = format!("retained/{version}/{number}");
            let qos = QoS::AtLeastOnce;
            publish(
                version,
                &Publish {
                    qos,
                    packet_id: id(u16::from(number)),
                    retain: true,
                    payload: b"x",
                    ..Publish::new(&topic)
                },
            )
        };
        let bytes: Vec<_> = (1..=60).flat_map(retained).collect();
        let answer = acknowledgement(version, 0x40, 60, 0x97);
        cases.push(case("60 retained messages", version, bytes, Outcome::Answers(answer)));
        let payload = [b'x'; 1001];
        let bytes = publish(
            version,
            &Publish { qos: QoS::AtLeastOnce, packet_id: id(3), payload: &payload, ..Publish::new("a") },
        );
        let answer = acknowledgement(version, 0x40, 3, 0x97);
        cases.push(case("a payload over the limit", version, bytes, Outcome::Answers(answer)));
        let pings = [0xc0, 0].repeat(5_000);
        cases.push(case("5,000 pings", version, pings, Outcome::Answers([0xd0, 0].repeat(5_000))));
        let connect = connect_packet(&Connect::new(version, "again"));
        cases.push(case("a second CONNECT", version, connect, ends(version, 0x82)));
        let password = vec![b'x'; 5_000];
        let connect =
            Connect { user_name: Some("u"), password: Some(&password), ..Connect::new(version, "c") };
        cases.push(first("a CONNECT of 5 KiB", version, connect_packet(&connect), Outcome::Closed));
        for (name, first_byte) in [
            ("PUBACK", 0x40),
            ("PUBREC", 0x50),
            ("PUBREL", 0x62),
            ("PUBCOMP", 0x70),
            ("SUBSCRIBE", 0x82),
            ("DISCONNECT", 0xe0),
            ("PINGREQ", 0xc0),
        ] {
            let bytes = vec![first_byte, 2, 0, 1];
            cases.push(first(&format!("{name} in place of CONNECT"), version, bytes, Outcome::Closed));
        }
    }
    cases.extend(floods_of_properties());
    let unreleased = |number: u16| {
        publish(Version::V5, &Publish { qos: QoS::ExactlyOnce, packet_id: id(number), ..Publish::new("a") })
    };
    cases.push(case(
        "9 QoS 2 messages without PUBREL",
        Version::V5,
        (1..=9).flat_map(unreleased).collect(),
        Outcome::Ends(0x93),
    ));
    cases
}

fn floods_of_properties() -> Vec<Case> {
    let version = Version::V5;
    let many: Vec<_> = (0..9).map(|_| Property::UserProperty("k", "v")).collect();
    let value = "v".repeat(600);
    let large = [Property::UserProperty("k", &value)];
    let mut cases = Vec::new();
    for (name, list) in [("9 user properties", &many[..]), ("600 bytes of user properties", &large)] {
        let properties = Properties::from_slice(list);
        let bytes = publish(version, &Publish { properties, ..Publish::new("a") });
        cases.push(case(&format!("{name} in PUBLISH"), version, bytes, Outcome::Ends(0x97)));
        let connect = Connect { properties, ..Connect::new(version, "c") };
        cases.push(first(
            &format!("{name} in CONNECT"),
            version,
            connect_packet(&connect),
            Outcome::Refused(0x97),
        ));
        let will = Will { qos: QoS::AtMostOnce, retain: false, properties, topic: "w", payload: b"" };
        let connect = Connect { will: Some(will), ..Connect::new(version, "c") };
        cases.push(first(
            &format!("{name} in a will"),
            version,
            connect_packet(&connect),
            Outcome::Refused(0x97),
        ));
    }
    for (name, alias, topic) in [("one over the maximum", 5, "a"), ("65,535", 65_535, "a")] {
        let list = [Property::TopicAlias(alias)];
        let bytes =
            publish(version, &Publish { properties: Properties::from_slice(&list), ..Publish::new(topic) });
        cases.push(case(&format!("topic alias {name}"), version, bytes, Outcome::Ends(0x94)));
    }
    let list = [Property::TopicAlias(3)];
    let bytes = publish(version, &Publish { properties: Properties::from_slice(&list), ..Publish::new("") });
    cases.push(case("a topic alias that was never set", version, bytes, Outcome::Ends(0x82)));
    let again: Vec<_> = (0..1000u16)
        .flat_map(|number| {
            let topic = format!("alias/{number}");
            let list = [Property::TopicAlias(number % 4 + 1)];
            publish(version, &Publish { properties: Properties::from_slice(&list), ..Publish::new(&topic) })
        })
        .chain([0xc0, 0])
        .collect();
    cases.push(case("1,000 topics for 4 aliases", version, again, Outcome::Answers(vec![0xd0, 0])));
    cases
}

/// What the broker says until it closes, or has said what is expected and goes on.
fn said(broker: &Broker, case: &Case) -> Vec<u8> {
    let mut stream = open(broker);
    if case.is_connected {
        connect_as(&mut stream, case.version);
    }
    stream.write_all(&case.bytes).unwrap();
    let goes_on = matches!(case.outcome, Outcome::Answers(_));
    let mut said = Vec::new();
    let mut part = [0; 4096];
    while !(goes_on && is_right(&case.outcome, case.version, &said)) {
        match stream.read(&mut part) {
            Ok(0) => break,
            Ok(count) => said.extend_from_slice(&part[..count]),
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => break,
            Err(error) => panic!("{}: {error} after {said:02x?}", case.name),
        }
    }
    said
}

fn is_right(outcome: &Outcome, version: Version, said: &[u8]) -> bool {
    match outcome {
        Outcome::Closed => said.is_empty(),
        Outcome::Refused(code) => said.first() == Some(&0x20) && said.get(3) == Some(code),
        // Acknowledgements of what came before may stand in front.
        Outcome::Ends(reason) => {
            assert_eq!(version, Version::V5);
            said.windows(3).any(|bytes| bytes[0] == 0xe0 && bytes[2] == *reason)
        }
        Outcome::Answers(answer) => said.windows(answer.len()).any(|bytes| bytes == answer),
    }
}

#[test]
fn each_is_stopped_at_its_limit_and_disturbs_nobody() {
    let broker = small_limits();
    let healthy = Pair::begin(&broker);
    let cases: Vec<_> = promises().into_iter().chain(topics()).chain(floods()).collect();
    assert!(cases.len() > 120, "{}", cases.len());
    let wrong: Vec<_> = cases
        .iter()
        .filter_map(|case| {
            let said = said(&broker, case);
            let shown = &said[..said.len().min(60)];
            (!is_right(&case.outcome, case.version, &said)).then(|| format!("{}: {shown:02x?}", case.name))
        })
        .collect();
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
    healthy.end();
}
