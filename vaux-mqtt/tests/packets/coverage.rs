//! The fixtures leave nothing out: every statement about the wire, every packet type, every property everywhere.

use std::collections::BTreeSet;

use vaux_mqtt::packet::PacketType;
use vaux_mqtt::property::PropertyId;
use vaux_mqtt::{Packet, Sender, Version, frame::Frame};

use crate::fixture::{self, Expected};

/// The statements of version 5.0 that an encoder or decoder can decide.
const STATEMENTS_V5: &str = "\
    MQTT-1.5.4-1 MQTT-1.5.4-2 MQTT-1.5.4-3 MQTT-1.5.5-1 MQTT-1.5.7-1 MQTT-2.1.3-1 MQTT-2.2.1-2 MQTT-2.2.2-1 \
    MQTT-3.1.2-9 MQTT-3.1.2-11 MQTT-3.1.2-12 MQTT-3.1.2-13 MQTT-3.1.2-16 MQTT-3.1.2-17 MQTT-3.1.2-18 \
    MQTT-3.1.2-19 MQTT-3.1.3-1 MQTT-3.1.3-3 MQTT-3.1.3-4 MQTT-3.1.3-11 MQTT-3.1.3-12 MQTT-3.2.2-1 MQTT-3.3.1-2 \
    MQTT-3.3.1-4 MQTT-3.3.2-1 MQTT-3.3.2-2 MQTT-3.3.2-13 MQTT-3.3.2-14 MQTT-3.3.2-19 MQTT-3.6.1-1 MQTT-3.8.1-1 \
    MQTT-3.8.3-1 MQTT-3.8.3-2 MQTT-3.8.3-5 MQTT-3.10.1-1 MQTT-3.10.3-1 MQTT-3.10.3-2 MQTT-3.15.1-1";

/// The same for version 3.1.1.
const STATEMENTS_V311: &str = "\
    MQTT-1.5.3-1 MQTT-1.5.3-2 MQTT-1.5.3-3 MQTT-2.2.2-1 MQTT-2.3.1-1 MQTT-2.3.1-5 MQTT-3.1.2-9 MQTT-3.1.2-11 \
    MQTT-3.1.2-13 MQTT-3.1.2-14 MQTT-3.1.2-15 MQTT-3.1.2-18 MQTT-3.1.2-19 MQTT-3.1.2-20 MQTT-3.1.2-21 \
    MQTT-3.1.2-22 MQTT-3.1.3-1 MQTT-3.1.3-3 MQTT-3.1.3-4 MQTT-3.1.3-10 MQTT-3.1.3-11 MQTT-3.3.1-2 MQTT-3.3.1-4 \
    MQTT-3.3.2-1 MQTT-3.3.2-2 MQTT-3.6.1-1 MQTT-3.8.1-1 MQTT-3.8.3-1 MQTT-3.8.3-3 MQTT-3.8.3-4 MQTT-3.9.3-2 \
    MQTT-3.10.1-1 MQTT-3.10.3-1 MQTT-3.10.3-2";

#[test]
fn every_statement_has_a_case() {
    for (version, statements) in [(Version::V5, STATEMENTS_V5), (Version::V311, STATEMENTS_V311)] {
        let named: BTreeSet<String> = fixture::files(version)
            .into_iter()
            .flat_map(|file| file.cases)
            .map(|case| case.requirement)
            .collect();
        let missing: Vec<&str> =
            statements.split_whitespace().filter(|statement| !named.contains(*statement)).collect();
        assert!(missing.is_empty(), "{version}: {missing:?}");
    }
}

#[test]
fn every_packet_type_has_valid_and_invalid_cases() {
    for version in [Version::V31, Version::V311, Version::V5] {
        let files = fixture::files(version);
        for packet_type in PacketType::ALL {
            if packet_type == PacketType::Auth && version != Version::V5 {
                continue;
            }
            let name = packet_type.name().to_lowercase();
            let file = files.iter().find(|file| file.name == name).expect(&name);
            let is_valid = |expected: &Expected| matches!(expected, Expected::Packet { .. });
            let valid = file.cases.iter().filter(|case| is_valid(&case.expected)).count();
            assert!(valid > 0 && valid < file.cases.len(), "{version} {name}: {valid} valid cases");
        }
    }
}

/// For each place of a packet that holds properties: every property stands there in a case, valid when it may stand
/// there and refused when it may not.
#[test]
fn every_property_has_a_case_in_every_packet() {
    for file in fixture::files(Version::V5) {
        let has_properties = !matches!(file.name.as_str(), "pingreq" | "pingresp" | "reserved");
        for id in PropertyId::ALL.iter().filter(|_| has_properties) {
            let mentions = |text: &str| text.starts_with(&format!("{} ", id.name()));
            let count = file.cases.iter().filter(|case| mentions(&case.name)).count();
            assert!(count > 0, "{} lacks a case of the {}", file.name, id.name());
            if file.name == "connect" {
                let will =
                    file.cases.iter().filter(|case| case.name.strip_prefix("will: ").is_some_and(mentions));
                assert!(will.count() > 0, "the will lacks a case of the {}", id.name());
            }
        }
    }
}

/// Each case that names a sender is about that sender: the other side's packet is another matter.
#[test]
fn cases_with_a_sender_need_it() {
    for version in [Version::V31, Version::V311, Version::V5] {
        for file in fixture::files(version) {
            for case in file.cases.iter().filter(|case| case.sender != Sender::Any) {
                let frame = Frame::split(&case.bytes).unwrap().expect("a case with a sender is whole");
                let accepts = |sender| Packet::decode(&frame, version, sender).is_ok();
                assert!(accepts(Sender::Any), "{} [{}]", file.name, case.name);
                let is_valid = matches!(case.expected, Expected::Packet { .. });
                assert_eq!(accepts(case.sender), is_valid, "{} [{}]", file.name, case.name);
            }
        }
    }
}
