//! The machine against a scripted server. What each side sends is compared as short texts, such as
//! `PUBLISH 1 q1 a=x` (identifier, QoS, topic and payload).

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;

use super::*;
use crate::frame::Frame;
use crate::packet::{
    Ack, Auth, ConnAck, Packet, PacketType, Publish, Sender, SubAck, Subscription, UnsubAck,
};
use crate::property::{Properties, Property};
use crate::{QoS, ReasonCode, Version};

const ALL: [Version; 3] = [Version::V31, Version::V311, Version::V5];

/// A message: topic, payload, QoS, retain.
#[derive(Clone, Debug, PartialEq)]
struct Note(&'static str, &'static str, QoS, bool);

impl Outgoing for Note {
    fn publish(&self) -> Publish<'_> {
        Publish { qos: self.2, retain: self.3, payload: self.1.as_bytes(), ..Publish::new(self.0) }
    }
}

fn q0(payload: &'static str) -> Note {
    Note("a", payload, QoS::AtMostOnce, false)
}

fn q1(payload: &'static str) -> Note {
    Note("a", payload, QoS::AtLeastOnce, false)
}

fn q2(payload: &'static str) -> Note {
    Note("a", payload, QoS::ExactlyOnce, false)
}

struct Pair {
    client: Client<Note>,
    version: Version,
    now_ms: u64,
}

