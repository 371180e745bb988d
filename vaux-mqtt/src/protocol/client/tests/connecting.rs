//! CONNECT, CONNACK, and what breaks the protocol from the start.

use alloc::vec;

use super::*;

/// Shows: v5:MQTT-3.1.0-1 v311:MQTT-3.1.0-1
#[test]
fn connect_comes_first_and_nothing_is_sent_before_connack() {
    for version in ALL {
        let mut pair = Pair::begin(version, true, &[], Session::new());
        assert_eq!(pair.sent(), ["CONNECT"]);
        assert_eq!(pair.client.publish(q0("x")), Err((q0("x"), NotSent::NotConnected)));
        assert_eq!(pair.connack(false, ReasonCode::Success, &[]).unwrap(), ["connected present=false"]);
        assert_eq!(pair.client.publish(q0("x")), Ok(None));
        assert_eq!(pair.sent(), ["PUBLISH q0 a=x"]);
    }
}

/// Shows: v5:MQTT-4.13.2-1
#[test]
fn a_refusal_ends_the_connection() {
    for version in ALL {
        let mut pair = Pair::begin(version, true, &[], Session::new());
        pair.sent();
        assert_eq!(pair.connack(false, ReasonCode::NotAuthorized, &[]).unwrap(), ["refused 87"]);
        assert!(pair.client.is_closed());
        assert_eq!(pair.sent(), [""; 0]);
    }
}

#[test]
fn the_first_packet_must_be_connack_and_there_is_only_one() {
    let mut pair = Pair::begin(Version::V5, true, &[], Session::new());
    pair.sent();
    assert_eq!(pair.receive(&[0xd0, 0]).unwrap_err().rule(), Rule::FirstPacketNotConnAck);
    assert_eq!(pair.sent(), ["DISCONNECT 82"]);
    let mut pair = Pair::connected(Version::V5, &[]);
    assert_eq!(pair.connack(false, ReasonCode::Success, &[]).unwrap_err().rule(), Rule::SecondConnAck);
    assert_eq!(pair.sent(), ["DISCONNECT 82"]);
}

/// Shows: v5:MQTT-3.2.2-4
#[test]
fn a_session_that_the_client_does_not_know_is_an_error() {
    for version in [Version::V311, Version::V5] {
        let mut pair = Pair::begin(version, false, &[], Session::new());
        pair.sent();
        let error = pair.connack(true, ReasonCode::Success, &[]).unwrap_err();
        assert_eq!(error.rule(), Rule::SessionPresentUnknown);
        let mut pair = Pair::begin(version, false, &[], Session::resumed());
        pair.sent();
        assert_eq!(pair.connack(true, ReasonCode::Success, &[]).unwrap(), ["connected present=true"]);
    }
}

#[test]
fn a_client_without_identifier_must_be_assigned_one() {
    for (assigned, is_accepted) in [(vec![], false), (vec![Property::AssignedClientIdentifier("x")], true)] {
        let connect = Connect { clean_start: true, ..Connect::new(Version::V5, "") };
        let client = Client::new(&connect, Settings::default(), Session::new(), 0);
        let mut pair = Pair { client, version: Version::V5, now_ms: 0 };
        assert_eq!(pair.connack(false, ReasonCode::Success, &assigned).is_ok(), is_accepted);
    }
}

/// Shows: U5-50
#[test]
fn bytes_that_are_no_packet_are_answered_with_the_reason_in_version_5_only() {
    for (version, answer) in [(Version::V311, &[][..]), (Version::V5, &["DISCONNECT 81"])] {
        for bytes in [&[0xd1, 0][..], &[0xd0, 0x80, 0x80, 0x80, 0x80], &[0x00, 0], &[0x40, 1, 0]] {
            let mut pair = Pair::connected(version, &[]);
            assert!(pair.receive(bytes).is_err(), "{bytes:?}");
            assert_eq!(pair.sent(), answer, "{bytes:?}");
            assert!(pair.client.is_closed());
            assert_eq!(pair.client.publish(q0("x")), Err((q0("x"), NotSent::NotConnected)));
        }
    }
}

#[test]
fn a_packet_larger_than_announced_is_refused_before_it_is_whole() {
    let connect = Connect { clean_start: true, ..Connect::new(Version::V5, "me") };
    let settings = Settings { maximum_packet_size: 20, ..Settings::default() };
    let client = Client::new(&connect, settings, Session::new(), 0);
    let mut pair = Pair { client, version: Version::V5, now_ms: 0 };
    pair.connack(false, ReasonCode::Success, &[]).unwrap();
    pair.sent();
    assert_eq!(pair.receive(&[0x30, 19]).unwrap_err().rule(), Rule::PacketTooLarge);
    assert_eq!(pair.sent(), ["DISCONNECT 95"]);
}
