//! A received packet as named fields, the same names that flows use.

use vaux_mqtt::packet::{Ack, PacketType};
use vaux_mqtt::property::{Properties, Property, PropertyId};
use vaux_mqtt::{Packet, ReasonCode, Version};

use crate::flow::Value;

/// The fields of a packet that a broker sent, in the order in which they are shown.
pub(crate) fn fields(packet: &Packet<'_>, version: Version) -> Vec<(String, Value)> {
    let mut fields = Fields(Vec::new());
    match packet {
        Packet::ConnAck(connack) => {
            fields.flag("session_present", connack.session_present);
            fields.number("reason", connect_code(connack.reason, version));
            fields.properties(&connack.properties);
        }
        Packet::Publish(publish) => {
            fields.flag("dup", publish.dup);
            fields.number("qos", publish.qos.bits());
            fields.flag("retain", publish.retain);
            if let Some(packet_id) = publish.packet_id {
                fields.number("id", packet_id.value());
            }
            fields.text("topic", publish.topic.as_bytes());
            fields.properties(&publish.properties);
            fields.text("payload", publish.payload);
        }
        Packet::PubAck(ack) | Packet::PubRec(ack) | Packet::PubRel(ack) | Packet::PubComp(ack) => {
            fields.ack(ack);
        }
        Packet::SubAck(suback) => {
            fields.number("id", suback.packet_id.value());
            fields.codes(suback.reason_codes);
            fields.properties(&suback.properties);
        }
        Packet::UnsubAck(unsuback) => {
            fields.number("id", unsuback.packet_id.value());
            fields.codes(unsuback.reason_codes);
            fields.properties(&unsuback.properties);
        }
        Packet::Disconnect(disconnect) => {
            fields.number("reason", disconnect.reason.value());
            fields.properties(&disconnect.properties);
        }
        Packet::Auth(auth) => {
            fields.number("reason", auth.reason.value());
            fields.properties(&auth.properties);
        }
        // What is left has no fields, or comes from clients only and is never received.
        _ => {}
    }
    fields.0
}

/// The byte that stands in CONNACK.
fn connect_code(reason: ReasonCode, version: Version) -> u8 {
    if version.has_properties() { reason.value() } else { reason.connect_return_code().unwrap_or(u8::MAX) }
}

struct Fields(Vec<(String, Value)>);

impl Fields {
    fn push(&mut self, name: &str, value: Value) {
        self.0.push((name.to_owned(), value));
    }

    fn number(&mut self, name: &str, value: impl Into<u64>) {
        self.push(name, Value::Number(value.into()));
    }

    fn flag(&mut self, name: &str, is_set: bool) {
        self.number(name, u8::from(is_set));
    }

    fn text(&mut self, name: &str, value: &[u8]) {
        self.push(name, Value::Text(value.to_vec()));
    }

    fn codes(&mut self, codes: &[u8]) {
        self.push("codes", Value::Codes(codes.iter().map(|&code| u64::from(code)).collect()));
    }

    fn ack(&mut self, ack: &Ack<'_>) {
        self.number("id", ack.packet_id.value());
        self.number("reason", ack.reason.value());
        self.properties(&ack.properties);
    }

    fn properties(&mut self, properties: &Properties<'_>) {
        for property in properties.iter() {
            let name = property.id().name().replace(' ', "_");
            match property.id() {
                // Those that may repeat become one field below.
                PropertyId::UserProperty | PropertyId::SubscriptionIdentifier => {}
                _ => self.push(&name, single(&property)),
            }
        }
        let mut identifiers: Vec<u64> = properties.subscription_identifiers().map(u64::from).collect();
        if !identifiers.is_empty() {
            identifiers.sort_unstable();
            self.push("subscription_identifier", Value::Identifiers(identifiers));
        }
        let texts: Vec<_> = properties
            .user_properties()
            .map(|(name, value)| format!("{name}:{value}").into_bytes())
            .collect();
        if !texts.is_empty() {
            self.push("user_property", Value::Texts(texts));
        }
    }
}

