//! A client that publishes numbered messages, as far as its windows let it.

use std::collections::VecDeque;

use vaux_client::{PropertyBuffer, QoS, ReasonCode, Version};
use vaux_mqtt::frame::Frame;
use vaux_mqtt::packet::{Ack, PacketType, Publish};
use vaux_mqtt::{Packet, PacketId};

use super::shape::Shape;
use super::stamp::{STAMP_BYTES, Stamp};

/// A client that publishes.
#[derive(Debug)]
pub(super) struct Publisher {
    message: Message,
    unacknowledged: Unacknowledged,
    /// How many messages may be unacknowledged.
    pub(super) max_unacknowledged: u64,
    /// How many messages were due so far, where there is a schedule.
    pub(super) scheduled: u64,
    /// How many were sent.
    pub(super) sent: u64,
    /// Messages before this one are not waited for any more.
    pub(super) given_up: u64,
    /// Whether it is on the list of those that may be able to publish.
    pub(super) is_listed: bool,
    /// How far deliveries were when they last went on, and when that was.
    pub(super) seen: u64,
    pub(super) seen_at: u64,
}

/// The encoded PUBLISH, in which only a few bytes differ from one message to the next.
#[derive(Debug)]
struct Message {
    packet: Vec<u8>,
    stamp: Stamp,
    stamp_at: usize,
    packet_id_at: Option<usize>,
    topics: u64,
    /// Where the digits of the topic stand.
    digits: std::ops::Range<usize>,
}

/// What becomes of an acknowledgement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Acknowledged {
    /// The exchange goes on.
    Halfway,
    /// The exchange is over; when the message was due.
    Done(u64),
    /// The server does not take the message.
    Refused(ReasonCode),
}

/// What every publisher of a run has in common.
#[derive(Debug)]
pub(super) struct Kind<'a> {
    pub(super) shape: &'a Shape,
    pub(super) version: Version,
    pub(super) qos: QoS,
    pub(super) payload_bytes: usize,
    pub(super) properties: &'a PropertyBuffer,
    pub(super) run: u32,
}

impl Publisher {
    /// A publisher that has sent nothing yet.
    pub(super) fn new(number: usize, kind: &Kind<'_>) -> Publisher {
        Publisher {
            message: Message::new(number, kind),
            unacknowledged: Unacknowledged::new(kind.qos, kind.version),
            max_unacknowledged: 0,
            scheduled: 0,
            sent: 0,
            given_up: 0,
            is_listed: false,
            seen: 0,
            seen_at: 0,
        }
    }

    /// How many messages are not acknowledged. None with QoS 0.
    pub(super) fn unacknowledged(&self) -> u64 {
        self.unacknowledged.messages.len() as u64
    }

    /// Appends a message that was due at `due`, in nanoseconds of the clock, which is `due_unix` for others.
    pub(super) fn append(&mut self, due: u64, due_unix: u64, outgoing: &mut Vec<u8>) {
        let packet_id = self.message.packet_id_at.map(|_| self.unacknowledged.begin(due));
        self.message.append(self.sent, due_unix, packet_id, outgoing);
        self.sent += 1;
    }

    /// Handles PUBACK, PUBREC and PUBCOMP. `None` for one that nothing was sent for.
    pub(super) fn acknowledge(
        &mut self,
        packet: &Packet<'_>,
        outgoing: &mut Vec<u8>,
    ) -> Option<Acknowledged> {
        self.unacknowledged.handle(packet, outgoing)
    }

    /// The length of a message on the wire.
    pub(super) fn packet_bytes(&self) -> usize {
        self.message.packet.len()
    }
}

