//! A client that receives messages, checks their numbers and acknowledges them.

use vaux_mqtt::packet::{Ack, PacketType};
use vaux_mqtt::{Packet, QoS, ReasonCode, Version};

use super::Stamp;
use super::connection::Connection;
use super::sequence::Sequence;
use crate::Outcome;

/// A client that is subscribed to one topic.
#[derive(Debug)]
pub(super) struct Subscriber {
    connection: Connection,
    inbox: Inbox,
}

#[derive(Debug)]
struct Inbox {
    version: Version,
    qos: QoS,
    /// Which topic of how many.
    topic: usize,
    topics: usize,
    /// For each publisher of the topic.
    sequences: Vec<Sequence>,
    delivered: u64,
}

impl Subscriber {
    /// A subscriber of topic number `topic` of `topics`, to which `publishers` publish.
    pub(super) fn new(
        connection: Connection,
        version: Version,
        qos: QoS,
        (topic, topics): (usize, usize),
        publishers: usize,
    ) -> Self {
        let sequences = (0..publishers).map(|_| Sequence::default()).collect();
        Subscriber { connection, inbox: Inbox { version, qos, topic, topics, sequences, delivered: 0 } }
    }

    /// How many messages have been delivered to it.
    pub(super) fn delivered(&self) -> u64 {
        self.inbox.delivered
    }

    /// What has come from a publisher of its topic.
    pub(super) fn sequence(&self, publisher: usize) -> &Sequence {
        &self.inbox.sequences[publisher / self.inbox.topics]
    }

    /// Reads messages and answers them.
    ///
    /// # Errors
    ///
    /// The connection has ended, or a packet came that should not.
    pub(super) fn receive(&mut self, buffer: &mut [u8]) -> Outcome {
        let inbox = &mut self.inbox;
        self.connection.receive(buffer, |packet, outgoing| inbox.handle(&packet, outgoing))?;
        self.connection.flush()
    }

    /// Goes on sending when the socket has room again.
    ///
    /// # Errors
    ///
    /// The connection has ended.
    pub(super) fn flush(&mut self) -> Outcome {
        self.connection.flush()
    }
}

impl Inbox {
    fn handle(&mut self, packet: &Packet<'_>, outgoing: &mut Vec<u8>) -> Outcome {
        let (packet_id, answer) = match packet {
            Packet::Publish(publish) => {
                if publish.qos != self.qos {
                    return Err(
                        format!("a message came with {:?} instead of {:?}", publish.qos, self.qos).into()
                    );
                }
                self.note(publish.payload)?;
                let Some(packet_id) = publish.packet_id else { return Ok(()) };
                let is_exactly_once = publish.qos == QoS::ExactlyOnce;
                (packet_id, if is_exactly_once { PacketType::PubRec } else { PacketType::PubAck })
            }
            Packet::PubRel(ack) => (ack.packet_id, PacketType::PubComp),
            other => return Err(format!("a subscriber received {other:?}").into()),
        };
        Ack::new(packet_id, ReasonCode::Success).encode(answer, self.version, outgoing);
        Ok(())
    }

    fn note(&mut self, payload: &[u8]) -> Outcome {
        let stamp =
            Stamp::from_payload(payload).ok_or("a message came with another payload than was sent")?;
        let publisher = stamp.publisher as usize;
        let sequence = self.sequences.get_mut(publisher / self.topics);
        let sequence = sequence.filter(|_| publisher % self.topics == self.topic);
        sequence.ok_or("a message came to a subscriber of another topic")?.arrived(stamp.number);
        self.delivered += 1;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use vaux_mqtt::PacketId;
    use vaux_mqtt::packet::Publish;

    use super::*;

    fn inbox(qos: QoS) -> Inbox {
        let sequences = vec![Sequence::default(), Sequence::default()];
        Inbox { version: Version::V311, qos, topic: 1, topics: 3, sequences, delivered: 0 }
    }

    fn publish(qos: QoS, payload: &[u8]) -> Packet<'_> {
        let packet_id = (qos != QoS::AtMostOnce).then_some(PacketId::FIRST);
        Packet::Publish(Publish { qos, packet_id, payload, ..Publish::new("t") })
    }

    #[test]
    fn each_qos_is_answered_as_the_specification_says() {
        let payload = Stamp { publisher: 1, number: 0 }.to_bytes();
        for (qos, answer) in [
            (QoS::AtMostOnce, &[][..]),
            (QoS::AtLeastOnce, &[0x40, 2, 0, 1]),
            (QoS::ExactlyOnce, &[0x50, 2, 0, 1]),
        ] {
            let mut outgoing = Vec::new();
            inbox(qos).handle(&publish(qos, &payload), &mut outgoing).unwrap();
            assert_eq!(outgoing, answer);
        }
        let mut outgoing = Vec::new();
        let release = Packet::PubRel(Ack::new(PacketId::FIRST, ReasonCode::Success));
        inbox(QoS::ExactlyOnce).handle(&release, &mut outgoing).unwrap();
        assert_eq!(outgoing, [0x70, 2, 0, 1]);
    }

    #[test]
    fn publishers_of_the_topic_are_told_apart() {
        let mut inbox = inbox(QoS::AtMostOnce);
        for (publisher, number) in [(1, 0), (4, 0), (4, 1), (1, 2)] {
            let payload = Stamp { publisher, number }.to_bytes();
            inbox.handle(&publish(QoS::AtMostOnce, &payload), &mut Vec::new()).unwrap();
        }
        assert_eq!(inbox.delivered, 4);
        assert_eq!((inbox.sequences[0].faults(3).lost, inbox.sequences[1].faults(2).lost), (1, 0));
    }

    #[test]
    fn a_message_that_belongs_elsewhere_ends_the_run() {
        for publisher in [0, 2, 7] {
            let payload = Stamp { publisher, number: 0 }.to_bytes();
            let outcome = inbox(QoS::AtMostOnce).handle(&publish(QoS::AtMostOnce, &payload), &mut Vec::new());
            assert!(outcome.is_err(), "{publisher}");
        }
        assert!(inbox(QoS::AtLeastOnce).handle(&publish(QoS::AtMostOnce, b""), &mut Vec::new()).is_err());
        assert!(inbox(QoS::AtMostOnce).handle(&publish(QoS::AtMostOnce, b"short"), &mut Vec::new()).is_err());
    }
}
