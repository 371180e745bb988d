//! Messages to the server: exchanges, limits, redelivery.

use super::*;
use crate::packet::Subscription;

/// Shows: v5:MQTT-2.2.1-3 v5:MQTT-4.3.3-4 v311:MQTT-2.3.1-2 v311:MQTT-4.3.3-1
#[test]
fn qos_1_ends_with_puback_and_qos_2_with_pubcomp() {
    for version in ALL {
        let mut pair = Pair::connected(version, &[]);
        assert_eq!(pair.client.publish(q1("one")), Ok(Some(packet_id(1))));
        assert_eq!(pair.client.publish(q2("two")), Ok(Some(packet_id(2))));
        assert_eq!(pair.sent(), ["PUBLISH 1 q1 a=one", "PUBLISH 2 q2 a=two"]);
        assert_eq!(pair.puback(1), ["acknowledged one 1 00"]);
        assert_eq!(pair.pubrec(2), ["received two 2"]);
        assert_eq!(pair.sent(), ["PUBREL 2 00"]);
        assert_eq!(pair.pubcomp(2), ["completed 2 00"]);
        assert_eq!(pair.client.in_flight_count(), 0);
    }
}

/// Shows: v5:MQTT-4.4.0-2 U5-37
#[test]
fn a_refusing_pubrec_ends_the_exchange() {
    let mut pair = Pair::connected(Version::V5, &[Property::ReceiveMaximum(1)]);
    pair.client.publish(q2("x")).unwrap();
    pair.sent();
    let events = pair.ack(PacketType::PubRec, 1, ReasonCode::QuotaExceeded);
    assert_eq!(events, ["acknowledged x 1 97"]);
    assert_eq!(pair.sent(), [""; 0]);
    assert!(pair.client.has_room(QoS::ExactlyOnce));
}

#[test]
fn acknowledgements_of_nothing_change_nothing() {
    let mut pair = Pair::connected(Version::V5, &[]);
    assert_eq!(pair.puback(9), [""; 0]);
    assert_eq!(pair.pubcomp(9), [""; 0]);
    assert_eq!(pair.sent(), [""; 0]);
    assert_eq!(pair.pubrec(9), [""; 0]);
    assert_eq!(pair.sent(), ["PUBREL 9 92"]);
}

/// Shows: v5:MQTT-3.3.4-7 v5:MQTT-3.3.4-8 v5:MQTT-4.9.0-1 v5:MQTT-4.9.0-2 v5:MQTT-4.9.0-3 U5-38
#[test]
fn the_receive_maximum_of_the_server_holds_back_publishes_and_nothing_else() {
    let mut pair = Pair::connected(Version::V5, &[Property::ReceiveMaximum(2)]);
    pair.client.publish(q1("1")).unwrap();
    pair.client.publish(q2("2")).unwrap();
    assert_eq!(pair.client.publish(q1("3")), Err((q1("3"), NotSent::NoRoom)));
    assert!(pair.client.publish(q0("0")).is_ok());
    let subscription = Subscription { filter: "a", options: Default::default() };
    assert_eq!(pair.client.subscribe(&[subscription], Properties::EMPTY), Ok(packet_id(3)));
    pair.pubrec(2);
    assert!(!pair.client.has_room(QoS::AtLeastOnce));
    pair.pubcomp(2);
    assert_eq!(pair.client.publish(q1("3")), Ok(Some(packet_id(4))));
}

/// Shows: v5:MQTT-3.2.2-11 v5:MQTT-3.2.2-14 v5:MQTT-3.2.2-15
#[test]
fn what_the_server_does_not_offer_is_not_sent() {
    let properties = [
        Property::MaximumQos(1),
        Property::RetainAvailable(0),
        Property::MaximumPacketSize(40),
        Property::WildcardSubscriptionAvailable(0),
        Property::SharedSubscriptionAvailable(0),
        Property::SubscriptionIdentifierAvailable(0),
    ];
    let mut pair = Pair::connected(Version::V5, &properties);
    let long = "0123456789012345678901234567890123456789";
    for (note, rule) in [
        (q2("x"), Rule::QosNotSupported),
        (Note("a", "x", QoS::AtMostOnce, true), Rule::RetainNotSupported),
        (q0(long), Rule::PacketTooLarge),
        (Note("a/+", "x", QoS::AtMostOnce, false), Rule::TopicWildcard),
        (Note("", "x", QoS::AtMostOnce, false), Rule::TopicEmpty),
    ] {
        assert_eq!(pair.client.publish(note.clone()), Err((note, NotSent::Invalid(rule))));
    }
    let identifier = [Property::SubscriptionIdentifier(1)];
    for (filter, properties, rule) in [
        ("a/#", &[][..], Rule::WildcardNotSupported),
        ("$share/g/a", &[], Rule::SharedNotSupported),
        ("a", &identifier, Rule::SubscriptionIdentifierNotSupported),
        ("a/#/b", &[], Rule::FilterHash),
        (long, &[], Rule::PacketTooLarge),
    ] {
        let subscription = Subscription { filter, options: Default::default() };
        let result = pair.client.subscribe(&[subscription], Properties::from_slice(properties));
        assert_eq!(result, Err(NotSent::Invalid(rule)), "{filter}");
    }
    assert_eq!(pair.sent(), [""; 0]);
    assert!(pair.client.is_connected());
}