impl Message {
    fn new(publisher: usize, kind: &Kind<'_>) -> Message {
        let topic = kind.shape.first_topic(publisher);
        let payload = vec![b'.'; kind.payload_bytes.max(STAMP_BYTES)];
        let has_packet_id = kind.qos != QoS::AtMostOnce;
        let publish = Publish {
            qos: kind.qos,
            packet_id: has_packet_id.then_some(PacketId::FIRST),
            properties: kind.properties.list(),
            payload: &payload,
            ..Publish::new(&topic)
        };
        let mut packet = Vec::with_capacity(publish.encoded_len(kind.version));
        publish.encode(kind.version, &mut packet);
        let frame = Frame::split(&packet).ok().flatten().expect("what was encoded is one whole packet");
        // The variable header is the topic with its length in two bytes, then the packet identifier.
        let topic_end = frame.header_len() + 2 + topic.len();
        let stamp_at = packet.len() - payload.len();
        Message {
            packet,
            stamp: Stamp { run: kind.run, publisher: publisher as u32, number: 0, due_ns: 0 },
            stamp_at,
            packet_id_at: has_packet_id.then_some(topic_end),
            topics: kind.shape.topics() as u64,
            digits: topic_end - kind.shape.topic_digits()..topic_end,
        }
    }

    fn append(&mut self, number: u64, due_ns: u64, packet_id: Option<PacketId>, outgoing: &mut Vec<u8>) {
        let stamp = Stamp { number, due_ns, ..self.stamp };
        self.packet[self.stamp_at..][..STAMP_BYTES].copy_from_slice(&stamp.to_bytes());
        if let (Some(at), Some(packet_id)) = (self.packet_id_at, packet_id) {
            self.packet[at..at + 2].copy_from_slice(&packet_id.value().to_be_bytes());
        }
        if self.topics > 1 {
            let mut topic = number % self.topics;
            for digit in self.packet[self.digits.clone()].iter_mut().rev() {
                *digit = b'0' + (topic % 10) as u8;
                topic /= 10;
            }
        }
        outgoing.extend_from_slice(&self.packet);
    }
}

/// The messages that the server has not acknowledged, in the order in which they were sent.
#[derive(Debug)]
struct Unacknowledged {
    version: Version,
    qos: QoS,
    /// Packet identifiers, and when each was due.
    messages: VecDeque<(PacketId, u64)>,
    next: PacketId,
}

impl Unacknowledged {
    fn new(qos: QoS, version: Version) -> Unacknowledged {
        Unacknowledged { version, qos, messages: VecDeque::new(), next: PacketId::FIRST }
    }

    fn begin(&mut self, due: u64) -> PacketId {
        // Those that were never acknowledged are the oldest, in their order.
        let mut oldest = self.messages.iter().map(|(packet_id, _)| *packet_id);
        let mut in_use = oldest.next();
        while in_use == Some(self.next) {
            self.next = self.next.next();
            in_use = oldest.next();
        }
        let packet_id = self.next;
        self.next = packet_id.next();
        self.messages.push_back((packet_id, due));
        packet_id
    }

    fn handle(&mut self, packet: &Packet<'_>, outgoing: &mut Vec<u8>) -> Option<Acknowledged> {
        match (packet, self.qos) {
            (Packet::PubAck(ack), QoS::AtLeastOnce) => self.end(ack),
            (Packet::PubRec(ack), QoS::ExactlyOnce) if ack.reason.is_error() => self.end(ack),
            (Packet::PubRec(ack), QoS::ExactlyOnce) => {
                self.find(ack.packet_id)?;
                let answer = Ack::new(ack.packet_id, ReasonCode::Success);
                answer.encode(PacketType::PubRel, self.version, outgoing);
                Some(Acknowledged::Halfway)
            }
            (Packet::PubComp(ack), QoS::ExactlyOnce) => self.end(ack),
            _ => None,
        }
    }

    fn end(&mut self, ack: &Ack<'_>) -> Option<Acknowledged> {
        let (_, due) = self.messages.remove(self.find(ack.packet_id)?)?;
        Some(if ack.reason.is_error() { Acknowledged::Refused(ack.reason) } else { Acknowledged::Done(due) })
    }

    /// Mostly it is the oldest.
    fn find(&self, packet_id: PacketId) -> Option<usize> {
        self.messages.iter().position(|(known, _)| *known == packet_id)
    }
}

