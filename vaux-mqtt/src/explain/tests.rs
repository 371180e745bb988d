//! Explanations of whole, malformed and cut packets.

use alloc::string::ToString;

use super::*;

const SHOW: Show = Show { secrets: false, limit: usize::MAX };

fn bytes(hex: &str) -> Vec<u8> {
    hex::decode(hex.replace(' ', "")).expect("the test holds hexadecimal digits")
}

/// The whole explanation as text, the way `vaux decode` lays it out.
fn rendered(hex: &str, version: Version) -> String {
    let bytes = bytes(hex);
    let explained = explain(&bytes, version, Sender::Any);
    let mut text = format!("{}\n{:?}\n", explained.summary(SHOW), explained.status);
    for (index, field) in explained.fields.iter().enumerate() {
        let branch = if field.depth > 0 { "├ " } else { "" };
        let raw = if field.is_secret { String::from("**") } else { hex::encode(&bytes[field.range()]) };
        text += &format!("{:04x}  {raw:16}  {branch}{}\n", field.at, field.text(SHOW));
        if let Some(fault) = explained.fault.as_ref().filter(|fault| fault.field == Some(index)) {
            text += &format!("      ^^ {} {:?}\n", fault.found, fault.bits);
        }
    }
    if let Some(fault) = &explained.fault {
        text += &format!("{} · receiver: {}\n", fault.error, fault.receiver);
    }
    text
}

