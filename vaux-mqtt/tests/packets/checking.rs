//! Packets that cannot be written are found before anybody writes them.

use vaux_mqtt::error::Rule;
use vaux_mqtt::frame::Frame;
use vaux_mqtt::packet::{
    Ack, Auth, ConnAck, Connect, Disconnect, Filters, Publish, SubAck, Subscribe, Subscription,
    SubscriptionOptions, Subscriptions, UnsubAck, Unsubscribe, Will,
};
use vaux_mqtt::property::{Properties, Property};
use vaux_mqtt::{Packet, PacketId, QoS, ReasonCode, Sender, Version};

const ID: PacketId = PacketId::FIRST;

/// Each of them, written all the same, is refused by its reader or read as another packet.
#[test]
fn packets_that_would_not_be_read_as_they_are_break_a_rule() {
    let long = "x".repeat(65_536).leak();
    for (packet, rule) in fields(long).into_iter().chain(contents(long)) {
        assert_eq!(packet.check(Version::V5), Err(rule), "{:?} {rule:?}", packet.packet_type());
        let mut bytes = Vec::new();
        packet.encode(Version::V5, &mut bytes);
        let frame = Frame::split(&bytes).expect("the header is one").expect("the packet is whole");
        let read = Packet::decode(&frame, Version::V5, Sender::Any);
        assert_ne!(read.as_ref(), Ok(&packet), "{rule:?}");
    }
}

/// Fields of CONNECT and PUBLISH.
fn fields(long: &'static str) -> Vec<(Packet<'static>, Rule)> {
    let connect = Connect::new(Version::V5, "c");
    let will =
        Will { qos: QoS::AtMostOnce, retain: false, properties: Properties::EMPTY, topic: "w", payload: b"" };
    let with_will = |will| Packet::Connect(Connect { will: Some(will), ..connect.clone() });
    let publish = Publish::new("a");
    vec![
        (Packet::Connect(Connect::new(Version::V5, long)), Rule::FieldTooLong),
        (Packet::Connect(Connect::new(Version::V5, "a\0")), Rule::StringHoldsNul),
        (Packet::Connect(Connect { user_name: Some(long), ..connect.clone() }), Rule::FieldTooLong),
        (Packet::Connect(Connect { password: Some(long.as_bytes()), ..connect.clone() }), Rule::FieldTooLong),
        (
            Packet::Connect(Connect { version: Version::V311, password: Some(b"secret"), ..connect.clone() }),
            Rule::PasswordWithoutUserName,
        ),
        (with_will(Will { topic: "", ..will.clone() }), Rule::WillTopicEmpty),
        (with_will(Will { topic: "w/#", ..will.clone() }), Rule::WillTopicWildcard),
        (with_will(Will { payload: long.as_bytes(), ..will.clone() }), Rule::FieldTooLong),
        (with_will(Will { properties: list(&[Property::TopicAlias(1)]), ..will }), Rule::PropertyNotAllowed),
        (Packet::Publish(Publish::new(long)), Rule::FieldTooLong),
        (Packet::Publish(Publish::new("")), Rule::TopicEmpty),
        (Packet::Publish(Publish::new("a/+")), Rule::TopicWildcard),
        (Packet::Publish(Publish { dup: true, ..publish.clone() }), Rule::DupOnQos0),
        (Packet::Publish(Publish { qos: QoS::AtLeastOnce, ..publish }), Rule::PacketIdZero),
    ]
}