/// Shows: v5:MQTT-3.2.2-17 v5:MQTT-3.3.2-7 v5:MQTT-3.3.2-9
#[test]
fn topic_aliases_are_used_up_to_the_smaller_maximum_and_set_anew_on_each_connection() {
    let settings = Settings { outgoing_topic_aliases: 1, ..Settings::default() };
    let connect = Connect { ..Connect::new(Version::V5, "me") };
    let mut session = Session::new();
    for is_present in [false, true] {
        let client = Client::new(&connect, settings, session, 0);
        let mut pair = Pair { client, version: Version::V5, now_ms: 0 };
        pair.sent();
        pair.connack(is_present, ReasonCode::Success, &[Property::TopicAliasMaximum(5)]).unwrap();
        if is_present {
            assert_eq!(pair.sent(), ["PUBLISH 1 q1 dup a=2 alias=1"]);
        } else {
            pair.client.publish(q0("1")).unwrap();
            pair.client.publish(q1("2")).unwrap();
            pair.client.publish(Note("b", "3", QoS::AtMostOnce, false)).unwrap();
            assert_eq!(pair.sent(), ["PUBLISH q0 a=1 alias=1", "PUBLISH 1 q1 =2 alias=1", "PUBLISH q0 b=3"]);
        }
        session = pair.client.into_session();
    }
}

/// Shows: v5:MQTT-3.3.1-1 v5:MQTT-4.3.2-3 v5:MQTT-4.3.3-3 v5:MQTT-4.3.3-5 v5:MQTT-4.3.3-6 v5:MQTT-4.4.0-1 v5:MQTT-4.6.0-1 v311:MQTT-2.3.1-3 v311:MQTT-4.4.0-1 v311:MQTT-4.6.0-1 v31:resend
#[test]
fn a_resumed_session_sends_again_in_order_with_dup() {
    for version in ALL {
        let mut pair = Pair::connected(version, &[]);
        for note in [q1("1"), q2("2"), q1("3"), q2("4")] {
            pair.client.publish(note).unwrap();
        }
        pair.pubrec(4);
        pair.puback(1);
        let mut pair = Pair::resume(version, pair.client.into_session(), version != Version::V31, &[]);
        assert_eq!(pair.sent(), ["PUBLISH 2 q2 dup a=2", "PUBLISH 3 q1 dup a=3", "PUBREL 4 00"]);
        assert_eq!(pair.client.publish(q1("5")), Ok(Some(packet_id(5))));
        assert_eq!(pair.sent(), ["PUBLISH 5 q1 a=5"]);
        assert!(pair.client.take_lost().is_empty());
    }
}

/// Shows: v5:MQTT-4.9.0-1
#[test]
fn redelivery_respects_the_receive_maximum_of_the_new_connection() {
    let mut pair = Pair::connected(Version::V5, &[]);
    for note in [q1("1"), q1("2"), q1("3")] {
        pair.client.publish(note).unwrap();
    }
    let limit = [Property::ReceiveMaximum(1)];
    let mut pair = Pair::resume(Version::V5, pair.client.into_session(), true, &limit);
    assert_eq!(pair.sent(), ["PUBLISH 1 q1 dup a=1"]);
    assert!(!pair.client.has_room(QoS::AtLeastOnce));
    pair.puback(1);
    assert_eq!(pair.sent(), ["PUBLISH 2 q1 dup a=2"]);
    pair.puback(2);
    pair.puback(3);
    assert!(pair.client.has_room(QoS::AtLeastOnce));
}