#[test]
fn connect_reads_as_designed() {
    let hex = "10 17 00 04 4d 51 54 54 05 02 00 3c 05 11 00 00 0e 10 00 05 64 65 76 2d 31 c0 00";
    insta::assert_snapshot!(rendered(hex, Version::V5), @r#"
    CONNECT v5 · 25 bytes · clean start · keep alive 60 s · client "dev-1"
    Ok
    0000  10                type CONNECT, flags 0000
    0001  17                remaining length 23
    0002  00044d515454      protocol name "MQTT"
    0008  05                protocol version 5
    0009  02                connect flags: clean start
    000a  003c              keep alive 60 s
    000c  05                properties, 5 bytes
    000d  1100000e10        ├ session expiry interval 3600 s
    0012  00056465762d31    client identifier "dev-1"
    "#);
}

#[test]
fn qos_3_is_told_with_its_bits_and_both_versions() {
    insta::assert_snapshot!(rendered("36 0d 00 03 61 2f 62 00 0a 00 68 65 6c 6c 6f", Version::V5), @r#"
    PUBLISH · 15 bytes
    Malformed
    0000  36                type PUBLISH, flags 0110: QoS 3
          ^^ QoS bits are 11 Some(Bits { high: 2, low: 1 })
    0001  0d                remaining length 13
    0002  0003612f62        topic name "a/b"
    0007  000a0068656c6c6f  8 unread bytes
    MQTT-3.3.1-4: both QoS bits must not be set (byte 0) · receiver: v5 DISCONNECT 0x81, v3.1.1 closes
    "#);
}

#[test]
fn fields_go_on_behind_a_broken_rule() {
    // The payload format indicator is 2; behind it stand a content type and a payload.
    insta::assert_snapshot!(rendered("30 0c 00 01 61 06 01 02 03 00 01 74 68 69", Version::V5), @r#"
    PUBLISH · 14 bytes
    Malformed
    0000  30                type PUBLISH, flags 0000: QoS 0
    0001  0c                remaining length 12
    0002  000161            topic name "a"
    0005  06                properties, 6 bytes
    0006  0102              ├ payload format indicator 2
          ^^ payload format indicator 2 None
    0008  03000174          ├ content type "t"
    000c  6869              payload "hi"
    U5-01: the payload format indicator must be 0 or 1 (byte 7) · receiver: v5 DISCONNECT 0x81
    "#);
}

#[test]
fn cut_packet_is_truncated_and_shows_what_is_there() {
    insta::assert_snapshot!(rendered("10 17 00 04 4d 51 54 54 05 02 00 3c 05 11 00 00", Version::V5), @r#"
    CONNECT v5 · 16 of 25 bytes
    Truncated
    0000  10                type CONNECT, flags 0000
    0001  17                remaining length 23
    0002  00044d515454      protocol name "MQTT"
    0008  05                protocol version 5
    0009  02                connect flags: clean start
    000a  003c              keep alive 60 s
    000c  05                properties, 5 bytes
    000d  110000            ├ session expiry interval, cut short
    "#);
}

#[test]
fn cut_packet_with_a_first_byte_of_none_is_malformed() {
    insta::assert_snapshot!(rendered("68 65 6c 6c 6f", Version::V311), @"
    PUBREL · 5 of 103 bytes
    Malformed
    0000  68                type PUBREL, flags 1000
          ^^ flags are 1000 Some(Bits { high: 3, low: 0 })
    0001  65                remaining length 101
    0002  6c6c              packet identifier 27756
    0004  6f                1 unread byte
    MQTT-3.6.1-1: the flags of PUBREL must be 0010 (byte 0) · receiver: v5 DISCONNECT 0x81, v3.1.1 closes
    ");
}

#[test]
fn field_past_the_end_takes_the_rest() {
    insta::assert_snapshot!(rendered("82 06 00 0a 00 09 61 62", Version::V311), @"
    SUBSCRIBE · 8 bytes
    Malformed
    0000  82                type SUBSCRIBE, flags 0010
    0001  06                remaining length 6
    0002  000a              packet identifier 10
    0004  00096162          topic filter, runs past the end
          ^^ topic filter, runs past the end None
    MQTT-4.8.0-1: a field must not run past the end of the packet (byte 4) · receiver: v3.1.1 closes
    ");
}

#[test]
fn remaining_length_of_five_bytes_leaves_everything_unread() {
    insta::assert_snapshot!(rendered("30 ff ff ff ff 01 00 00", Version::V311), @"
    PUBLISH · 8 bytes
    Malformed
    0000  30                type PUBLISH, flags 0000: QoS 0
    0001  ffffffff          remaining length takes more than four bytes
          ^^ remaining length takes more than four bytes None
    0005  010000            3 unread bytes
    MQTT-4.8.0-1: the remaining length must not take more than four bytes (byte 4) · receiver: v5 DISCONNECT 0x81, v3.1.1 closes
    ");
}

#[test]
fn nothing_and_half_a_header_are_truncated() {
    assert_eq!(explain(&[], Version::V5, Sender::Any).status, Status::Truncated);
    let half = explain(&[0x30, 0x80], Version::V5, Sender::Any);
    assert_eq!((half.status, half.len, half.promised_len), (Status::Truncated, 2, None));
    assert_eq!(half.fields[1].text(SHOW), "remaining length, cut short");
}

#[test]
fn passwords_are_masked_unless_wanted() {
    let bytes = bytes("10 18 00 04 4d 51 54 54 04 c2 00 3c 00 01 61 00 03 62 6f 62 00 04 70 77 0a 64");
    let explained = explain(&bytes, Version::V311, Sender::Client);
    let password = explained.fields.last().expect("the password comes last");
    assert!(password.is_secret);
    assert_eq!(password.text(SHOW), "password (masked)");
    assert_eq!(password.text(Show { secrets: true, ..SHOW }), r#"password "pw\nd""#);
    assert!(!explained.summary(SHOW).contains("pw"));
}

#[test]
fn unread_bytes_behind_a_broken_connect_are_masked_when_they_may_hold_the_password() {
    // The will topic runs past the end and takes the password with it.
    let broken = bytes("10 14 00 04 4d 51 54 54 04 c6 00 3c 00 01 61 00 ff 00 04 70 77 64");
    let explained = explain(&broken, Version::V311, Sender::Client);
    assert!(explained.fields.last().is_some_and(|field| field.is_secret));
    assert!(explained.fault.is_some_and(|fault| !fault.found.contains("pwd")));
    // Without a password flag there is nothing to hide.
    let harmless = bytes("10 0f 00 04 4d 51 54 54 04 02 00 3c 00 01 61 00 00");
    let explained = explain(&harmless, Version::V311, Sender::Client);
    assert!(explained.fields.iter().all(|field| !field.is_secret));
}

#[test]
fn long_values_are_cut_at_the_limit() {
    let mut packet = bytes("30 17 00 01 61");
    packet.extend([b'z'; 20]);
    let explained = explain(&packet, Version::V311, Sender::Any);
    let payload = explained.fields.last().expect("the payload comes last");
    assert_eq!(payload.text(Show { limit: 4, ..SHOW }), r#"payload "zzzz"… (20 bytes)"#);
    packet[5] = 0;
    let explained = explain(&packet, Version::V311, Sender::Any);
    let payload = explained.fields.last().expect("the payload comes last");
    assert_eq!(payload.text(Show { limit: 4, ..SHOW }), "payload 0x007a7a7a… (20 bytes)");
}

#[test]
fn rule_of_one_version_names_that_version_alone() {
    let explained_fault = |hex: &str, version| {
        explain(&bytes(hex), version, Sender::Any).fault.map(|fault| fault.receiver.to_string())
    };
    // A property where it must not be, a password without a user name, a level that does not exist.
    assert_eq!(
        explained_fault("40 06 00 0a 00 02 24 01", Version::V5).as_deref(),
        Some("v5 DISCONNECT 0x81")
    );
    assert_eq!(
        explained_fault("10 11 00 04 4d 51 54 54 04 42 00 3c 00 00 00 03 70 77 64", Version::V5).as_deref(),
        Some("v3.1.1 closes")
    );
    assert_eq!(
        explained_fault("10 0c 00 04 4d 51 54 54 09 02 00 3c 00 00", Version::V5).as_deref(),
        Some("v5 CONNACK 0x84, v3.1.1 CONNACK 0x01")
    );
}

#[test]
fn version_of_connect_is_in_force_even_for_what_stands_before_it() {
    let connect = bytes("11 0c 00 04 4d 51 54 54 04 02 00 3c 00 00");
    let explained = explain(&connect, Version::V5, Sender::Any);
    assert!(explained.tells_version);
    assert_eq!(explained.version, Version::V311);
    let fault = explained.fault.expect("the flags of CONNECT are 0000");
    assert_eq!(fault.error.requirement(), "MQTT-2.2.2-2");
    assert_eq!(fault.receiver, "v3.1.1 closes");
}
