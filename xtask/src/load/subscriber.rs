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
