//! Messages from the server, and subscriptions.

use super::*;
use crate::packet::{SubAck, Subscription, UnsubAck};

/// Shows: v5:MQTT-3.3.4-1 v5:MQTT-4.3.3-11 v311:MQTT-3.3.4-1
#[test]
fn messages_are_acknowledged_when_the_application_has_them() {
    for version in ALL {
        let mut pair = Pair::connected(version, &[]);
        assert_eq!(pair.incoming(QoS::AtMostOnce, 0, false), ["message q0 in=x"]);
        assert_eq!(pair.incoming(QoS::AtLeastOnce, 1, false), ["message 1 q1 in=x"]);
        assert_eq!(pair.incoming(QoS::ExactlyOnce, 2, false), ["message 2 q2 in=x"]);
        assert_eq!(pair.sent(), [""; 0]);
        pair.client.acknowledge(QoS::AtLeastOnce, packet_id(1), ReasonCode::Success);
        pair.client.acknowledge(QoS::ExactlyOnce, packet_id(2), ReasonCode::Success);
        assert_eq!(pair.sent(), ["PUBACK 1 00", "PUBREC 2 00"]);
        assert_eq!(pair.ack(PacketType::PubRel, 2, ReasonCode::Success), [""; 0]);
        assert_eq!(pair.sent(), ["PUBCOMP 2 00"]);
    }
}

/// Shows: v5:MQTT-4.3.3-10 v5:MQTT-4.3.3-12 v311:MQTT-4.3.3-2
#[test]
fn a_repeated_qos_2_message_is_delivered_once_also_after_a_reconnection() {
    for version in [Version::V311, Version::V5] {
        let mut pair = Pair::connected(version, &[]);
        pair.incoming(QoS::ExactlyOnce, 7, false);
        pair.client.acknowledge(QoS::ExactlyOnce, packet_id(7), ReasonCode::Success);
        let mut pair = Pair::resume(version, pair.client.into_session(), true, &[]);
        assert_eq!(pair.incoming(QoS::ExactlyOnce, 7, true), [""; 0]);
        assert_eq!(pair.sent(), ["PUBREC 7 00"]);
        pair.ack(PacketType::PubRel, 7, ReasonCode::Success);
        assert_eq!(pair.incoming(QoS::ExactlyOnce, 7, false), ["message 7 q2 in=x"]);
    }
}

/// Shows: v5:MQTT-4.6.0-2 v5:MQTT-4.6.0-3 v311:MQTT-4.6.0-2 v311:MQTT-4.6.0-3
#[test]
fn answers_have_the_order_of_the_messages_whatever_the_order_of_the_application() {
    for version in ALL {
        let mut pair = Pair::connected(version, &[]);
        for (qos, id) in [(QoS::AtLeastOnce, 1), (QoS::ExactlyOnce, 2), (QoS::AtLeastOnce, 3)] {
            pair.incoming(qos, id, false);
        }
        pair.incoming(QoS::ExactlyOnce, 4, false);
        for (qos, id) in [(QoS::AtLeastOnce, 3), (QoS::ExactlyOnce, 4)] {
            pair.client.acknowledge(qos, packet_id(id), ReasonCode::Success);
        }
        assert_eq!(pair.sent(), [""; 0]);
        pair.client.acknowledge(QoS::ExactlyOnce, packet_id(2), ReasonCode::Success);
        // The other QoS waits for its own.
        assert_eq!(pair.sent(), ["PUBREC 2 00", "PUBREC 4 00"]);
        pair.client.acknowledge(QoS::AtLeastOnce, packet_id(1), ReasonCode::Success);
        // Twice says nothing more.
        pair.client.acknowledge(QoS::AtLeastOnce, packet_id(1), ReasonCode::Success);
        assert_eq!(pair.sent(), ["PUBACK 1 00", "PUBACK 3 00"]);
    }
}

#[test]
fn a_qos_2_message_that_the_application_does_not_have_is_new_on_the_next_connection() {
    for version in [Version::V311, Version::V5] {
        let mut pair = Pair::connected(version, &[]);
        pair.incoming(QoS::ExactlyOnce, 1, false);
        pair.incoming(QoS::ExactlyOnce, 2, false);
        // The application has the second one, but PUBREC waits for the first.
        pair.client.acknowledge(QoS::ExactlyOnce, packet_id(2), ReasonCode::Success);
        assert_eq!(pair.incoming(QoS::ExactlyOnce, 1, true), [""; 0]);
        assert_eq!(pair.sent(), [""; 0]);
        let mut pair = Pair::resume(version, pair.client.into_session(), true, &[]);
        assert_eq!(pair.incoming(QoS::ExactlyOnce, 1, true), ["message 1 q2 dup in=x"]);
        assert_eq!(pair.incoming(QoS::ExactlyOnce, 2, true), [""; 0]);
        assert_eq!(pair.sent(), [""; 0]);
        pair.client.acknowledge(QoS::ExactlyOnce, packet_id(1), ReasonCode::Success);
        assert_eq!(pair.sent(), ["PUBREC 1 00", "PUBREC 2 00"]);
    }
}

