//! What holds for all packets: they come back as they were sent, whole or in pieces, and no bytes do harm.

use proptest::collection::vec;
use proptest::prelude::*;
use vaux_mqtt::explain::{Explained, Field, Show, Status, Value, explain};
use vaux_mqtt::frame::Frame;
use vaux_mqtt::property::{Properties, Property};
use vaux_mqtt::{Packet, Sender, Version};

use crate::arbitrary;

proptest! {
    #[test]
    fn decoding_undoes_encoding((version, packet) in arbitrary::packet()) {
        prop_assert_eq!(packet.check(version), Ok(()));
        let bytes = encoded(&packet, version);
        prop_assert_eq!(bytes.len(), packet.encoded_len(version));
        let frame = Frame::split(&bytes)?.expect("an encoded packet is whole");
        prop_assert_eq!(frame.bytes(), &bytes);
        prop_assert_eq!(Packet::decode(&frame, version, Sender::Any)?, packet);
    }

    #[test]
    fn the_topic_that_came_before_changes_nothing(
        (version, packet) in arbitrary::packet(),
        other in arbitrary::topic(),
        change in (any::<prop::sample::Index>(), any::<u8>()),
        is_changed in any::<bool>(),
    ) {
        let last_topic = match &packet {
            Packet::Publish(publish) if !publish.topic.is_empty() => publish.topic,
            _ => other,
        };
        let mut bytes = encoded(&packet, version);
        if is_changed {
            let at = change.0.index(bytes.len());
            bytes[at] = change.1;
        }
        if let Ok(Some(frame)) = Frame::split(&bytes) {
            let decoded = Packet::decode(&frame, version, Sender::Any);
            for topic in [last_topic, other, ""] {
                prop_assert_eq!(Packet::decode_after(&frame, version, Sender::Any, topic), decoded.clone());
            }
            if let Ok(Packet::Publish(publish)) = Packet::decode_after(&frame, version, Sender::Any, last_topic) {
                prop_assert_eq!(std::ptr::eq(publish.topic, last_topic), publish.topic == last_topic);
            }
        }
    }

    #[test]
    fn every_prefix_is_incomplete((version, packet) in arbitrary::packet()) {
        let bytes = encoded(&packet, version);
        for len in 0..bytes.len() {
            prop_assert_eq!(Frame::split(&bytes[..len])?, None);
            prop_assert_eq!(explain(&bytes[..len], version, Sender::Any).status, Status::Truncated);
        }
    }

    #[test]
    fn chunks_give_the_same_frames_as_the_whole(
        packets in vec(arbitrary::packet(), 1..6),
        cuts in vec(any::<prop::sample::Index>(), 0..12),
    ) {
        let frames: Vec<Vec<u8>> = packets.iter().map(|(version, packet)| encoded(packet, *version)).collect();
        let stream = frames.concat();
        let mut ends: Vec<usize> = cuts.iter().map(|cut| cut.index(stream.len() + 1)).collect();
        ends.push(stream.len());
        ends.sort_unstable();
        let (mut buffer, mut found, mut start) = (Vec::new(), Vec::new(), 0);
        for end in ends {
            buffer.extend_from_slice(&stream[start..end]);
            start = end;
            while let Some(frame) = Frame::split(&buffer)? {
                let bytes = frame.bytes().to_vec();
                buffer.drain(..bytes.len());
                found.push(bytes);
            }
        }
        prop_assert_eq!(found, frames);
        prop_assert!(buffer.is_empty());
    }

    #[test]
    fn explanation_of_a_valid_packet_holds_what_it_says((version, packet) in arbitrary::packet()) {
        let bytes = encoded(&packet, version);
        let explained = explain(&bytes, version, Sender::Any);
        prop_assert_eq!(explained.status, Status::Ok);
        check_tiles(&explained)?;
        prop_assert!(explained.fields.iter().all(|field| field.name != Field::UNREAD));
        let found: Vec<Value<'_>> = explained.fields.iter().map(|field| field.value).collect();
        for value in values(&packet) {
            prop_assert!(found.contains(&value), "{:?} is not among {:?}", value, found);
        }
        let properties: Vec<Value<'_>> =
            explained.fields.iter().filter(|field| field.depth == 1).map(|field| field.value).collect();
        prop_assert_eq!(properties, property_values(&packet));
        prop_assert_eq!(explained.packet, Some(packet));
    }

    #[test]
    fn no_bytes_do_harm(bytes in vec(any::<u8>(), 0..80), version in arbitrary::version(), sender in arbitrary::sender()) {
        survives(&bytes, version, sender)?;
    }

    #[test]
    fn no_change_to_a_packet_does_harm(
        (version, packet) in arbitrary::packet(),
        changes in vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        keeps_length in any::<bool>(),
        sender in arbitrary::sender(),
    ) {
        let mut bytes = encoded(&packet, version);
        for (index, byte) in changes {
            // A change of the remaining length mostly makes a packet that never ends: spare it half of the time.
            let from = if keeps_length && bytes.len() > 5 { 5 } else { 0 };
            let at = from + index.index(bytes.len() - from);
            bytes[at] = byte;
        }
        survives(&bytes, version, sender)?;
    }
}

