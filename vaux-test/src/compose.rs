//! Packets of a flow as bytes to send.

use std::collections::BTreeMap;

use vaux_mqtt::packet::{
    Ack, Auth, Connect, Disconnect, Filters, PINGREQ, PacketId, PacketType, Publish, RetainHandling,
    Subscribe, Subscription, SubscriptionOptions, Subscriptions, Unsubscribe, Will,
};
use vaux_mqtt::property::{Properties, Property, PropertyId};
use vaux_mqtt::{QoS, ReasonCode, Version};

use crate::flow::{HexPart, PacketText, Pattern, Value, property, will_property};

/// What the placeholders of a flow stand for in one run.
#[derive(Clone, Debug)]
pub(crate) struct Scope {
    /// Eight letters and digits that no other run has.
    pub(crate) id: String,
    pub(crate) variables: BTreeMap<String, Value>,
}

impl Scope {
    pub(crate) fn new(id: String) -> Self {
        Scope { id, variables: BTreeMap::new() }
    }

    /// The value with `{id}` replaced.
    pub(crate) fn expand(&self, value: &Value) -> Value {
        match value {
            Value::Text(text) => Value::Text(self.expand_bytes(text)),
            Value::Texts(texts) => Value::Texts(texts.iter().map(|text| self.expand_bytes(text)).collect()),
            other => other.clone(),
        }
    }

    pub(crate) fn expand_bytes(&self, bytes: &[u8]) -> Vec<u8> {
        const PLACEHOLDER: &[u8] = b"{id}";
        let mut expanded = Vec::with_capacity(bytes.len());
        let mut rest = bytes;
        while let Some(at) = rest.windows(PLACEHOLDER.len()).position(|window| window == PLACEHOLDER) {
            expanded.extend_from_slice(&rest[..at]);
            expanded.extend_from_slice(self.id.as_bytes());
            rest = &rest[at + PLACEHOLDER.len()..];
        }
        expanded.extend_from_slice(rest);
        expanded
    }

    fn resolve(&self, pattern: &Pattern) -> Result<Value, String> {
        match pattern {
            Pattern::Is(value) => Ok(self.expand(value)),
            Pattern::Variable(name) => {
                self.variables.get(name).cloned().ok_or_else(|| format!("${name} was not expected before"))
            }
            _ => Err("what is sent needs one value".to_owned()),
        }
    }
}

/// The version that a CONNECT of a flow is sent with.
pub(crate) fn connect_version(packet: &PacketText, default: Version) -> Result<Version, String> {
    let wanted = packet.fields.iter().find(|(name, _)| name == "version");
    match wanted {
        Some((_, Pattern::Is(Value::Number(level)))) => u8::try_from(*level)
            .ok()
            .and_then(Version::from_level)
            .ok_or_else(|| "`version` is 3, 4 or 5; write other levels as bytes".to_owned()),
        _ => Ok(default),
    }
}

/// The packets that a step sends: one, or a series when its identifier is a range.
pub(crate) fn series(packet: &PacketText) -> Vec<PacketText> {
    let range = packet.fields.iter().enumerate().find_map(|(index, (_, pattern))| match pattern {
        Pattern::Range(low, high) => Some((index, *low..=*high)),
        _ => None,
    });
    let Some((index, range)) = range else { return vec![packet.clone()] };
    let mut packets = Vec::new();
    for number in range {
        let mut packet = packet.clone();
        packet.fields[index].1 = Pattern::Is(Value::Number(number));
        packets.push(packet);
    }
    packets
}

/// Raw bytes.
pub(crate) fn hex(parts: &[HexPart], scope: &Scope) -> Vec<u8> {
    let mut bytes = Vec::new();
    for part in parts {
        if let HexPart::Bytes(part) = part {
            bytes.extend(scope.expand_bytes(part));
        }
    }
    bytes
}

/// A packet. `connection` names the client where the flow does not.
pub(crate) fn packet(
    packet: &PacketText,
    scope: &Scope,
    version: Version,
    connection: &str,
) -> Result<Vec<u8>, String> {
    let mut list = Vec::new();
    for (name, pattern) in &packet.fields {
        list.push((name.clone(), scope.resolve(pattern)?));
    }
    let fields = Fields { packet_type: packet.packet_type, list };
    let properties = fields.properties(|name| will_property(packet.packet_type, name).is_none())?;
    if !version.has_properties() && fields.list.iter().any(|(name, _)| fields.property(name).is_some()) {
        return Err(format!("version {version} has no properties; keep the step to [5]"));
    }
    let mut bytes = Vec::new();
    encode(&fields, Properties::from_slice(&properties), scope, version, connection, &mut bytes)?;
    if let Some(first) = fields.number::<u8>("first")? {
        bytes[0] = first;
    }
    Ok(bytes)
}

