//! The fields of each packet type.

use alloc::format;
use alloc::string::String;

use super::properties;
use super::walker::Walker;
use crate::packet::PacketType;
use crate::reason::ReasonCode;
use crate::version::Version;

/// Reads a packet from its first byte on.
pub(super) fn walk(walker: &mut Walker<'_>, packet_type: Option<PacketType>) {
    // A field that could not be read ends the reading; the walker kept it.
    let _ = header(walker, packet_type).and_then(|()| body(walker, packet_type?));
}

fn header(walker: &mut Walker<'_>, packet_type: Option<PacketType>) -> Option<()> {
    let first_byte = walker.u8("type")?;
    let flags = first_byte & 0x0f;
    walker.set_text(match packet_type {
        Some(PacketType::Publish) => format!("type PUBLISH, flags {flags:04b}: {}", publish_flags(flags)),
        Some(packet_type) => format!("type {}, flags {flags:04b}", packet_type.name()),
        None => format!("type 0, flags {flags:04b}"),
    });
    walker.varint("remaining length", walker.at())?;
    Some(())
}

fn body(walker: &mut Walker<'_>, packet_type: PacketType) -> Option<()> {
    match packet_type {
        PacketType::Connect => connect(walker),
        PacketType::ConnAck => connack(walker),
        PacketType::Publish => publish(walker),
        PacketType::PubAck | PacketType::PubRec | PacketType::PubRel | PacketType::PubComp => {
            acknowledgement(walker, packet_type)
        }
        PacketType::Subscribe => subscribe(walker),
        PacketType::SubAck | PacketType::UnsubAck => codes(walker, packet_type),
        PacketType::Unsubscribe => unsubscribe(walker),
        PacketType::Disconnect | PacketType::Auth if walker.version().has_properties() => {
            last_words(walker, packet_type)
        }
        PacketType::PingReq | PacketType::PingResp | PacketType::Disconnect | PacketType::Auth => None,
    }
}

fn connect(walker: &mut Walker<'_>) -> Option<()> {
    walker.hides_unread = true;
    let name = walker.string("protocol name", walker.at())?;
    let level = walker.u8("protocol version")?;
    let version = Version::from_level(level).filter(|version| version.protocol_name().as_bytes() == name)?;
    walker.set_version(version);
    let flags = walker.u8("connect flags")?;
    walker.set_text(connect_flags(flags, version));
    let keep_alive = walker.u16("keep alive")?;
    walker.set_text(format!("keep alive {keep_alive} s"));
    list(walker, "properties")?;
    let has = |bit: u8| flags & 1 << bit != 0;
    walker.hides_unread = has(6);
    walker.string("client identifier", walker.at())?;
    if has(2) {
        list(walker, "will properties")?;
        walker.string("will topic", walker.at())?;
        walker.binary("will payload", walker.at())?;
    }
    // In 3.1 a flag whose field is not there counts as absent.
    let may_miss = version == Version::V31;
    if has(7) && !(may_miss && walker.is_empty()) {
        walker.string("user name", walker.at())?;
    }
    if has(6) && !(may_miss && walker.is_empty()) {
        walker.binary("password", walker.at())?;
    }
    Some(())
}

fn connack(walker: &mut Walker<'_>) -> Option<()> {
    walker.hides_unread = walker.version().has_properties();
    let flags = walker.u8("acknowledge flags")?;
    walker.set_text(match flags {
        0 => String::from("acknowledge flags: none"),
        1 if walker.version() != Version::V31 => String::from("acknowledge flags: session present"),
        _ => format!("acknowledge flags: {flags:08b}"),
    });
    if walker.version().has_properties() {
        reason(walker, PacketType::ConnAck)?;
        list(walker, "properties")?;
        walker.hides_unread = false;
    } else {
        let code = walker.u8("return code")?;
        walker.set_text(format!("return code {code} {}", return_code_name(code)));
    }
    Some(())
}

fn publish(walker: &mut Walker<'_>) -> Option<()> {
    let qos = walker.first_byte() >> 1 & 0b11;
    walker.string("topic name", walker.at())?;
    match qos {
        0 => {}
        1 | 2 => {
            walker.u16("packet identifier")?;
        }
        // Nobody knows whether a packet identifier follows.
        _ => return None,
    }
    list(walker, "properties")?;
    walker.rest("payload");
    Some(())
}

fn acknowledgement(walker: &mut Walker<'_>, packet_type: PacketType) -> Option<()> {
    walker.u16("packet identifier")?;
    if walker.version().has_properties() { last_words(walker, packet_type) } else { None }
}