fn encoded(packet: &Packet<'_>, version: Version) -> Vec<u8> {
    let mut bytes = Vec::new();
    packet.encode(version, &mut bytes);
    bytes
}

/// Decodes and explains: both agree, and what decodes is encoded to something that decodes to the same.
fn survives(bytes: &[u8], version: Version, sender: Sender) -> Result<(), TestCaseError> {
    let explained = explain(bytes, version, sender);
    check_tiles(&explained)?;
    for show in [Show::default(), Show { secrets: true, limit: 3 }] {
        prop_assert!(!explained.summary(show).contains('\n'));
        for field in &explained.fields {
            prop_assert!(!field.text(show).contains(char::is_control), "{:?}", field.text(show));
        }
    }
    let Ok(Some(frame)) = Frame::split(bytes) else {
        prop_assert_ne!(explained.status, Status::Ok);
        return Ok(());
    };
    match Packet::decode(&frame, version, sender) {
        Ok(packet) => {
            prop_assert_eq!(explained.status, Status::Ok);
            let again = encoded(&packet, version);
            prop_assert_eq!(again.len(), packet.encoded_len(version));
            let frame = Frame::split(&again)?.expect("an encoded packet is whole");
            let decoded = Packet::decode(&frame, version, sender)?;
            prop_assert_eq!(encoded(&decoded, version), again);
        }
        Err(error) => {
            prop_assert!(error.at() <= frame.bytes().len());
            // The version may differ: a CONNECT told its own to the explanation only, when it failed before.
            let found = explained.fault.map(|fault| (fault.error.rule(), fault.error.at()));
            prop_assert_eq!(found, Some((error.rule(), error.at())));
        }
    }
    Ok(())
}

fn check_tiles(explained: &Explained<'_>) -> Result<(), TestCaseError> {
    let mut at = 0;
    for field in &explained.fields {
        prop_assert_eq!(field.at, at, "{}", field.name);
        prop_assert!(field.len > 0, "{}", field.name);
        at += field.len;
    }
    prop_assert_eq!(at, explained.len);
    Ok(())
}