/// Properties, reasons and lists.
fn contents(long: &'static str) -> Vec<(Packet<'static>, Rule)> {
    let with = |property| Packet::Publish(Publish { properties: list(&[property]), ..Publish::new("a") });
    let shared = Subscription {
        filter: "$share/g/a",
        options: SubscriptionOptions { no_local: true, ..SubscriptionOptions::default() },
    };
    let subscribe = |list| {
        let subscriptions = Subscriptions::from_slice(list);
        Packet::Subscribe(Subscribe { packet_id: ID, properties: Properties::EMPTY, subscriptions })
    };
    let unsubscribe = |list| {
        let filters = Filters::from_slice(list);
        Packet::Unsubscribe(Unsubscribe { packet_id: ID, properties: Properties::EMPTY, filters })
    };
    let suback = |reason_codes| SubAck { packet_id: ID, properties: Properties::EMPTY, reason_codes };
    let unsuback = |reason_codes| UnsubAck { packet_id: ID, properties: Properties::EMPTY, reason_codes };
    let connack =
        ConnAck { session_present: true, reason: ReasonCode::Banned, properties: Properties::EMPTY };
    let twice = list(&[Property::ReasonString("a"), Property::ReasonString("b")]);
    vec![
        (with(Property::SubscriptionIdentifier(0)), Rule::SubscriptionIdentifierZero),
        (with(Property::SubscriptionIdentifier(268_435_456)), Rule::VarintTooLong),
        (with(Property::ContentType(long)), Rule::FieldTooLong),
        (with(Property::CorrelationData(long.as_bytes())), Rule::FieldTooLong),
        (with(Property::UserProperty("name", "\0")), Rule::StringHoldsNul),
        (with(Property::ResponseTopic("a/+")), Rule::ResponseTopicWildcard),
        (with(Property::PayloadFormatIndicator(2)), Rule::PayloadFormatRange),
        (with(Property::TopicAlias(0)), Rule::TopicAliasZero),
        (with(Property::MaximumQos(1)), Rule::PropertyNotAllowed),
        (
            Packet::PubAck(Ack { properties: twice, ..Ack::new(ID, ReasonCode::Success) }),
            Rule::PropertyRepeated,
        ),
        (Packet::PubAck(Ack::new(ID, ReasonCode::PacketIdentifierNotFound)), Rule::PubAckReasonCode),
        (Packet::PubRel(Ack::new(ID, ReasonCode::QuotaExceeded)), Rule::PubRelReasonCode),
        (subscribe(&[]), Rule::SubscribeEmpty),
        (subscribe(Vec::leak(vec![shared])), Rule::NoLocalShared),
        (unsubscribe(&[]), Rule::UnsubscribeEmpty),
        (unsubscribe(&["a/#/b"]), Rule::FilterHash),
        (Packet::SubAck(suback(&[])), Rule::SubAckEmpty),
        (Packet::SubAck(suback(&[3])), Rule::SubAckReasonCode),
        (Packet::UnsubAck(unsuback(&[])), Rule::UnsubAckEmpty),
        (Packet::UnsubAck(unsuback(&[1])), Rule::UnsubAckReasonCode),
        (Packet::ConnAck(connack), Rule::SessionPresentOnRefusal),
        (Packet::Disconnect(Disconnect::new(ReasonCode::Banned)), Rule::DisconnectReasonCode),
        (
            Packet::Auth(Auth { reason: ReasonCode::ReAuthenticate, properties: Properties::EMPTY }),
            Rule::AuthenticationMethodMissing,
        ),
    ]
}

fn list(properties: &[Property<'static>]) -> Properties<'static> {
    Properties::from_slice(properties.to_vec().leak())
}

#[test]
fn packets_that_the_fixed_header_cannot_announce_are_too_large() {
    // Zeroed memory is not touched, so that this is cheap.
    let payload = vec![0; 268_435_456];
    let publish = |len: usize| Publish { payload: &payload[..len], ..Publish::new("a") };
    // Topic, and in version 5.0 the property length.
    assert_eq!(publish(268_435_455 - 3).check(Version::V311), Ok(()));
    assert_eq!(publish(268_435_455 - 2).check(Version::V311), Err(Rule::PacketTooLarge));
    assert_eq!(publish(268_435_455 - 3).check(Version::V5), Err(Rule::PacketTooLarge));
}

#[test]
fn what_a_version_does_not_have_is_left_out_and_not_looked_at() {
    let properties = list(&[Property::ContentType("\0")]);
    let publish = Publish { properties, ..Publish::new("a") };
    assert_eq!(publish.check(Version::V5), Err(Rule::StringHoldsNul));
    assert_eq!(publish.check(Version::V311), Ok(()));
    let connack = |reason| ConnAck { reason, ..ConnAck::default() };
    assert_eq!(connack(ReasonCode::Banned).check(Version::V311), Ok(()));
    assert_eq!(connack(ReasonCode::PacketTooLarge).check(Version::V311), Err(Rule::ConnAckReasonCode));
}