/// Shows: v5:MQTT-3.2.2-5
#[test]
fn a_session_that_the_server_lost_is_discarded_and_its_messages_are_given_back() {
    for version in [Version::V311, Version::V5] {
        let mut pair = Pair::connected(version, &[]);
        for note in [q1("1"), q2("2"), q2("3")] {
            pair.client.publish(note).unwrap();
        }
        pair.pubrec(3);
        let mut pair = Pair::resume(version, pair.client.into_session(), false, &[]);
        assert_eq!(pair.sent(), [""; 0]);
        let lost: Vec<_> = pair.client.take_lost().into_iter().map(|lost| lost.message).collect();
        assert_eq!(lost, [Some(q1("1")), Some(q2("2")), None]);
        assert_eq!(pair.client.publish(q1("4")), Ok(Some(packet_id(1))));
    }
}

#[test]
fn a_clean_start_gives_the_messages_back_at_once() {
    let mut pair = Pair::connected(Version::V5, &[]);
    pair.client.publish(q1("1")).unwrap();
    let mut pair = Pair::begin(Version::V5, true, &[], pair.client.into_session());
    assert_eq!(pair.client.take_lost().len(), 1);
    pair.sent();
    let error = pair.connack(true, ReasonCode::Success, &[]).unwrap_err();
    assert_eq!(error.rule(), Rule::SessionPresentUnknown);
}

#[test]
fn a_message_that_the_server_no_longer_takes_is_given_back() {
    let mut pair = Pair::connected(Version::V5, &[]);
    pair.client.publish(q1("a long payload")).unwrap();
    pair.client.publish(q1("x")).unwrap();
    pair.client.publish(q2("y")).unwrap();
    let limits = [Property::MaximumPacketSize(15), Property::MaximumQos(1)];
    let mut pair = Pair::resume(Version::V5, pair.client.into_session(), true, &limits);
    assert_eq!(pair.sent(), ["PUBLISH 2 q1 dup a=x"]);
    let reasons: Vec<_> = pair.client.take_lost().iter().map(|lost| lost.reason).collect();
    let expected = [Rule::PacketTooLarge, Rule::QosNotSupported].map(LostReason::NotTaken);
    assert_eq!(reasons, expected);
}

/// Shows: v5:MQTT-3.2.2-18
#[test]
fn no_topic_alias_is_used_unless_the_server_takes_some() {
    let settings = Settings { outgoing_topic_aliases: 5, ..Settings::default() };
    let connect = Connect { clean_start: true, ..Connect::new(Version::V5, "me") };
    for offered in [&[][..], &[Property::TopicAliasMaximum(0)]] {
        let client = Client::new(&connect, settings, Session::new(), 0);
        let mut pair = Pair { client, version: Version::V5, now_ms: 0 };
        pair.sent();
        pair.connack(false, ReasonCode::Success, offered).unwrap();
        pair.client.publish(q0("1")).unwrap();
        pair.client.publish(q0("2")).unwrap();
        assert_eq!(pair.sent(), ["PUBLISH q0 a=1", "PUBLISH q0 a=2"]);
    }
}

/// Shows: v5:MQTT-4.6.0-4 v311:MQTT-4.6.0-4
#[test]
fn pubrels_go_out_in_the_order_of_the_pubrecs() {
    for version in ALL {
        let mut pair = Pair::connected(version, &[]);
        for note in [q2("1"), q2("2"), q2("3")] {
            pair.client.publish(note).unwrap();
        }
        pair.sent();
        for id in [2, 1, 3] {
            pair.pubrec(id);
        }
        assert_eq!(pair.sent(), ["PUBREL 2 00", "PUBREL 1 00", "PUBREL 3 00"]);
    }
}

#[test]
fn an_acknowledgement_of_another_kind_ends_the_connection() {
    use PacketType::{PubAck, PubComp, PubRec};
    for (message, wrong) in [(q1("x"), PubRec), (q1("x"), PubComp), (q2("x"), PubAck), (q2("x"), PubComp)] {
        let mut pair = Pair::connected(Version::V311, &[]);
        pair.client.publish(message).unwrap();
        let mut bytes = Vec::new();
        Ack::new(packet_id(1), ReasonCode::Success).encode(wrong, pair.version, &mut bytes);
        assert_eq!(pair.receive(&bytes).unwrap_err().rule(), Rule::AckMismatch);
    }
}