fn encode(
    fields: &Fields,
    properties: Properties<'_>,
    scope: &Scope,
    version: Version,
    connection: &str,
    bytes: &mut Vec<u8>,
) -> Result<(), String> {
    let reason = || fields.reason();
    match fields.packet_type {
        PacketType::Connect => connect(fields, properties, scope, version, connection, bytes)?,
        PacketType::Publish => publish(fields, properties, version, bytes)?,
        PacketType::PubAck | PacketType::PubRec | PacketType::PubRel | PacketType::PubComp => {
            Ack { packet_id: fields.packet_id()?, reason: reason()?, properties }.encode(
                fields.packet_type,
                version,
                bytes,
            );
        }
        PacketType::Subscribe => {
            let list = fields.subscriptions()?;
            let subscriptions = Subscriptions::from_slice(&list);
            Subscribe { packet_id: fields.packet_id()?, properties, subscriptions }.encode(version, bytes);
        }
        PacketType::Unsubscribe => {
            let list = fields.all_text("filter")?;
            let filters = Filters::from_slice(&list);
            Unsubscribe { packet_id: fields.packet_id()?, properties, filters }.encode(version, bytes);
        }
        PacketType::PingReq => bytes.extend(PINGREQ),
        PacketType::Disconnect => Disconnect { reason: reason()?, properties }.encode(version, bytes),
        PacketType::Auth => Auth { reason: reason()?, properties }.encode(bytes),
        other => return Err(format!("a client sends no {}; write it as bytes", other.name())),
    }
    Ok(())
}

fn connect(
    fields: &Fields,
    properties: Properties<'_>,
    scope: &Scope,
    version: Version,
    connection: &str,
    bytes: &mut Vec<u8>,
) -> Result<(), String> {
    let default_id = format!("{}{connection}", scope.id);
    let will_properties = fields.properties(|name| will_property(fields.packet_type, name).is_some())?;
    let will = match fields.text("will_topic")? {
        Some(topic) => Some(Will {
            qos: fields.qos("will_qos")?,
            retain: fields.flag("will_retain", false)?,
            properties: Properties::from_slice(&will_properties),
            topic,
            payload: fields.bytes("will_payload").unwrap_or_default(),
        }),
        None => None,
    };
    Connect {
        version,
        clean_start: fields.flag("clean_start", true)?,
        keep_alive: fields.number("keep_alive")?.unwrap_or(60),
        properties,
        client_id: fields.text("client_id")?.unwrap_or(&default_id),
        will,
        user_name: fields.text("user_name")?,
        password: fields.bytes("password"),
    }
    .encode(bytes);
    Ok(())
}

fn publish(
    fields: &Fields,
    properties: Properties<'_>,
    version: Version,
    bytes: &mut Vec<u8>,
) -> Result<(), String> {
    let qos = fields.qos("qos")?;
    Publish {
        dup: fields.flag("dup", false)?,
        qos,
        retain: fields.flag("retain", false)?,
        topic: fields.text("topic")?.unwrap_or_default(),
        packet_id: if qos == QoS::AtMostOnce { None } else { Some(fields.packet_id()?) },
        properties,
        payload: fields.bytes("payload").unwrap_or_default(),
    }
    .encode(version, bytes);
    Ok(())
}

/// Fields whose placeholders have been filled.
struct Fields {
    packet_type: PacketType,
    list: Vec<(String, Value)>,
}

impl Fields {
    fn find(&self, wanted: &str) -> Option<&Value> {
        self.list.iter().find(|(name, _)| name == wanted).map(|(_, value)| value)
    }

    fn number<T: TryFrom<u64>>(&self, name: &str) -> Result<Option<T>, String> {
        match self.find(name) {
            None => Ok(None),
            Some(value) => narrow(name, value).map(Some),
        }
    }

    fn flag(&self, name: &str, default: bool) -> Result<bool, String> {
        Ok(self.number::<u8>(name)?.map_or(default, |value| value != 0))
    }

    fn qos(&self, name: &str) -> Result<QoS, String> {
        qos(self.number(name)?.unwrap_or(0))
    }

