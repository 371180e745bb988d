//! Valid packets made up at random.
//!
//! A packet borrows its strings and lists. Those made here live as long as the test: leaking them is what lets a
//! strategy return a packet.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use vaux_mqtt::packet::{
    Ack, Auth, ConnAck, Connect, Disconnect, Filters, Packet, PacketType, Publish, RetainHandling, SubAck,
    Subscribe, Subscription, SubscriptionOptions, Subscriptions, UnsubAck, Unsubscribe, Will,
};
use vaux_mqtt::property::{Properties, Property, PropertyId, PropertySet};
use vaux_mqtt::{PacketId, QoS, ReasonCode, Sender, Version};

/// A packet that someone may send on a connection of the version.
pub(crate) fn packet() -> impl Strategy<Value = (Version, Packet<'static>)> {
    version().prop_flat_map(|version| {
        let has_properties = version.has_properties();
        let types: Vec<PacketType> =
            PacketType::ALL.into_iter().filter(|kind| has_properties || *kind != PacketType::Auth).collect();
        (Just(version), select(types).prop_flat_map(move |packet_type| packet_of(packet_type, version)))
    })
}

pub(crate) fn version() -> impl Strategy<Value = Version> {
    select(vec![Version::V31, Version::V311, Version::V5])
}

pub(crate) fn sender() -> impl Strategy<Value = Sender> {
    select(vec![Sender::Client, Sender::Server, Sender::Any])
}

/// A topic filter, a third of them shared.
pub(crate) fn filter() -> impl Strategy<Value = &'static str> {
    let level = prop_oneof![Just("+".to_owned()), "[ab$é]{0,2}", "[^+#/\\x00]{0,6}"];
    (vec(level, 1..5), any::<bool>(), prop_oneof![2 => Just(""), 1 => Just("$share/group/")]).prop_map(
        |(mut levels, has_hash, share)| {
            if has_hash {
                levels.push("#".to_owned());
            }
            let filter = levels.join("/");
            leak_text(if filter.is_empty() { format!("{share}a") } else { format!("{share}{filter}") })
        },
    )
}

/// A topic name.
pub(crate) fn topic() -> impl Strategy<Value = &'static str> {
    prop_oneof!["[ab$é/]{1,6}", "[^+#\\x00]{1,12}"].prop_map(leak_text)
}

fn packet_of(packet_type: PacketType, version: Version) -> BoxedStrategy<Packet<'static>> {
    match packet_type {
        PacketType::Connect => connect(version).prop_map(Packet::Connect).boxed(),
        PacketType::ConnAck => connack(version).prop_map(Packet::ConnAck).boxed(),
        PacketType::Publish => publish(version).prop_map(Packet::Publish).boxed(),
        PacketType::PubAck => ack(packet_type, version).prop_map(Packet::PubAck).boxed(),
        PacketType::PubRec => ack(packet_type, version).prop_map(Packet::PubRec).boxed(),
        PacketType::PubRel => ack(packet_type, version).prop_map(Packet::PubRel).boxed(),
        PacketType::PubComp => ack(packet_type, version).prop_map(Packet::PubComp).boxed(),
        PacketType::Subscribe => subscribe(version).prop_map(Packet::Subscribe).boxed(),
        PacketType::SubAck => suback(version).prop_map(Packet::SubAck).boxed(),
        PacketType::Unsubscribe => unsubscribe(version).prop_map(Packet::Unsubscribe).boxed(),
        PacketType::UnsubAck => unsuback(version).prop_map(Packet::UnsubAck).boxed(),
        PacketType::PingReq => Just(Packet::PingReq).boxed(),
        PacketType::PingResp => Just(Packet::PingResp).boxed(),
        PacketType::Disconnect => disconnect(version).prop_map(Packet::Disconnect).boxed(),
        PacketType::Auth => auth().prop_map(Packet::Auth).boxed(),
    }
}