/// A reason code and properties, each of which may be left out.
fn last_words(walker: &mut Walker<'_>, packet_type: PacketType) -> Option<()> {
    walker.hides_unread = packet_type == PacketType::Auth;
    if !walker.is_empty() {
        reason(walker, packet_type)?;
    }
    if !walker.is_empty() {
        list(walker, "properties")?;
    }
    walker.hides_unread = false;
    Some(())
}

fn subscribe(walker: &mut Walker<'_>) -> Option<()> {
    walker.u16("packet identifier")?;
    list(walker, "properties")?;
    while !walker.is_empty() {
        walker.string("topic filter", walker.at())?;
        let options = walker.u8("subscription options")?;
        walker.set_text(subscription_options(options, walker.version()));
    }
    Some(())
}

fn unsubscribe(walker: &mut Walker<'_>) -> Option<()> {
    walker.u16("packet identifier")?;
    list(walker, "properties")?;
    while !walker.is_empty() {
        walker.string("topic filter", walker.at())?;
    }
    Some(())
}

fn codes(walker: &mut Walker<'_>, packet_type: PacketType) -> Option<()> {
    walker.u16("packet identifier")?;
    list(walker, "properties")?;
    if packet_type == PacketType::UnsubAck && !walker.version().has_properties() {
        return None;
    }
    while !walker.is_empty() {
        if walker.version().has_properties() {
            reason(walker, packet_type)?;
        } else {
            let code = walker.u8("return code")?;
            walker.set_text(match code {
                0..=2 => format!("return code {code} Granted QoS {code}"),
                0x80 => String::from("return code 128 Failure"),
                _ => format!("return code {code} reserved"),
            });
        }
    }
    Some(())
}

/// Properties, which only version 5.0 has.
fn list(walker: &mut Walker<'_>, name: &'static str) -> Option<()> {
    if walker.version().has_properties() { properties::walk(walker, name) } else { Some(()) }
}

fn reason(walker: &mut Walker<'_>, packet_type: PacketType) -> Option<()> {
    let code = walker.u8("reason code")?;
    let name = ReasonCode::from_u8(code).map_or("unknown", |reason| reason.name_in(packet_type));
    walker.set_text(format!("reason code 0x{code:02x} {name}"));
    Some(())
}

fn return_code_name(code: u8) -> &'static str {
    match code {
        0 => "Connection accepted",
        1 => "Unacceptable protocol version",
        2 => "Identifier rejected",
        3 => "Server unavailable",
        4 => "Bad user name or password",
        5 => "Not authorized",
        _ => "reserved",
    }
}

fn publish_flags(flags: u8) -> String {
    let dup = if flags & 1 << 3 != 0 { "DUP, " } else { "" };
    let retain = if flags & 1 != 0 { ", RETAIN" } else { "" };
    format!("{dup}QoS {}{retain}", flags >> 1 & 0b11)
}

fn connect_flags(flags: u8, version: Version) -> String {
    let will_qos = flags >> 3 & 0b11;
    let parts = [
        (flags & 1 << 7 != 0, "user name"),
        (flags & 1 << 6 != 0, "password"),
        (flags & 1 << 5 != 0, "will retain"),
        (will_qos != 0, ["", "will QoS 1", "will QoS 2", "will QoS 3"][usize::from(will_qos)]),
        (flags & 1 << 2 != 0, "will"),
        (flags & 1 << 1 != 0, if version.has_properties() { "clean start" } else { "clean session" }),
        (flags & 1 != 0, "reserved bit 0"),
    ];
    named_flags("connect flags", parts)
}

fn subscription_options(options: u8, version: Version) -> String {
    if !version.has_properties() {
        return match options {
            0..=3 => format!("maximum QoS {options}"),
            _ => format!("maximum QoS {}, reserved bits {:06b}", options & 0b11, options >> 2),
        };
    }
    let mut text = format!("subscription options: QoS {}", options & 0b11);
    if options & 1 << 2 != 0 {
        text.push_str(", no local");
    }
    if options & 1 << 3 != 0 {
        text.push_str(", retain as published");
    }
    if options & 0b11_0000 != 0 {
        text.push_str(&format!(", retain handling {}", options >> 4 & 0b11));
    }
    if options >> 6 != 0 {
        text.push_str(&format!(", reserved bits {:02b}", options >> 6));
    }
    text
}

fn named_flags<const N: usize>(name: &str, parts: [(bool, &str); N]) -> String {
    let mut text = format!("{name}: ");
    let mut separator = "";
    for (_, part) in parts.into_iter().filter(|(is_set, _)| *is_set) {
        text.push_str(separator);
        text.push_str(part);
        separator = ", ";
    }
    if separator.is_empty() {
        text.push_str("none");
    }
    text
}