#[test]
fn a_pubrel_for_nothing_is_answered_so_in_version_5() {
    let mut pair = Pair::connected(Version::V5, &[]);
    pair.ack(PacketType::PubRel, 3, ReasonCode::Success);
    assert_eq!(pair.sent(), ["PUBCOMP 3 92"]);
}

/// Shows: v5:MQTT-3.3.4-9 U5-24
#[test]
fn a_server_that_exceeds_the_receive_maximum_is_told() {
    let mut pair = Pair::begin(Version::V5, true, &[Property::ReceiveMaximum(1)], Session::new());
    pair.connack(false, ReasonCode::Success, &[]).unwrap();
    pair.sent();
    pair.incoming(QoS::AtLeastOnce, 1, false);
    let publish = Publish { qos: QoS::AtLeastOnce, packet_id: PacketId::new(2), ..Publish::new("in") };
    assert_eq!(pair.message(publish).unwrap_err().rule(), Rule::ReceiveMaximumExceeded);
    assert_eq!(pair.sent(), ["DISCONNECT 93"]);
}

/// Shows: v5:MQTT-3.3.2-10 U5-17
#[test]
fn topic_aliases_of_the_server_are_resolved() {
    let mut pair = Pair::begin(Version::V5, true, &[Property::TopicAliasMaximum(1)], Session::new());
    pair.connack(false, ReasonCode::Success, &[]).unwrap();
    pair.sent();
    let list = [Property::TopicAlias(1)];
    let publish = |topic| Publish { properties: Properties::from_slice(&list), ..Publish::new(topic) };
    assert_eq!(pair.message(publish("in")).unwrap(), ["message q0 in= alias=1"]);
    assert_eq!(pair.message(publish("")).unwrap(), ["message q0 in= alias=1"]);
    let list = [Property::TopicAlias(2)];
    let publish = Publish { properties: Properties::from_slice(&list), ..Publish::new("in") };
    assert_eq!(pair.message(publish).unwrap_err().rule(), Rule::TopicAliasTooLarge);
    assert_eq!(pair.sent(), ["DISCONNECT 94"]);
}

#[test]
fn answers_to_requests_must_fit_them() {
    let subscription = |filter| Subscription { filter, options: Default::default() };
    let suback = |id, codes: &[u8]| {
        let mut bytes = Vec::new();
        let packet = SubAck { packet_id: packet_id(id), properties: Properties::EMPTY, reason_codes: codes };
        packet.encode(Version::V5, &mut bytes);
        bytes
    };
    let mut pair = Pair::connected(Version::V5, &[]);
    pair.client.subscribe(&[subscription("a"), subscription("b")], Properties::EMPTY).unwrap();
    assert_eq!(pair.receive(&suback(1, &[0, 0x80])).unwrap(), ["subscribed 1"]);
    assert_eq!(pair.receive(&suback(1, &[0, 0])).unwrap_err().rule(), Rule::AnswerUnknown);

    let mut pair = Pair::connected(Version::V5, &[]);
    pair.client.subscribe(&[subscription("a"), subscription("b")], Properties::EMPTY).unwrap();
    assert_eq!(pair.receive(&suback(1, &[0])).unwrap_err().rule(), Rule::AnswerCount);

    let mut pair = Pair::connected(Version::V5, &[]);
    pair.client.unsubscribe(&["a"], Properties::EMPTY).unwrap();
    assert_eq!(pair.receive(&suback(1, &[0])).unwrap_err().rule(), Rule::AnswerUnknown);
}

#[test]
fn an_unsuback_without_codes_will_do_before_version_5() {
    for version in ALL {
        let mut pair = Pair::connected(version, &[]);
        pair.client.unsubscribe(&["a"], Properties::EMPTY).unwrap();
        assert_eq!(pair.sent(), ["UNSUBSCRIBE 1"]);
        let mut bytes = Vec::new();
        let packet =
            UnsubAck { packet_id: packet_id(1), properties: Properties::EMPTY, reason_codes: &[0x11] };
        packet.encode(version, &mut bytes);
        assert_eq!(pair.receive(&bytes).unwrap(), ["unsubscribed 1"]);
    }
}

#[test]
fn properties_need_version_5_and_their_packet() {
    let mut pair = Pair::connected(Version::V311, &[]);
    let list = [Property::UserProperty("a", "b")];
    let not_allowed = Err(NotSent::Invalid(Rule::PropertyNotAllowed));
    assert_eq!(pair.client.unsubscribe(&["a"], Properties::from_slice(&list)), not_allowed);
    let mut pair = Pair::connected(Version::V5, &[]);
    assert!(pair.client.unsubscribe(&["a"], Properties::from_slice(&list)).is_ok());
    let list = [Property::SubscriptionIdentifier(1)];
    assert_eq!(pair.client.unsubscribe(&["a"], Properties::from_slice(&list)), not_allowed);
}