    fn packet_id(&self) -> Result<PacketId, String> {
        self.number("id")?
            .and_then(PacketId::new)
            .ok_or_else(|| format!("{} needs an id above 0", self.packet_type.name()))
    }

    fn reason(&self) -> Result<ReasonCode, String> {
        ReasonCode::from_u8(self.number("reason")?.unwrap_or(0))
            .ok_or_else(|| "this is no reason code; write the packet as bytes".to_owned())
    }

    fn bytes(&self, name: &str) -> Option<&[u8]> {
        match self.find(name)? {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    fn text(&self, name: &str) -> Result<Option<&str>, String> {
        self.bytes(name).map(|bytes| utf8(name, bytes)).transpose()
    }

    fn all_text(&self, wanted: &str) -> Result<Vec<&str>, String> {
        let values = self.list.iter().filter(|(name, _)| name == wanted);
        values.map(|(name, value)| text(name, value)).collect()
    }

    fn subscriptions(&self) -> Result<Vec<Subscription<'_>>, String> {
        let mut list: Vec<Subscription<'_>> = Vec::new();
        for (name, value) in &self.list {
            if name == "filter" {
                list.push(Subscription {
                    filter: text(name, value)?,
                    options: SubscriptionOptions::default(),
                });
                continue;
            }
            let Some(last) = list.last_mut() else { continue };
            let options = &mut last.options;
            match name.as_str() {
                "qos" => options.qos = qos(narrow(name, value)?)?,
                "no_local" => options.no_local = narrow::<u8>(name, value)? != 0,
                "retain_as_published" => options.retain_as_published = narrow::<u8>(name, value)? != 0,
                "retain_handling" => {
                    options.retain_handling = match narrow::<u8>(name, value)? {
                        0 => RetainHandling::Send,
                        1 => RetainHandling::SendIfNew,
                        2 => RetainHandling::DoNotSend,
                        _ => return Err("write a retain handling of 3 as bytes".to_owned()),
                    }
                }
                _ => {}
            }
        }
        Ok(list)
    }

    fn property(&self, name: &str) -> Option<PropertyId> {
        property(self.packet_type, name)
    }

    fn properties(&self, is_wanted: impl Fn(&str) -> bool) -> Result<Vec<Property<'_>>, String> {
        let mut properties = Vec::new();
        for (name, value) in &self.list {
            let Some(id) = self.property(name).filter(|_| is_wanted(name)) else { continue };
            match value {
                Value::Identifiers(list) => {
                    for identifier in list {
                        let identifier = narrow(name, &Value::Number(*identifier))?;
                        properties.push(Property::SubscriptionIdentifier(identifier));
                    }
                }
                Value::Texts(texts) => {
                    for pair in texts {
                        let (name, value) =
                            utf8(name, pair)?.split_once(':').ok_or("a user property is \"name:value\"")?;
                        properties.push(Property::UserProperty(name, value));
                    }
                }
                value => properties.push(single(id, name, value)?),
            }
        }
        Ok(properties)
    }
}

fn single<'a>(id: PropertyId, name: &str, value: &'a Value) -> Result<Property<'a>, String> {
    let bytes = match value {
        Value::Text(bytes) => bytes.as_slice(),
        _ => &[],
    };
    Ok(match id {
        PropertyId::PayloadFormatIndicator => Property::PayloadFormatIndicator(narrow(name, value)?),
        PropertyId::MessageExpiryInterval => Property::MessageExpiryInterval(narrow(name, value)?),
        PropertyId::ContentType => Property::ContentType(text(name, value)?),
        PropertyId::ResponseTopic => Property::ResponseTopic(text(name, value)?),
        PropertyId::CorrelationData => Property::CorrelationData(bytes),
        PropertyId::SessionExpiryInterval => Property::SessionExpiryInterval(narrow(name, value)?),
        PropertyId::AuthenticationMethod => Property::AuthenticationMethod(text(name, value)?),
        PropertyId::AuthenticationData => Property::AuthenticationData(bytes),
        PropertyId::RequestProblemInformation => Property::RequestProblemInformation(narrow(name, value)?),
        PropertyId::WillDelayInterval => Property::WillDelayInterval(narrow(name, value)?),
        PropertyId::RequestResponseInformation => Property::RequestResponseInformation(narrow(name, value)?),
        PropertyId::ServerReference => Property::ServerReference(text(name, value)?),
        PropertyId::ReasonString => Property::ReasonString(text(name, value)?),
        PropertyId::ReceiveMaximum => Property::ReceiveMaximum(narrow(name, value)?),
        PropertyId::TopicAliasMaximum => Property::TopicAliasMaximum(narrow(name, value)?),
        PropertyId::TopicAlias => Property::TopicAlias(narrow(name, value)?),
        PropertyId::MaximumPacketSize => Property::MaximumPacketSize(narrow(name, value)?),
        _ => return Err(format!("a client sends no `{name}`; write the packet as bytes")),
    })
}

