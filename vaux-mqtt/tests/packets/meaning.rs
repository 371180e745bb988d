//! A packet in the words of `fixtures/packets`.
//!
//! This is written by hand for each packet type rather than taken from `Debug` or from `explain`, so that the
//! fixtures stand on their own.

use std::fmt::Write;

use vaux_mqtt::Version;
use vaux_mqtt::packet::{Ack, Connect, Packet, Publish, Subscribe, SubscriptionOptions};
use vaux_mqtt::property::{Properties, Property};

/// What `packet` says on a connection of `version`.
pub(crate) fn meaning(packet: &Packet<'_>, version: Version) -> String {
    let mut words = vec![packet.packet_type().name().to_owned()];
    match packet {
        Packet::Connect(connect) => connect_words(connect, &mut words),
        Packet::ConnAck(connack) => {
            flag("session_present", connack.session_present, &mut words);
            words.push(format!("reason=0x{:02x}", connack.reason.value()));
            property_words("", &connack.properties, &mut words);
        }
        Packet::Publish(publish) => publish_words(publish, &mut words),
        Packet::PubAck(ack) | Packet::PubRec(ack) | Packet::PubRel(ack) | Packet::PubComp(ack) => {
            ack_words(ack, version, &mut words);
        }
        Packet::Subscribe(subscribe) => subscribe_words(subscribe, &mut words),
        Packet::SubAck(suback) => {
            words.push(format!("packet_id={}", suback.packet_id));
            property_words("", &suback.properties, &mut words);
            words.push(codes(suback.reason_codes));
        }
        Packet::Unsubscribe(unsubscribe) => {
            words.push(format!("packet_id={}", unsubscribe.packet_id));
            property_words("", &unsubscribe.properties, &mut words);
            words.extend(unsubscribe.filters.iter().map(text));
        }
        Packet::UnsubAck(unsuback) => {
            words.push(format!("packet_id={}", unsuback.packet_id));
            property_words("", &unsuback.properties, &mut words);
            if version == Version::V5 {
                words.push(codes(unsuback.reason_codes));
            }
        }
        Packet::PingReq | Packet::PingResp => {}
        Packet::Disconnect(disconnect) => {
            if version == Version::V5 {
                words.push(format!("reason=0x{:02x}", disconnect.reason.value()));
            }
            property_words("", &disconnect.properties, &mut words);
        }
        Packet::Auth(auth) => {
            words.push(format!("reason=0x{:02x}", auth.reason.value()));
            property_words("", &auth.properties, &mut words);
        }
        _ => panic!("a packet type that the fixtures do not know"),
    }
    words.join(" ")
}

fn connect_words(connect: &Connect<'_>, words: &mut Vec<String>) {
    words.push(format!("version={}", connect.version));
    flag("clean_start", connect.clean_start, words);
    words.push(format!("keep_alive={}", connect.keep_alive));
    property_words("", &connect.properties, words);
    words.push(format!("client_id={}", text(connect.client_id)));
    if let Some(will) = &connect.will {
        words.push(format!("will.qos={}", will.qos.bits()));
        flag("will.retain", will.retain, words);
        property_words("will.", &will.properties, words);
        words.push(format!("will.topic={}", text(will.topic)));
        words.push(format!("will.payload={}", binary(will.payload)));
    }
    words.extend(connect.user_name.map(|name| format!("user_name={}", text(name))));
    words.extend(connect.password.map(|password| format!("password={}", binary(password))));
}

fn publish_words(publish: &Publish<'_>, words: &mut Vec<String>) {
    flag("dup", publish.dup, words);
    words.push(format!("qos={}", publish.qos.bits()));
    flag("retain", publish.retain, words);
    words.push(format!("topic={}", text(publish.topic)));
    words.extend(publish.packet_id.map(|id| format!("packet_id={id}")));
    property_words("", &publish.properties, words);
    words.push(format!("payload={}", binary(publish.payload)));
}

fn ack_words(ack: &Ack<'_>, version: Version, words: &mut Vec<String>) {
    words.push(format!("packet_id={}", ack.packet_id));
    if version == Version::V5 {
        words.push(format!("reason=0x{:02x}", ack.reason.value()));
    }
    property_words("", &ack.properties, words);
}