#[cfg(test)]
mod tests {
    use vaux_mqtt::Sender;

    use super::super::shape::Mode;
    use super::*;

    fn publisher(version: Version, qos: QoS, topics: usize) -> Publisher {
        let shape = Mode::Pub.shape(2, 0, topics, "base".into());
        let properties = PropertyBuffer::new();
        let kind = Kind { shape: &shape, version, qos, payload_bytes: 64, properties: &properties, run: 5 };
        Publisher::new(1, &kind)
    }

    #[test]
    fn patched_messages_read_as_what_they_should_be() {
        for version in [Version::V31, Version::V311, Version::V5] {
            for qos in [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce] {
                let mut publisher = publisher(version, qos, 30);
                let mut bytes = Vec::new();
                for number in 0..40 {
                    bytes.clear();
                    publisher.append(number, 1_000 + number, &mut bytes);
                    let frame = Frame::split(&bytes).unwrap().unwrap();
                    let Packet::Publish(publish) = Packet::decode(&frame, version, Sender::Client).unwrap()
                    else {
                        panic!("no PUBLISH")
                    };
                    assert_eq!(publish.topic, format!("base/1/{:02}", number % 30));
                    assert_eq!((publish.qos, publish.payload.len()), (qos, 64));
                    let stamp = Stamp { run: 5, publisher: 1, number, due_ns: 1_000 + number };
                    assert_eq!(Stamp::from_payload(publish.payload), Some(stamp));
                }
                let expected = if qos == QoS::AtMostOnce { 0 } else { 40 };
                assert_eq!(publisher.unacknowledged(), expected);
            }
        }
    }

    #[test]
    fn an_acknowledgement_tells_when_its_message_was_due() {
        let mut publisher = publisher(Version::V5, QoS::AtLeastOnce, 1);
        let mut out = Vec::new();
        (0..3).for_each(|number| publisher.append(10 * number, 0, &mut out));
        let puback = |id, reason| Packet::PubAck(Ack::new(PacketId::new(id).unwrap(), reason));
        let mut acknowledge = |packet: &Packet<'_>| publisher.acknowledge(packet, &mut out);
        assert_eq!(acknowledge(&puback(2, ReasonCode::Success)), Some(Acknowledged::Done(10)));
        let refused = Acknowledged::Refused(ReasonCode::QuotaExceeded);
        assert_eq!(acknowledge(&puback(1, ReasonCode::QuotaExceeded)), Some(refused));
        assert_eq!(acknowledge(&puback(1, ReasonCode::Success)), None);
        assert_eq!(acknowledge(&Packet::PubComp(Ack::new(PacketId::FIRST, ReasonCode::Success))), None);
        assert_eq!(publisher.unacknowledged(), 1);
    }

    #[test]
    fn a_message_with_qos_2_is_done_at_pubcomp() {
        let mut publisher = publisher(Version::V311, QoS::ExactlyOnce, 1);
        publisher.append(7, 0, &mut Vec::new());
        let ack = Ack::new(PacketId::FIRST, ReasonCode::Success);
        let mut out = Vec::new();
        let halfway = publisher.acknowledge(&Packet::PubRec(ack.clone()), &mut out);
        assert_eq!((halfway, out.as_slice()), (Some(Acknowledged::Halfway), &[0x62, 2, 0, 1][..]));
        assert_eq!(publisher.acknowledge(&Packet::PubComp(ack), &mut out), Some(Acknowledged::Done(7)));
    }

    #[test]
    fn identifiers_of_messages_that_nobody_acknowledges_are_not_used_again() {
        let mut unacknowledged = Unacknowledged::new(QoS::AtLeastOnce, Version::V5);
        let stuck = [unacknowledged.begin(0), unacknowledged.begin(0)];
        for _ in 0..70_000 {
            let packet_id = unacknowledged.begin(0);
            assert!(!stuck.contains(&packet_id));
            assert!(unacknowledged.end(&Ack::new(packet_id, ReasonCode::Success)).is_some());
        }
    }
}