fn narrow<T: TryFrom<u64>>(name: &str, value: &Value) -> Result<T, String> {
    let Value::Number(number) = value else { return Err(format!("`{name}` is no number")) };
    T::try_from(*number).map_err(|_| format!("`{name}` cannot be {number}"))
}

fn qos(bits: u8) -> Result<QoS, String> {
    QoS::from_bits(bits).ok_or_else(|| "write a QoS of 3 as bytes".to_owned())
}

fn text<'a>(name: &str, value: &'a Value) -> Result<&'a str, String> {
    match value {
        Value::Text(bytes) => utf8(name, bytes),
        _ => Err(format!("`{name}` is no text")),
    }
}

fn utf8<'a>(name: &str, bytes: &'a [u8]) -> Result<&'a str, String> {
    std::str::from_utf8(bytes).map_err(|_| format!("`{name}` is not UTF-8; write the packet as bytes"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::{Action, Flow};

    fn sent(version: Version, step: &str) -> Result<Vec<u8>, String> {
        let flow = Flow::parse("test", &format!("name: test\nversions: 5\nc> {step}")).expect("it is right");
        let scope = Scope::new("abcd1234".to_owned());
        match &flow.steps[0].action {
            Action::Send(text) => packet(text, &scope, version, "c"),
            Action::SendHex(parts) => Ok(hex(parts, &scope)),
            _ => panic!("it is something to send"),
        }
    }

    #[test]
    fn connect_names_the_client_after_the_run_and_the_connection() {
        assert_eq!(
            sent(Version::V311, "CONNECT").expect("it can be sent"),
            b"\x10\x15\x00\x04MQTT\x04\x02\x00\x3c\x00\x09abcd1234c"
        );
    }

    #[test]
    fn every_part_of_a_publish_reaches_the_wire() {
        assert_eq!(
            sent(
                Version::V5,
                r#"PUBLISH dup qos=1 id=10 topic="{id}" topic_alias=3 payload="ab"*2 first=3b"#
            )
            .expect("it can be sent"),
            b"\x3b\x14\x00\x08abcd1234\x00\x0a\x03\x23\x00\x03abab"
        );
    }

    #[test]
    fn each_filter_begins_a_subscription() {
        assert_eq!(
            sent(
                Version::V5,
                r#"SUBSCRIBE id=2 subscription_identifier=9 filter="a" qos=2 no_local filter="b" retain_handling=1"#
            )
            .expect("it can be sent"),
            b"\x82\x0d\x00\x02\x02\x0b\x09\x00\x01a\x06\x00\x01b\x10"
        );
    }

    #[test]
    fn a_range_of_identifiers_is_a_series_of_packets() {
        let flow =
            Flow::parse("test", "name: test\nversions: 5\nc> PUBLISH qos=1 id=3..5").expect("it is right");
        let Action::Send(packet) = &flow.steps[0].action else { panic!("it is something to send") };
        let identifiers: Vec<_> =
            series(packet).into_iter().map(|packet| packet.fields[1].1.clone()).collect();
        assert_eq!(identifiers, [3, 4, 5].map(|number| Pattern::Is(Value::Number(number))));
    }

    #[test]
    fn bytes_may_hold_the_runs_letters() {
        assert_eq!(sent(Version::V5, r#"hex 00 "{id}/x""#).expect("it can be sent"), b"\x00abcd1234/x");
    }

    #[test]
    fn what_cannot_be_sent_is_said() {
        assert!(sent(Version::V311, "CONNECT receive_maximum=1").expect_err("3.1.1").contains("[5]"));
        assert!(sent(Version::V5, "SUBSCRIBE filter=\"a\"").expect_err("no id").contains("needs an id"));
        assert!(sent(Version::V5, "PUBACK id=$m").expect_err("unknown").contains("not expected before"));
        assert!(sent(Version::V5, "CONNECT keep_alive=70000").expect_err("too large").contains("70000"));
        assert!(sent(Version::V5, "PINGRESP").expect_err("server's").contains("a client sends no"));
    }
}