fn connect(version: Version) -> impl Strategy<Value = Connect<'static>> {
    let credentials = (proptest::option::of(text()), proptest::option::of(binary()));
    let fields = (any::<bool>(), any::<u16>(), text(), proptest::option::of(will(version)), credentials);
    (fields, properties(PropertySet::CONNECT, version)).prop_map(move |(fields, properties)| {
        let (clean_start, keep_alive, client_id, will, (user_name, password)) = fields;
        // Authentication data needs a method, and before 5.0 a password a user name.
        let properties = match properties.authentication_method() {
            Some(_) => properties,
            None => without(properties, PropertyId::AuthenticationData),
        };
        let password = password.filter(|_| user_name.is_some() || version.has_properties());
        Connect { version, clean_start, keep_alive, properties, client_id, will, user_name, password }
    })
}

fn will(version: Version) -> impl Strategy<Value = Will<'static>> {
    (qos(), any::<bool>(), properties(PropertySet::WILL, version), topic(), binary()).prop_map(
        |(qos, retain, properties, topic, payload)| Will { qos, retain, properties, topic, payload },
    )
}

fn connack(version: Version) -> impl Strategy<Value = ConnAck<'static>> {
    let reason = reason(PacketType::ConnAck, version);
    (any::<bool>(), reason, properties(PropertySet::CONNACK, version)).prop_map(
        move |(session_present, reason, properties)| {
            let may_be_present = reason == ReasonCode::Success && version != Version::V31;
            ConnAck { session_present: session_present && may_be_present, reason, properties }
        },
    )
}

fn publish(version: Version) -> impl Strategy<Value = Publish<'static>> {
    let flags = (any::<bool>(), qos(), any::<bool>());
    let fields = (topic(), packet_id(), properties(PropertySet::PUBLISH, version), binary());
    (flags, fields, any::<bool>()).prop_map(
        |((dup, qos, retain), (topic, packet_id, properties, payload), is_aliased)| Publish {
            dup: dup && qos != QoS::AtMostOnce,
            qos,
            retain,
            topic: if is_aliased && properties.topic_alias().is_some() { "" } else { topic },
            packet_id: Some(packet_id).filter(|_| qos != QoS::AtMostOnce),
            properties,
            payload,
        },
    )
}

fn ack(packet_type: PacketType, version: Version) -> impl Strategy<Value = Ack<'static>> {
    let reason = match version.has_properties() {
        true => reason(packet_type, version).boxed(),
        false => Just(ReasonCode::Success).boxed(),
    };
    (packet_id(), reason, properties(PropertySet::ACKNOWLEDGEMENT, version))
        .prop_map(|(packet_id, reason, properties)| Ack { packet_id, reason, properties })
}

fn subscribe(version: Version) -> impl Strategy<Value = Subscribe<'static>> {
    let subscription = (filter(), options(version)).prop_map(|(filter, mut options)| {
        options.no_local &= !filter.starts_with("$share/");
        Subscription { filter, options }
    });
    (packet_id(), properties(PropertySet::SUBSCRIBE, version), vec(subscription, 1..5)).prop_map(
        |(packet_id, properties, list)| Subscribe {
            packet_id,
            properties,
            subscriptions: Subscriptions::from_slice(list.leak()),
        },
    )
}

fn options(version: Version) -> impl Strategy<Value = SubscriptionOptions> {
    let handling = vec![RetainHandling::Send, RetainHandling::SendIfNew, RetainHandling::DoNotSend];
    (qos(), any::<bool>(), any::<bool>(), select(handling)).prop_map(
        move |(qos, no_local, retain_as_published, retain_handling)| match version.has_properties() {
            true => SubscriptionOptions { qos, no_local, retain_as_published, retain_handling },
            false => SubscriptionOptions::with_qos(qos),
        },
    )
}