fn single(property: &Property<'_>) -> Value {
    match *property {
        Property::PayloadFormatIndicator(value)
        | Property::RequestProblemInformation(value)
        | Property::RequestResponseInformation(value)
        | Property::MaximumQos(value)
        | Property::RetainAvailable(value)
        | Property::WildcardSubscriptionAvailable(value)
        | Property::SubscriptionIdentifierAvailable(value)
        | Property::SharedSubscriptionAvailable(value) => Value::Number(value.into()),
        Property::ServerKeepAlive(value)
        | Property::ReceiveMaximum(value)
        | Property::TopicAliasMaximum(value)
        | Property::TopicAlias(value) => Value::Number(value.into()),
        Property::MessageExpiryInterval(value)
        | Property::SessionExpiryInterval(value)
        | Property::WillDelayInterval(value)
        | Property::MaximumPacketSize(value) => Value::Number(value.into()),
        Property::ContentType(value)
        | Property::ResponseTopic(value)
        | Property::AssignedClientIdentifier(value)
        | Property::AuthenticationMethod(value)
        | Property::ResponseInformation(value)
        | Property::ServerReference(value)
        | Property::ReasonString(value) => Value::Text(value.as_bytes().to_vec()),
        Property::CorrelationData(value) | Property::AuthenticationData(value) => Value::Text(value.to_vec()),
        Property::SubscriptionIdentifier(value) => Value::Identifiers(vec![value.into()]),
        Property::UserProperty(name, value) => Value::Texts(vec![format!("{name}:{value}").into_bytes()]),
        _ => Value::Text(Vec::new()),
    }
}

/// The packet on one line, flags that are 0 left out.
pub(crate) fn line(packet_type: PacketType, fields: &[(String, Value)]) -> String {
    let mut line = packet_type.name().to_owned();
    for (name, value) in fields {
        if matches!(name.as_str(), "dup" | "retain") && *value == Value::Number(0) {
            continue;
        }
        line.push_str(&format!(" {name}={}", shown(name, value)));
    }
    line
}

/// A value as a flow would write it; long texts are cut.
pub(crate) fn shown(name: &str, value: &Value) -> String {
    let between_commas = |parts: Vec<String>| parts.join(",");
    match value {
        Value::Number(number) if name == "reason" => format!("{number:02x}"),
        Value::Number(number) => number.to_string(),
        Value::Text(text) => shown_text(text),
        Value::Codes(codes) => between_commas(codes.iter().map(|code| format!("{code:02x}")).collect()),
        Value::Identifiers(list) => between_commas(list.iter().map(u64::to_string).collect()),
        Value::Texts(texts) => between_commas(texts.iter().map(|text| shown_text(text)).collect()),
    }
}

fn shown_text(text: &[u8]) -> String {
    const MAX_CHARS: usize = 60;
    match std::str::from_utf8(text) {
        Ok(text) if text.chars().nth(MAX_CHARS).is_some() => {
            let start: String = text.chars().take(MAX_CHARS).collect();
            format!("{start:?}… ({} bytes)", text.len())
        }
        Ok(text) => format!("{text:?}"),
        Err(_) => {
            let digits: String = text.iter().take(MAX_CHARS / 2).map(|byte| format!("{byte:02x}")).collect();
            format!("hex:{digits}{}", if text.len() > MAX_CHARS / 2 { "…" } else { "" })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use vaux_mqtt::packet::Publish;

    #[test]
    fn a_packet_is_shown_as_a_flow_would_write_it() {
        let properties = [
            Property::SubscriptionIdentifier(7),
            Property::UserProperty("a", "b"),
            Property::SubscriptionIdentifier(3),
        ];
        let publish = Publish {
            retain: true,
            properties: Properties::from_slice(&properties),
            payload: &[0xff],
            ..Publish::new("t")
        };
        let fields = fields(&Packet::Publish(publish), Version::V5);
        assert_eq!(
            line(PacketType::Publish, &fields),
            r#"PUBLISH qos=0 retain=1 topic="t" subscription_identifier=3,7 user_property="a:b" payload=hex:ff"#
        );
    }

    #[test]
    fn long_texts_are_cut() {
        assert_eq!(shown("payload", &Value::Text(vec![b'x'; 100])).len(), 62 + "… (100 bytes)".len());
    }
}
