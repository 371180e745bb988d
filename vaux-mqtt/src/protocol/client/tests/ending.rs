//! Keep alive, authentication and DISCONNECT.

use super::*;
use crate::packet::{Auth, SubAck};

/// Shows: v5:MQTT-3.1.2-20 v311:MQTT-3.1.2-23 U5-29
#[test]
fn silence_is_broken_by_a_ping_and_its_lack_of_an_answer_ends_the_connection() {
    let mut pair = Pair::connected(Version::V311, &[]);
    assert_eq!(pair.client.deadline_ms(), Some(10_000));
    pair.now_ms = 4_000;
    pair.client.publish(q0("x")).unwrap();
    pair.sent();
    assert_eq!(pair.client.deadline_ms(), Some(14_000));
    assert_eq!(pair.client.handle_timeout(14_000), Ok(()));
    pair.now_ms = 14_000;
    assert_eq!(pair.sent(), ["PINGREQ"]);
    pair.receive(&[0xd0, 0]).unwrap();
    assert_eq!(pair.client.handle_timeout(24_000), Ok(()));
    assert_eq!(pair.client.handle_timeout(34_000), Err(PingTimeout));
    assert!(pair.client.is_closed());
}

/// Shows: v5:MQTT-3.1.2-21 v5:MQTT-3.2.2-21 U5-30
#[test]
fn the_keep_alive_of_the_server_counts() {
    let pair = Pair::connected(Version::V5, &[Property::ServerKeepAlive(3)]);
    assert_eq!(pair.client.deadline_ms(), Some(3_000));
    assert_eq!(pair.client.keep_alive(), 3);
    let pair = Pair::connected(Version::V5, &[Property::ServerKeepAlive(0)]);
    assert_eq!(pair.client.deadline_ms(), None);
}

fn auth(reason: ReasonCode, method: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let list = [Property::AuthenticationMethod(method)];
    Auth { reason, properties: Properties::from_slice(&list) }.encode(&mut bytes);
    bytes
}

/// Shows: v5:MQTT-3.1.2-30 v5:MQTT-4.12.0-3 v5:MQTT-4.12.0-5 v5:MQTT-4.12.1-1
#[test]
fn authentication_goes_on_before_connack_and_may_begin_again_later() {
    let method = [Property::AuthenticationMethod("M")];
    let mut pair = Pair::begin(Version::V5, true, &method, Session::new());
    pair.sent();
    assert_eq!(pair.receive(&auth(ReasonCode::ContinueAuthentication, "M")).unwrap(), ["auth 18"]);
    assert_eq!(pair.client.authenticate(ReasonCode::ReAuthenticate, None), Err(NotSent::NotConnected));
    assert_eq!(pair.client.publish(q0("x")), Err((q0("x"), NotSent::NotConnected)));
    pair.client.authenticate(ReasonCode::ContinueAuthentication, Some(b"data")).unwrap();
    assert_eq!(pair.sent(), ["AUTH 18 M"]);
    pair.connack(false, ReasonCode::Success, &method).unwrap();
    pair.client.authenticate(ReasonCode::ReAuthenticate, None).unwrap();
    assert_eq!(pair.sent(), ["AUTH 19 M"]);
    assert_eq!(pair.receive(&auth(ReasonCode::Success, "M")).unwrap(), ["auth 00"]);
    let error = pair.receive(&auth(ReasonCode::Success, "N")).unwrap_err();
    assert_eq!(error.rule(), Rule::AuthMethodChanged);
}

/// Shows: v5:MQTT-4.12.0-6 v5:MQTT-4.12.0-7
#[test]
fn authentication_needs_a_method_in_connect() {
    let mut pair = Pair::connected(Version::V5, &[]);
    let result = pair.client.authenticate(ReasonCode::ReAuthenticate, None);
    assert_eq!(result, Err(NotSent::Invalid(Rule::AuthWithoutMethod)));
    let error = pair.receive(&auth(ReasonCode::ContinueAuthentication, "M")).unwrap_err();
    assert_eq!(error.rule(), Rule::AuthWithoutMethod);
}