/// Fields that the explanation of a packet must hold, besides the properties.
fn values<'a>(packet: &Packet<'a>) -> Vec<Value<'a>> {
    let id = |id: vaux_mqtt::PacketId| Value::Number(u32::from(id.value()));
    match packet {
        Packet::Connect(connect) => {
            let mut values =
                vec![Value::Number(u32::from(connect.keep_alive)), Value::Text(connect.client_id)];
            if let Some(will) = &connect.will {
                values.extend([Value::Text(will.topic), Value::Bytes(will.payload)]);
            }
            values.extend(connect.user_name.map(Value::Text));
            values.extend(connect.password.map(Value::Bytes));
            values
        }
        Packet::Publish(publish) => {
            let mut values = vec![Value::Text(publish.topic)];
            values.extend(publish.packet_id.map(id));
            values.extend(Some(Value::Bytes(publish.payload)).filter(|_| !publish.payload.is_empty()));
            values
        }
        Packet::PubAck(ack) | Packet::PubRec(ack) | Packet::PubRel(ack) | Packet::PubComp(ack) => {
            vec![id(ack.packet_id)]
        }
        Packet::Subscribe(subscribe) => {
            subscribe.subscriptions.iter().map(|subscription| Value::Text(subscription.filter)).collect()
        }
        Packet::Unsubscribe(unsubscribe) => unsubscribe.filters.iter().map(Value::Text).collect(),
        Packet::SubAck(suback) => code_values(suback.reason_codes),
        Packet::UnsubAck(unsuback) => code_values(unsuback.reason_codes),
        _ => Vec::new(),
    }
}

fn code_values<'a>(codes: &[u8]) -> Vec<Value<'a>> {
    codes.iter().map(|&code| Value::Number(u32::from(code))).collect()
}

/// All properties of a packet in their order, those of the will last.
fn property_values<'a>(packet: &Packet<'a>) -> Vec<Value<'a>> {
    let will = match packet {
        Packet::Connect(connect) => connect.will.as_ref().map_or(Properties::EMPTY, |will| will.properties),
        _ => Properties::EMPTY,
    };
    let properties = match packet {
        Packet::Connect(connect) => connect.properties,
        Packet::ConnAck(connack) => connack.properties,
        Packet::Publish(publish) => publish.properties,
        Packet::PubAck(ack) | Packet::PubRec(ack) | Packet::PubRel(ack) | Packet::PubComp(ack) => {
            ack.properties
        }
        Packet::Subscribe(subscribe) => subscribe.properties,
        Packet::SubAck(suback) => suback.properties,
        Packet::Unsubscribe(unsubscribe) => unsubscribe.properties,
        Packet::UnsubAck(unsuback) => unsuback.properties,
        Packet::Disconnect(disconnect) => disconnect.properties,
        Packet::Auth(auth) => auth.properties,
        _ => Properties::EMPTY,
    };
    properties.iter().chain(will.iter()).map(property_value).collect()
}

fn property_value(property: Property<'_>) -> Value<'_> {
    match property {
        Property::PayloadFormatIndicator(value)
        | Property::RequestProblemInformation(value)
        | Property::RequestResponseInformation(value)
        | Property::MaximumQos(value)
        | Property::RetainAvailable(value)
        | Property::WildcardSubscriptionAvailable(value)
        | Property::SubscriptionIdentifierAvailable(value)
        | Property::SharedSubscriptionAvailable(value) => Value::Number(u32::from(value)),
        Property::ServerKeepAlive(value)
        | Property::ReceiveMaximum(value)
        | Property::TopicAliasMaximum(value)
        | Property::TopicAlias(value) => Value::Number(u32::from(value)),
        Property::MessageExpiryInterval(value)
        | Property::SubscriptionIdentifier(value)
        | Property::SessionExpiryInterval(value)
        | Property::WillDelayInterval(value)
        | Property::MaximumPacketSize(value) => Value::Number(value),
        Property::ContentType(value)
        | Property::ResponseTopic(value)
        | Property::AssignedClientIdentifier(value)
        | Property::AuthenticationMethod(value)
        | Property::ResponseInformation(value)
        | Property::ServerReference(value)
        | Property::ReasonString(value) => Value::Text(value),
        Property::CorrelationData(value) | Property::AuthenticationData(value) => Value::Bytes(value),
        Property::UserProperty(name, value) => Value::Pair(name, value),
        _ => panic!("a property that this test does not know"),
    }
}