fn suback(version: Version) -> impl Strategy<Value = SubAck<'static>> {
    let code = match version {
        Version::V31 => select(vec![0, 1, 2]).boxed(),
        Version::V311 => select(vec![0, 1, 2, 0x80]).boxed(),
        Version::V5 => reason(PacketType::SubAck, version).prop_map(ReasonCode::value).boxed(),
    };
    (packet_id(), properties(PropertySet::ACKNOWLEDGEMENT, version), vec(code, 1..6)).prop_map(
        |(packet_id, properties, codes)| SubAck { packet_id, properties, reason_codes: codes.leak() },
    )
}

fn unsubscribe(version: Version) -> impl Strategy<Value = Unsubscribe<'static>> {
    (packet_id(), properties(PropertySet::UNSUBSCRIBE, version), vec(filter(), 1..5)).prop_map(
        |(packet_id, properties, list)| Unsubscribe {
            packet_id,
            properties,
            filters: Filters::from_slice(list.leak()),
        },
    )
}

fn unsuback(version: Version) -> impl Strategy<Value = UnsubAck<'static>> {
    let codes = match version.has_properties() {
        true => vec(reason(PacketType::UnsubAck, version).prop_map(ReasonCode::value), 1..6).boxed(),
        false => Just(Vec::new()).boxed(),
    };
    (packet_id(), properties(PropertySet::ACKNOWLEDGEMENT, version), codes).prop_map(
        |(packet_id, properties, codes)| UnsubAck { packet_id, properties, reason_codes: codes.leak() },
    )
}

fn disconnect(version: Version) -> impl Strategy<Value = Disconnect<'static>> {
    let reason = match version.has_properties() {
        true => reason(PacketType::Disconnect, version).boxed(),
        false => Just(ReasonCode::Success).boxed(),
    };
    (reason, properties(PropertySet::DISCONNECT, version))
        .prop_map(|(reason, properties)| Disconnect { reason, properties })
}

fn auth() -> impl Strategy<Value = Auth<'static>> {
    let with_method = properties(PropertySet::AUTH, Version::V5)
        .prop_filter("AUTH names its method", |properties| properties.authentication_method().is_some());
    (reason(PacketType::Auth, Version::V5), with_method)
        .prop_map(|(reason, properties)| Auth { reason, properties })
}

/// A list of the properties in `set`: each at most once, user properties as often as it comes.
fn properties(set: PropertySet, version: Version) -> BoxedStrategy<Properties<'static>> {
    if !version.has_properties() {
        return Just(Properties::EMPTY).boxed();
    }
    let allowed: Vec<PropertyId> = PropertyId::ALL.iter().copied().filter(|id| set.contains(*id)).collect();
    let len = allowed.len();
    let once = subsequence(allowed, 0..=len).prop_shuffle();
    let ids =
        (once, vec(Just(PropertyId::UserProperty), 0..3)).prop_map(|(once, more)| [once, more].concat());
    ids.prop_flat_map(|ids| ids.into_iter().map(property).collect::<Vec<_>>())
        .prop_map(|list| Properties::from_slice(list.leak()))
        .boxed()
}