/// Shows: v5:MQTT-3.14.4-1 v311:MQTT-3.14.4-2
#[test]
fn nothing_is_sent_after_disconnect() {
    for version in ALL {
        let mut pair = Pair::connected(version, &[]);
        pair.client.disconnect(ReasonCode::Success, Properties::EMPTY).unwrap();
        assert_eq!(pair.sent(), ["DISCONNECT 00"]);
        assert_eq!(pair.client.publish(q0("x")), Err((q0("x"), NotSent::NotConnected)));
        pair.client.acknowledge(QoS::AtLeastOnce, packet_id(1), ReasonCode::Success);
        assert_eq!(pair.incoming(QoS::AtLeastOnce, 1, false), [""; 0]);
        assert_eq!(pair.sent(), [""; 0]);
    }
}

/// Shows: v5:MQTT-3.14.2-1
#[test]
fn a_disconnect_that_a_client_must_not_send_is_refused() {
    let mut pair = Pair::connected(Version::V5, &[]);
    let raised = [Property::SessionExpiryInterval(1)];
    let reference = [Property::ServerReference("x")];
    for (reason, properties, rule) in [
        (ReasonCode::ServerShuttingDown, &[][..], Rule::DisconnectReasonCode),
        (ReasonCode::Success, &raised, Rule::SessionExpiryRaised),
        (ReasonCode::Success, &reference, Rule::ServerReferenceFromClient),
    ] {
        let result = pair.client.disconnect(reason, Properties::from_slice(properties));
        assert_eq!(result, Err(NotSent::Invalid(rule)));
    }
    assert!(pair.client.disconnect(ReasonCode::DisconnectWithWill, Properties::EMPTY).is_ok());
}

/// Shows: U5-50 v5:MQTT-4.13.2-1
#[test]
fn the_servers_disconnect_ends_the_connection() {
    let mut pair = Pair::connected(Version::V5, &[]);
    assert_eq!(pair.receive(&[0xe0, 1, 0x8e]).unwrap(), ["disconnected 8e"]);
    assert!(pair.client.is_closed());
    let mut pair = Pair::connected(Version::V311, &[]);
    assert_eq!(pair.receive(&[0xe0, 0]).unwrap_err().rule(), Rule::UnexpectedPacket);
}

/// Shows: U5-27
#[test]
fn explanations_that_the_client_did_not_want_end_the_connection() {
    use PacketType::{PubAck, PubComp, PubRec, PubRel};
    let reason = [Property::ReasonString("why")];
    let user = [Property::UserProperty("a", "b")];
    for (explanation, wanted) in [(&reason, 0), (&user, 0), (&reason, 1), (&user, 1)] {
        let (packet_id, properties) = (packet_id(1), Properties::from_slice(explanation));
        let ack = Ack { properties, ..Ack::new(packet_id, ReasonCode::Success) };
        let mut packets = [PubAck, PubRec, PubRel, PubComp].map(|packet_type| {
            let mut bytes = Vec::new();
            ack.encode(packet_type, Version::V5, &mut bytes);
            bytes
        });
        let reason_codes = &[0][..];
        let mut answer = Vec::new();
        SubAck { packet_id, properties, reason_codes }.encode(Version::V5, &mut answer);
        for bytes in packets.iter_mut().chain([&mut answer]) {
            let request = [Property::RequestProblemInformation(wanted)];
            let mut pair = Pair::begin(Version::V5, true, &request, Session::new());
            // CONNACK may explain.
            pair.connack(false, ReasonCode::Success, explanation).unwrap();
            let rule = pair.receive(bytes).err().map(|error| error.rule());
            assert_eq!(rule == Some(Rule::ExplanationUnwanted), wanted == 0, "{bytes:?} {rule:?}");
        }
    }
}