impl Pair {
    fn begin(
        version: Version,
        clean_start: bool,
        properties: &[Property<'_>],
        session: Session<Note>,
    ) -> Self {
        let connect = Connect {
            clean_start,
            keep_alive: 10,
            properties: Properties::from_slice(properties),
            ..Connect::new(version, "me")
        };
        let client = Client::new(&connect, Settings::default(), session, 0);
        Pair { client, version, now_ms: 0 }
    }

    /// Connected, with this session and these properties of CONNACK.
    fn resume(version: Version, session: Session<Note>, present: bool, properties: &[Property<'_>]) -> Self {
        let mut pair = Pair::begin(version, false, &[], session);
        assert!(pair.sent()[0].starts_with("CONNECT"));
        let events = pair.connack(present, ReasonCode::Success, properties).unwrap();
        assert!(events[0].starts_with("connected"), "{events:?}");
        pair
    }

    fn connected(version: Version, properties: &[Property<'_>]) -> Self {
        Pair::resume(version, Session::new(), false, properties)
    }

    /// What the client sent since the last time.
    fn sent(&mut self) -> Vec<String> {
        let bytes = core::mem::take(self.client.poll_output(self.now_ms));
        let mut rest = &bytes[..];
        let mut sent = Vec::new();
        while let Some(frame) = Frame::split(rest).unwrap() {
            sent.push(describe(&Packet::decode(&frame, self.version, Sender::Client).unwrap()));
            rest = &rest[frame.bytes().len()..];
        }
        assert!(rest.is_empty());
        sent
    }

    /// What the bytes of the server lead to.
    fn receive(&mut self, bytes: &[u8]) -> Result<Vec<String>, Error> {
        let mut events = Vec::new();
        let mut rest = bytes;
        while let Some(frame) = self.client.next_frame(rest)? {
            rest = &rest[frame.bytes().len()..];
            events.extend(self.client.handle_frame(&frame, self.now_ms)?.map(|event| describe_event(&event)));
        }
        Ok(events)
    }

    fn connack(
        &mut self,
        session_present: bool,
        reason: ReasonCode,
        properties: &[Property<'_>],
    ) -> Result<Vec<String>, Error> {
        let connack = ConnAck { session_present, reason, properties: Properties::from_slice(properties) };
        let mut bytes = Vec::new();
        connack.encode(self.version, &mut bytes);
        self.receive(&bytes)
    }

    fn ack(&mut self, packet_type: PacketType, id: u16, reason: ReasonCode) -> Vec<String> {
        let mut bytes = Vec::new();
        Ack::new(packet_id(id), reason).encode(packet_type, self.version, &mut bytes);
        self.receive(&bytes).unwrap()
    }

    fn puback(&mut self, id: u16) -> Vec<String> {
        self.ack(PacketType::PubAck, id, ReasonCode::Success)
    }

    fn pubrec(&mut self, id: u16) -> Vec<String> {
        self.ack(PacketType::PubRec, id, ReasonCode::Success)
    }

    fn pubcomp(&mut self, id: u16) -> Vec<String> {
        self.ack(PacketType::PubComp, id, ReasonCode::Success)
    }

    /// A message from the server.
    fn message(&mut self, publish: Publish<'_>) -> Result<Vec<String>, Error> {
        let mut bytes = Vec::new();
        publish.encode(self.version, &mut bytes);
        self.receive(&bytes)
    }

    fn incoming(&mut self, qos: QoS, id: u16, dup: bool) -> Vec<String> {
        let publish = Publish { qos, dup, packet_id: PacketId::new(id), payload: b"x", ..Publish::new("in") };
        self.message(publish).unwrap()
    }
}

fn packet_id(id: u16) -> PacketId {
    PacketId::new(id).unwrap()
}

fn id_text(id: Option<PacketId>) -> String {
    id.map_or(String::new(), |id| format!("{id} "))
}

fn describe_publish(publish: &Publish<'_>) -> String {
    let alias = publish.properties.topic_alias().map_or(String::new(), |alias| format!(" alias={alias}"));
    format!(
        "{}q{}{} {}={}{alias}",
        id_text(publish.packet_id),
        publish.qos.bits(),
        if publish.dup { " dup" } else { "" },
        publish.topic,
        core::str::from_utf8(publish.payload).unwrap(),
    )
}

fn describe_ack(ack: &Ack<'_>) -> String {
    format!("{} {:02x}", ack.packet_id, ack.reason.value())
}

fn describe(packet: &Packet<'_>) -> String {
    let name = packet.packet_type().name();
    match packet {
        Packet::Publish(publish) => format!("{name} {}", describe_publish(publish)),
        Packet::PubAck(ack) | Packet::PubRec(ack) | Packet::PubRel(ack) | Packet::PubComp(ack) => {
            format!("{name} {}", describe_ack(ack))
        }
        Packet::Subscribe(packet) => format!("{name} {}", packet.packet_id),
        Packet::Unsubscribe(packet) => format!("{name} {}", packet.packet_id),
        Packet::Disconnect(packet) => format!("{name} {:02x}", packet.reason.value()),
        Packet::Auth(auth) => format!("{name} {:02x}", auth.reason.value()),
        _ => name.to_string(),
    }
}

fn describe_event(event: &Event<'_, Note>) -> String {
    match event {
        Event::Connected(connack) => format!("connected present={}", connack.session_present),
        Event::Refused(connack) => format!("refused {:02x}", connack.reason.value()),
        Event::Message(publish) => format!("message {}", describe_publish(publish)),
        Event::Acknowledged { message, ack } => format!("acknowledged {} {}", message.1, describe_ack(ack)),
        Event::Received { packet_id, message } => format!("received {} {packet_id}", message.1),
        Event::Completed(ack) => format!("completed {}", describe_ack(ack)),
        Event::Subscribed(suback) => format!("subscribed {}", suback.packet_id),
        Event::Unsubscribed(unsuback) => format!("unsubscribed {}", unsuback.packet_id),
        Event::Auth(auth) => format!("auth {:02x}", auth.reason.value()),
        Event::Disconnected(disconnect) => format!("disconnected {:02x}", disconnect.reason.value()),
    }
}

// Connecting

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

// Publishing

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

// Redelivery

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
    let limit = [Property::MaximumPacketSize(15)];
    let mut pair = Pair::resume(Version::V5, pair.client.into_session(), true, &limit);
    assert_eq!(pair.sent(), ["PUBLISH 2 q1 dup a=x"]);
    let lost = pair.client.take_lost();
    assert_eq!((lost.len(), lost[0].reason), (1, LostReason::TooLarge));
}

// Receiving

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

#[test]
fn a_pubrel_for_nothing_is_answered_so_in_version_5() {
    let mut pair = Pair::connected(Version::V5, &[]);
    pair.ack(PacketType::PubRel, 3, ReasonCode::Success);
    assert_eq!(pair.sent(), ["PUBCOMP 3 92"]);
}

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

// Subscribing

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

// Time

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

#[test]
fn the_keep_alive_of_the_server_counts() {
    let pair = Pair::connected(Version::V5, &[Property::ServerKeepAlive(3)]);
    assert_eq!(pair.client.deadline_ms(), Some(3_000));
    assert_eq!(pair.client.keep_alive(), 3);
    let pair = Pair::connected(Version::V5, &[Property::ServerKeepAlive(0)]);
    assert_eq!(pair.client.deadline_ms(), None);
}

// Authentication and the end

fn auth(reason: ReasonCode, method: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let list = [Property::AuthenticationMethod(method)];
    Auth { reason, properties: Properties::from_slice(&list) }.encode(&mut bytes);
    bytes
}

#[test]
fn authentication_goes_on_before_connack_and_may_begin_again_later() {
    let method = [Property::AuthenticationMethod("M")];
    let mut pair = Pair::begin(Version::V5, true, &method, Session::new());
    pair.sent();
    assert_eq!(pair.receive(&auth(ReasonCode::ContinueAuthentication, "M")).unwrap(), ["auth 18"]);
    assert_eq!(pair.client.authenticate(ReasonCode::ReAuthenticate, None), Err(NotSent::NotConnected));
    pair.client.authenticate(ReasonCode::ContinueAuthentication, Some(b"data")).unwrap();
    assert_eq!(pair.sent(), ["AUTH 18"]);
    pair.connack(false, ReasonCode::Success, &method).unwrap();
    pair.client.authenticate(ReasonCode::ReAuthenticate, None).unwrap();
    assert_eq!(pair.sent(), ["AUTH 19"]);
    assert_eq!(pair.receive(&auth(ReasonCode::Success, "M")).unwrap(), ["auth 00"]);
    let error = pair.receive(&auth(ReasonCode::Success, "N")).unwrap_err();
    assert_eq!(error.rule(), Rule::AuthMethodChanged);
}

#[test]
fn authentication_needs_a_method_in_connect() {
    let mut pair = Pair::connected(Version::V5, &[]);
    let result = pair.client.authenticate(ReasonCode::ReAuthenticate, None);
    assert_eq!(result, Err(NotSent::Invalid(Rule::AuthWithoutMethod)));
    let error = pair.receive(&auth(ReasonCode::ContinueAuthentication, "M")).unwrap_err();
    assert_eq!(error.rule(), Rule::AuthWithoutMethod);
}

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

#[test]
fn the_servers_disconnect_ends_the_connection() {
    let mut pair = Pair::connected(Version::V5, &[]);
    assert_eq!(pair.receive(&[0xe0, 1, 0x8e]).unwrap(), ["disconnected 8e"]);
    assert!(pair.client.is_closed());
    let mut pair = Pair::connected(Version::V311, &[]);
    assert_eq!(pair.receive(&[0xe0, 0]).unwrap_err().rule(), Rule::UnexpectedPacket);
}
