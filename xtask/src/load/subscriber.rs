//! A client that receives messages, checks their numbers and acknowledges them.

use vaux_mqtt::packet::{Ack, PacketType, Publish};
use vaux_mqtt::property::Properties;
use vaux_mqtt::{Packet, QoS, ReasonCode, Version};

use super::Stamp;
use super::connection::Connection;
use super::group::Rising;
use super::message::PROPERTIES;
use super::sequence::Sequence;
use crate::Outcome;
use crate::bench::scenario::{Filters, Traffic};

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
    /// Messages come with properties.
    properties: bool,
    /// For each publisher of the topic.
    seen: Vec<Seen>,
    /// What has arrived since somebody looked, if somebody looks.
    arrivals: Option<Vec<Stamp>>,
    delivered: u64,
}

/// What has come from one publisher.
#[derive(Debug)]
enum Seen {
    /// All is to come.
    Whole(Sequence),
    /// Some of it is to come: others share it.
    Part(Rising),
}

impl Subscriber {
    /// A subscriber of topic number `topic`.
    pub(super) fn new(connection: Connection, version: Version, topic: usize, traffic: &Traffic) -> Self {
        let seen = |_| match traffic.filters {
            Filters::Shared => Seen::Part(Rising::default()),
            _ => Seen::Whole(Sequence::default()),
        };
        let inbox = Inbox {
            version,
            qos: traffic.qos,
            topic,
            topics: traffic.topics,
            properties: traffic.properties,
            seen: (0..traffic.publishers_per_topic()).map(seen).collect(),
            arrivals: None,
            delivered: 0,
        };
        Subscriber { connection, inbox }
    }

    /// From now on, what arrives is also kept for [`Subscriber::arrivals_mut`].
    pub(super) fn note_arrivals(&mut self) {
        self.inbox.arrivals = Some(Vec::new());
    }

    /// What has arrived and has not been taken.
    pub(super) fn arrivals_mut(&mut self) -> Option<&mut Vec<Stamp>> {
        self.inbox.arrivals.as_mut()
    }

    /// How many messages have been delivered to it.
    pub(super) fn delivered(&self) -> u64 {
        self.inbox.delivered
    }

    /// What has come from a publisher of its topic, if all is to come.
    pub(super) fn sequence(&self, publisher: usize) -> Option<&Sequence> {
        match &self.inbox.seen[publisher / self.inbox.topics] {
            Seen::Whole(sequence) => Some(sequence),
            Seen::Part(_) => None,
        }
    }

    /// Messages of which others get some, and that came after a later one.
    pub(super) fn out_of_order(&self) -> u64 {
        let out_of_order = |seen: &Seen| match seen {
            Seen::Whole(_) => 0,
            Seen::Part(rising) => rising.out_of_order(),
        };
        self.inbox.seen.iter().map(out_of_order).sum()
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
                if self.properties && !has_properties(publish) {
                    return Err("a message came with other properties than it was sent with".into());
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
        let seen = self.seen.get_mut(publisher / self.topics);
        let seen = seen.filter(|_| publisher % self.topics == self.topic);
        match seen.ok_or("a message came to a subscriber of another topic")? {
            Seen::Whole(sequence) => sequence.arrived(stamp.number),
            Seen::Part(rising) => rising.arrived(stamp.number),
        }
        if let Some(arrivals) = &mut self.arrivals {
            arrivals.push(stamp);
        }
        self.delivered += 1;
        Ok(())
    }
}

/// Whether a message has what all were sent with, in whatever order of the kinds.
fn has_properties(publish: &Publish<'_>) -> bool {
    let sent = Properties::from_slice(&PROPERTIES);
    publish.properties.content_type() == sent.content_type()
        && publish.properties.user_properties().eq(sent.user_properties())
}

#[cfg(test)]
mod tests {
    use vaux_mqtt::PacketId;

    use super::*;

    fn inbox(qos: QoS) -> Inbox {
        Inbox {
            version: Version::V311,
            qos,
            topic: 1,
            topics: 3,
            properties: false,
            seen: vec![Seen::Whole(Sequence::default()), Seen::Whole(Sequence::default())],
            arrivals: None,
            delivered: 0,
        }
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
        let [Seen::Whole(first), Seen::Whole(second)] = &inbox.seen[..] else { panic!("not two") };
        assert_eq!((first.faults(3).lost, second.faults(2).lost), (1, 0));
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