fn property(id: PropertyId) -> BoxedStrategy<Property<'static>> {
    let flag = || 0..=1u8;
    match id {
        PropertyId::PayloadFormatIndicator => flag().prop_map(Property::PayloadFormatIndicator).boxed(),
        PropertyId::MessageExpiryInterval => any::<u32>().prop_map(Property::MessageExpiryInterval).boxed(),
        PropertyId::ContentType => text().prop_map(Property::ContentType).boxed(),
        PropertyId::ResponseTopic => topic().prop_map(Property::ResponseTopic).boxed(),
        PropertyId::CorrelationData => binary().prop_map(Property::CorrelationData).boxed(),
        PropertyId::SubscriptionIdentifier => {
            prop_oneof![1..=200u32, 1..=268_435_455u32].prop_map(Property::SubscriptionIdentifier).boxed()
        }
        PropertyId::SessionExpiryInterval => any::<u32>().prop_map(Property::SessionExpiryInterval).boxed(),
        PropertyId::AssignedClientIdentifier => text().prop_map(Property::AssignedClientIdentifier).boxed(),
        PropertyId::ServerKeepAlive => any::<u16>().prop_map(Property::ServerKeepAlive).boxed(),
        PropertyId::AuthenticationMethod => text().prop_map(Property::AuthenticationMethod).boxed(),
        PropertyId::AuthenticationData => binary().prop_map(Property::AuthenticationData).boxed(),
        PropertyId::RequestProblemInformation => flag().prop_map(Property::RequestProblemInformation).boxed(),
        PropertyId::WillDelayInterval => any::<u32>().prop_map(Property::WillDelayInterval).boxed(),
        PropertyId::RequestResponseInformation => {
            flag().prop_map(Property::RequestResponseInformation).boxed()
        }
        PropertyId::ResponseInformation => text().prop_map(Property::ResponseInformation).boxed(),
        PropertyId::ServerReference => text().prop_map(Property::ServerReference).boxed(),
        PropertyId::ReasonString => text().prop_map(Property::ReasonString).boxed(),
        PropertyId::ReceiveMaximum => (1..=u16::MAX).prop_map(Property::ReceiveMaximum).boxed(),
        PropertyId::TopicAliasMaximum => any::<u16>().prop_map(Property::TopicAliasMaximum).boxed(),
        PropertyId::TopicAlias => (1..=u16::MAX).prop_map(Property::TopicAlias).boxed(),
        PropertyId::MaximumQos => flag().prop_map(Property::MaximumQos).boxed(),
        PropertyId::RetainAvailable => flag().prop_map(Property::RetainAvailable).boxed(),
        PropertyId::UserProperty => {
            (text(), text()).prop_map(|(name, value)| Property::UserProperty(name, value)).boxed()
        }
        PropertyId::MaximumPacketSize => (1..=u32::MAX).prop_map(Property::MaximumPacketSize).boxed(),
        PropertyId::WildcardSubscriptionAvailable => {
            flag().prop_map(Property::WildcardSubscriptionAvailable).boxed()
        }
        PropertyId::SubscriptionIdentifierAvailable => {
            flag().prop_map(Property::SubscriptionIdentifierAvailable).boxed()
        }
        PropertyId::SharedSubscriptionAvailable => {
            flag().prop_map(Property::SharedSubscriptionAvailable).boxed()
        }
    }
}

fn without(properties: Properties<'static>, id: PropertyId) -> Properties<'static> {
    let rest: Vec<Property<'static>> = properties.iter().filter(|property| property.id() != id).collect();
    Properties::from_slice(rest.leak())
}

/// A reason that either side may give. Before 5.0, one of those that CONNACK has a return code for.
fn reason(packet_type: PacketType, version: Version) -> impl Strategy<Value = ReasonCode> {
    let is_allowed = |reason: &ReasonCode| match version.has_properties() {
        true => reason.is_allowed_in(packet_type, Sender::Any),
        false => (0..=5).any(|code| ReasonCode::from_connect_return_code(code) == Some(*reason)),
    };
    select(ReasonCode::ALL.iter().copied().filter(is_allowed).collect::<Vec<_>>())
}

fn qos() -> impl Strategy<Value = QoS> {
    select(vec![QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce])
}

fn packet_id() -> impl Strategy<Value = PacketId> {
    (1..=u16::MAX).prop_map(|value| PacketId::new(value).expect("the range begins at 1"))
}

fn text() -> impl Strategy<Value = &'static str> {
    prop_oneof!["[a-z\u{feff}é]{0,8}", "[^\\x00]{0,150}"].prop_map(leak_text)
}

fn binary() -> impl Strategy<Value = &'static [u8]> {
    prop_oneof![9 => vec(any::<u8>(), 0..40), 1 => vec(any::<u8>(), 0..400)].prop_map(|bytes| &*bytes.leak())
}

fn leak_text(text: String) -> &'static str {
    text.leak()
}
