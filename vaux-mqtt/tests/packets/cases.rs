//! Every case of `fixtures/packets`: decoded, encoded again, explained.

use std::fmt::Write;

use vaux_mqtt::explain::{Explained, Show, Status, explain};
use vaux_mqtt::frame::Frame;
use vaux_mqtt::{Error, Packet, Version};

use crate::fixture::{self, Case, Expected, File};
use crate::meaning::meaning;

#[test]
fn cases_of_v31_are_what_they_say() {
    check(Version::V31);
}

#[test]
fn cases_of_v311_are_what_they_say() {
    check(Version::V311);
}

#[test]
fn cases_of_v5_are_what_they_say() {
    check(Version::V5);
}

/// Runs all cases of a version and fails with the list of those that went wrong.
fn check(version: Version) {
    let mut failures = String::new();
    let mut count = 0;
    for file in fixture::files(version) {
        for case in &file.cases {
            count += 1;
            if let Err(failure) = check_case(case, version) {
                let bytes = hex::encode(&case.bytes);
                writeln!(failures, "{} [{}]\n  {bytes}\n  {failure}", file.name, case.name)
                    .expect("a String takes everything");
            }
        }
    }
    assert!(failures.is_empty(), "of {count} cases:\n{failures}");
}

fn check_case(case: &Case, version: Version) -> Result<(), String> {
    let decoded = decode(case, version);
    let explained = explain(&case.bytes, version, case.sender);
    check_tiles(&explained)?;
    match (&case.expected, decoded) {
        (Expected::Packet { meaning: expected, encoded }, Ok(Some(packet))) => {
            equal(expected, &meaning(&packet, version))?;
            check_encoding(&packet, version, encoded)?;
            if explained.packet != Some(packet) || explained.status != Status::Ok {
                return Err("is explained as another packet".to_owned());
            }
            Ok(())
        }
        (Expected::Error(expected), Err(error)) => {
            equal(expected, &error_text(&error, version))?;
            let fault = explained.fault.ok_or("is explained without a fault")?;
            equal(&format!("{error:?}"), &format!("{:?}", fault.error))
        }
        (Expected::Incomplete(promised), Ok(None)) => {
            equal(&format!("{promised:?}"), &format!("{:?}", explained.promised_len))?;
            equal("Truncated", &format!("{:?}", explained.status))
        }
        (_, Ok(Some(packet))) => Err(format!("decodes to {}", meaning(&packet, version))),
        (_, Ok(None)) => Err("is not whole".to_owned()),
        (_, Err(error)) => Err(format!("fails with {}", error_text(&error, version))),
    }
}

fn decode(case: &Case, version: Version) -> Result<Option<Packet<'_>>, Error> {
    // The fixed header is found before a version is known.
    let in_force = |error: Error| Error::new(error.rule(), version, error.at());
    match Frame::split(&case.bytes).map_err(in_force)? {
        Some(frame) => Packet::decode(&frame, version, case.sender).map(Some),
        None => Ok(None),
    }
}

fn check_encoding(packet: &Packet<'_>, version: Version, expected: &[u8]) -> Result<(), String> {
    let mut encoded = Vec::new();
    packet.encode(version, &mut encoded);
    equal(&hex::encode(expected), &hex::encode(&encoded))?;
    equal(&format!("{} bytes", encoded.len()), &format!("{} bytes", packet.encoded_len(version)))
}

/// The fields cover the packet without gap or overlap; a valid packet has none that could not be read.
fn check_tiles(explained: &Explained<'_>) -> Result<(), String> {
    let mut at = 0;
    for field in &explained.fields {
        equal(&format!("{} at {at}", field.name), &format!("{} at {}", field.name, field.at))?;
        at += field.len;
    }
    equal(&format!("ends at {at}"), &format!("ends at {}", explained.len))?;
    let is_unread = explained.fields.iter().any(|field| field.name == vaux_mqtt::explain::Field::UNREAD);
    if explained.status == Status::Ok && is_unread { Err("has unread bytes".to_owned()) } else { Ok(()) }
}

fn error_text(error: &Error, version: Version) -> String {
    let mut text = format!("{:?} {} at {}", error.rule(), error.requirement(), error.at());
    if version == Version::V5 {
        write!(text, " 0x{:02x}", error.reason_code().value()).expect("a String takes everything");
    }
    text
}

fn equal(expected: &str, found: &str) -> Result<(), String> {
    if expected == found { Ok(()) } else { Err(format!("expected {expected}\n  found    {found}")) }
}

#[test]
fn encodings_and_explanations_are_pinned() {
    for version in [Version::V31, Version::V311, Version::V5] {
        for file in fixture::files(version) {
            let name = format!("{}_{}", fixture::folder(version), file.name);
            let pinned: Vec<String> = file.cases.iter().map(|case| pinned(case, &file)).collect();
            insta::with_settings!({ prepend_module_to_snapshot => false, omit_expression => true }, {
                insta::assert_snapshot!(name, pinned.join("\n\n"));
            });
        }
    }
}

/// How a case is encoded and explained. Of an invalid packet the field with the fault is enough.
fn pinned(case: &Case, file: &File) -> String {
    let show = Show { secrets: true, limit: 40 };
    let explained = explain(&case.bytes, file.version, case.sender);
    let mut lines = vec![format!("[{}]", case.name), explained.summary(show)];
    if let Some(packet) = &explained.packet {
        let mut encoded = Vec::new();
        packet.encode(file.version, &mut encoded);
        lines.push(format!("encoded {}", shortened(&encoded)));
    }
    if let Some(fault) = &explained.fault {
        lines.push(format!(
            "{:04x} {}{}",
            fault.error.at(),
            fault.found,
            fault.bits.map_or(String::new(), |bits| format!(" (bits {}-{})", bits.high, bits.low))
        ));
        lines.push(format!(
            "{}: {} · receiver: {}",
            fault.error.requirement(),
            fault.error.rule(),
            fault.receiver
        ));
    } else {
        lines.extend(explained.fields.iter().map(|field| {
            format!("{:04x} {}{}", field.at, "├ ".repeat(usize::from(field.depth)), field.text(show))
        }));
    }
    lines.join("\n")
}

fn shortened(bytes: &[u8]) -> String {
    match bytes.len() {
        0..=64 => hex::encode(bytes),
        len => format!("{}… {len} bytes", hex::encode(&bytes[..16])),
    }
}
