//! The names of fields, and what kind of value each has.

use vaux_mqtt::packet::PacketType;
use vaux_mqtt::property::{PropertyId, PropertySet};

/// The kind of a field's value, which decides how it is written in a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A byte in two hexadecimal digits.
    Hex,
    /// A decimal number. A flag is 0 or 1.
    Number,
    Text,
    /// Hexadecimal bytes between commas.
    Codes,
    /// Decimal numbers between commas.
    Identifiers,
    /// A text that may be given more than once.
    Texts,
}

/// The kind of the field `name` in a packet, `None` when it has no such field.
pub(crate) fn kind(packet_type: PacketType, name: &str) -> Option<Kind> {
    own_kind(packet_type, name).or_else(|| {
        let id = property(packet_type, name)?;
        Some(property_kind(id))
    })
}

/// The property that a field of a packet stands for. Properties of the will begin with `will_`.
pub(crate) fn property(packet_type: PacketType, name: &str) -> Option<PropertyId> {
    let allowed = match packet_type {
        PacketType::Connect => PropertySet::CONNECT,
        PacketType::ConnAck => PropertySet::CONNACK,
        PacketType::Publish => PropertySet::PUBLISH,
        PacketType::Subscribe => PropertySet::SUBSCRIBE,
        PacketType::Unsubscribe => PropertySet::UNSUBSCRIBE,
        PacketType::Disconnect => PropertySet::DISCONNECT,
        PacketType::Auth => PropertySet::AUTH,
        PacketType::PingReq | PacketType::PingResp => PropertySet::EMPTY,
        _ => PropertySet::ACKNOWLEDGEMENT,
    };
    named(name).filter(|&id| allowed.contains(id)).or_else(|| will_property(packet_type, name))
}

/// The property of the will that a field of CONNECT stands for.
pub(crate) fn will_property(packet_type: PacketType, name: &str) -> Option<PropertyId> {
    if packet_type != PacketType::Connect {
        return None;
    }
    // The will delay interval has the prefix in its own name.
    named(name)
        .or_else(|| named(name.strip_prefix("will_")?))
        .filter(|&id| PropertySet::WILL.contains(id) && name.starts_with("will_"))
}

fn named(name: &str) -> Option<PropertyId> {
    PropertyId::ALL.iter().copied().find(|id| id.name().replace(' ', "_") == name)
}

fn own_kind(packet_type: PacketType, name: &str) -> Option<Kind> {
    use PacketType as P;
    Some(match (packet_type, name) {
        (_, "first") => Kind::Hex,
        (P::Connect, "client_id" | "user_name" | "password" | "will_topic" | "will_payload") => Kind::Text,
        (P::Connect, "version" | "clean_start" | "keep_alive" | "will_qos" | "will_retain") => Kind::Number,
        (P::ConnAck, "session_present") => Kind::Number,
        (P::Publish, "topic" | "payload") => Kind::Text,
        (P::Publish, "qos" | "retain" | "dup" | "id") => Kind::Number,
        (P::PubAck | P::PubRec | P::PubRel | P::PubComp, "id") => Kind::Number,
        (P::Subscribe | P::SubAck | P::Unsubscribe | P::UnsubAck, "id") => Kind::Number,
        (P::Subscribe | P::Unsubscribe, "filter") => Kind::Text,
        (P::Subscribe, "qos" | "no_local" | "retain_as_published" | "retain_handling") => Kind::Number,
        (P::SubAck | P::UnsubAck, "codes") => Kind::Codes,
        (P::ConnAck | P::PubAck | P::PubRec | P::PubRel | P::PubComp, "reason") => Kind::Hex,
        (P::Disconnect | P::Auth, "reason") => Kind::Hex,
        _ => return None,
    })
}

fn property_kind(id: PropertyId) -> Kind {
    match id {
        PropertyId::ContentType
        | PropertyId::ResponseTopic
        | PropertyId::CorrelationData
        | PropertyId::AssignedClientIdentifier
        | PropertyId::AuthenticationMethod
        | PropertyId::AuthenticationData
        | PropertyId::ResponseInformation
        | PropertyId::ServerReference
        | PropertyId::ReasonString => Kind::Text,
        PropertyId::UserProperty => Kind::Texts,
        PropertyId::SubscriptionIdentifier => Kind::Identifiers,
        _ => Kind::Number,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn properties_are_fields_of_the_packets_that_may_carry_them() {
        assert_eq!(kind(PacketType::Connect, "receive_maximum"), Some(Kind::Number));
        assert_eq!(kind(PacketType::Publish, "receive_maximum"), None);
        assert_eq!(kind(PacketType::Publish, "subscription_identifier"), Some(Kind::Identifiers));
        assert_eq!(kind(PacketType::PingReq, "reason_string"), None);
    }

    #[test]
    fn properties_of_the_will_bear_a_prefix() {
        assert_eq!(
            will_property(PacketType::Connect, "will_delay_interval"),
            Some(PropertyId::WillDelayInterval)
        );
        assert_eq!(will_property(PacketType::Connect, "will_content_type"), Some(PropertyId::ContentType));
        assert_eq!(will_property(PacketType::Connect, "user_property"), None);
        assert_eq!(will_property(PacketType::Connect, "will_user_property"), Some(PropertyId::UserProperty));
        assert_eq!(will_property(PacketType::Publish, "will_content_type"), None);
    }
}
