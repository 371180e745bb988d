//! The PUBLISH that a publisher sends again and again, encoded once and patched.

use vaux_mqtt::frame::Frame;
use vaux_mqtt::packet::Publish;
use vaux_mqtt::property::{Properties, Property};
use vaux_mqtt::{PacketId, QoS, Version};

use super::{STAMP_BYTES, Stamp, topics};

/// The encoded PUBLISH, in which only the topic's number, the packet identifier and the stamp differ from one message to
/// the next.
#[derive(Debug)]
pub(super) struct Message {
    packet: Vec<u8>,
    number_at: usize,
    packet_id_at: Option<usize>,
    stamp_at: usize,
}

/// What is the same in all messages.
#[derive(Clone, Copy, Debug)]
pub(super) struct Form<'a> {
    pub(super) version: Version,
    /// Has a number in it.
    pub(super) topic: &'a str,
    pub(super) qos: QoS,
    pub(super) retain: bool,
    pub(super) payload_bytes: usize,
    pub(super) properties: bool,
}

/// What messages carry where properties are measured.
pub(super) const PROPERTIES: [Property<'static>; 3] = [
    Property::ContentType("application/json"),
    Property::UserProperty("unit", "celsius"),
    Property::UserProperty("site", "north-4"),
];

impl Message {
    /// The message of a form.
    pub(super) fn new(form: &Form<'_>) -> Self {
        let payload = vec![b'.'; form.payload_bytes.max(STAMP_BYTES)];
        let has_packet_id = form.qos != QoS::AtMostOnce;
        let properties =
            if form.properties { Properties::from_slice(&PROPERTIES) } else { Properties::EMPTY };
        let publish = Publish {
            qos: form.qos,
            retain: form.retain,
            packet_id: has_packet_id.then_some(PacketId::FIRST),
            properties,
            payload: &payload,
            ..Publish::new(form.topic)
        };
        let mut packet = Vec::new();
        publish.encode(form.version, &mut packet);
        let header_len =
            Frame::split(&packet).ok().flatten().expect("what was encoded is one whole packet").header_len();
        // The variable header is the topic with its length in two bytes, then the packet identifier.
        let number_at = header_len + 2 + topics::number_at(form.topic);
        let packet_id_at = has_packet_id.then_some(header_len + 2 + form.topic.len());
        let stamp_at = packet.len() - payload.len();
        Message { packet, number_at, packet_id_at, stamp_at }
    }

    /// Whether it needs a packet identifier.
    pub(super) fn has_packet_id(&self) -> bool {
        self.packet_id_at.is_some()
    }

    /// From now on it is of the topic with this number.
    pub(super) fn set_topic(&mut self, number: usize) {
        topics::write_number(&mut self.packet[self.number_at..][..topics::DIGITS], number);
    }

    /// Appends it with this stamp.
    pub(super) fn append(&mut self, stamp: Stamp, packet_id: Option<PacketId>, outgoing: &mut Vec<u8>) {
        self.packet[self.stamp_at..][..STAMP_BYTES].copy_from_slice(&stamp.to_bytes());
        if let (Some(at), Some(packet_id)) = (self.packet_id_at, packet_id) {
            self.packet[at..at + 2].copy_from_slice(&packet_id.value().to_be_bytes());
        }
        outgoing.extend_from_slice(&self.packet);
    }
}

#[cfg(test)]
mod tests {
    use vaux_mqtt::{Packet, Sender};

    use super::*;

    #[test]
    fn patched_messages_read_as_what_they_should_be() {
        let versions = [Version::V311, Version::V5];
        let qualities = [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce];
        for (version, qos) in versions.into_iter().flat_map(|version| qualities.map(|qos| (version, qos))) {
            let properties = version == Version::V5;
            let topic = "a/0000000/b";
            let form = Form { version, topic, qos, retain: true, payload_bytes: 64, properties };
            let packet_id = (qos != QoS::AtMostOnce).then_some(PacketId::new(0x1234).unwrap());
            let stamp = Stamp { publisher: 3, number: 77 };
            let mut message = Message::new(&form);
            let mut bytes = Vec::new();
            message.set_topic(42);
            message.append(stamp, packet_id, &mut bytes);
            let frame = Frame::split(&bytes).unwrap().unwrap();
            let Packet::Publish(publish) = Packet::decode(&frame, version, Sender::Client).unwrap() else {
                panic!("no PUBLISH")
            };
            assert_eq!((publish.topic, publish.qos, publish.packet_id), ("a/0000042/b", qos, packet_id));
            assert_eq!((publish.payload.len(), publish.retain), (64, true));
            assert_eq!(publish.properties.iter().count(), if properties { 3 } else { 0 });
            assert_eq!(Stamp::from_payload(publish.payload), Some(stamp));
        }
    }
}