fn subscribe_words(subscribe: &Subscribe<'_>, words: &mut Vec<String>) {
    words.push(format!("packet_id={}", subscribe.packet_id));
    property_words("", &subscribe.properties, words);
    for subscription in subscribe.subscriptions.iter() {
        words.push(format!("{}:{}", text(subscription.filter), options(subscription.options)));
    }
}

fn options(options: SubscriptionOptions) -> String {
    let mut words = vec![format!("qos={}", options.qos.bits())];
    flag("no_local", options.no_local, &mut words);
    flag("retain_as_published", options.retain_as_published, &mut words);
    match options.retain_handling as u8 {
        0 => {}
        handling => words.push(format!("retain_handling={handling}")),
    }
    words.join(",")
}

fn property_words(prefix: &str, properties: &Properties<'_>, words: &mut Vec<String>) {
    for property in properties.iter() {
        let name = property.id().name().replace(' ', "_");
        words.push(format!("{prefix}{name}={}", property_value(&property)));
    }
}

fn property_value(property: &Property<'_>) -> String {
    match *property {
        Property::PayloadFormatIndicator(value)
        | Property::RequestProblemInformation(value)
        | Property::RequestResponseInformation(value)
        | Property::MaximumQos(value)
        | Property::RetainAvailable(value)
        | Property::WildcardSubscriptionAvailable(value)
        | Property::SubscriptionIdentifierAvailable(value)
        | Property::SharedSubscriptionAvailable(value) => value.to_string(),
        Property::ServerKeepAlive(value)
        | Property::ReceiveMaximum(value)
        | Property::TopicAliasMaximum(value)
        | Property::TopicAlias(value) => value.to_string(),
        Property::MessageExpiryInterval(value)
        | Property::SubscriptionIdentifier(value)
        | Property::SessionExpiryInterval(value)
        | Property::WillDelayInterval(value)
        | Property::MaximumPacketSize(value) => value.to_string(),
        Property::ContentType(value)
        | Property::ResponseTopic(value)
        | Property::AssignedClientIdentifier(value)
        | Property::AuthenticationMethod(value)
        | Property::ResponseInformation(value)
        | Property::ServerReference(value)
        | Property::ReasonString(value) => text(value),
        Property::CorrelationData(value) | Property::AuthenticationData(value) => binary(value),
        Property::UserProperty(name, value) => format!("{}={}", text(name), text(value)),
        _ => panic!("a property that the fixtures do not know"),
    }
}

fn flag(name: &str, is_set: bool, words: &mut Vec<String>) {
    if is_set {
        words.push(name.to_owned());
    }
}

fn codes(codes: &[u8]) -> String {
    let codes: Vec<String> = codes.iter().map(|code| format!("0x{code:02x}")).collect();
    format!("codes={}", codes.join(","))
}

/// Printable ASCII stands for itself, everything else is `\u{…}`; of more than 40 bytes the beginning and the length.
fn text(text: &str) -> String {
    let mut quoted = String::new();
    for character in text.chars() {
        match character {
            ' '..='~' if !matches!(character, '"' | '\\') => quoted.push(character),
            _ => write!(quoted, "\\u{{{:x}}}", u32::from(character)).expect("a String takes everything"),
        }
    }
    match text.len() {
        0..=40 => format!("\"{quoted}\""),
        len => format!("\"{}\"…{len}", &quoted[..8]),
    }
}

/// Printable ASCII as text, everything else in hexadecimal.
fn binary(bytes: &[u8]) -> String {
    let is_plain = |byte: &u8| matches!(byte, b' '..=b'~') && !matches!(byte, b'"' | b'\\');
    match std::str::from_utf8(bytes) {
        Ok(plain) if bytes.iter().all(is_plain) => text(plain),
        _ if bytes.len() <= 40 => format!("0x{}", hex::encode(bytes)),
        _ => format!("0x{}…{}", hex::encode(&bytes[..8]), bytes.len()),
    }
}
