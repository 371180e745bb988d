//! A client that publishes numbered messages as fast as its windows let it.

use mio::Registry;
use vaux_mqtt::frame::Frame;
use vaux_mqtt::packet::{Ack, PacketType, Publish};
use vaux_mqtt::{Packet, PacketId, QoS, ReasonCode, Version};

use super::connection::Connection;
use super::handshake::Accepted;
use super::{STAMP_BYTES, Stamp};
use crate::Outcome;
use crate::bench::scenario::Traffic;

/// A client that publishes.
#[derive(Debug)]
pub(super) struct Publisher {
    connection: Connection,
    message: Message,
    number: u32,
    sent: u64,
    window: Window,
}

/// The encoded PUBLISH, in which only the packet identifier and the stamp differ from one message to the next.
#[derive(Debug)]
struct Message {
    packet: Vec<u8>,
    packet_id_at: Option<usize>,
    stamp_at: usize,
}

/// The messages that the broker has not acknowledged.
#[derive(Debug)]
struct Window {
    version: Version,
    in_flight: u64,
    max_in_flight: u64,
    next_packet_id: PacketId,
    /// What PUBACK or PUBREC is due next, as a broker answers in the order in which it was asked.
    next_acknowledged: PacketId,
    /// What PUBCOMP is due next.
    next_completed: PacketId,
    out_of_order: u64,
}

/// More than this is not appended to what the socket has not taken yet.
const MAX_OUTGOING_BYTES: usize = 64 << 10;

impl Publisher {
    /// A publisher that has sent nothing yet. `number` tells it from the others.
    ///
    /// # Errors
    ///
    /// The connection cannot be registered.
    pub(super) fn new(
        accepted: Accepted,
        version: Version,
        registry: &Registry,
        number: u32,
        topic: &str,
        traffic: &Traffic,
    ) -> Outcome<Self> {
        let window = Window {
            version,
            in_flight: 0,
            max_in_flight: traffic.in_flight.min(accepted.receive_maximum.into()),
            next_packet_id: PacketId::FIRST,
            next_acknowledged: PacketId::FIRST,
            next_completed: PacketId::FIRST,
            out_of_order: 0,
        };
        let connection = Connection::new(accepted.stream, version, registry, number as usize)?;
        Ok(Publisher { connection, message: Message::new(version, topic, traffic), number, sent: 0, window })
    }

    /// How many messages it has sent.
    pub(super) fn sent(&self) -> u64 {
        self.sent
    }

    /// How many messages are not acknowledged.
    pub(super) fn in_flight(&self) -> u64 {
        self.window.in_flight
    }

    /// Acknowledgements that came out of turn.
    pub(super) fn out_of_order(&self) -> u64 {
        self.window.out_of_order
    }

    /// How many messages may be published now, if no subscriber minds.
    pub(super) fn room(&self) -> u64 {
        if !self.is_flushed() {
            return 0;
        }
        match self.message.packet_id_at {
            Some(_) => self.window.max_in_flight - self.window.in_flight,
            None => u64::MAX,
        }
    }

    /// Whether everything published so far has been handed to the kernel.
    pub(super) fn is_flushed(&self) -> bool {
        self.connection.is_flushed()
    }

    /// Appends up to `count` messages and sends them.
    ///
    /// # Errors
    ///
    /// The connection has ended.
    pub(super) fn publish(&mut self, count: u64) -> Outcome {
        let outgoing = self.connection.outgoing_mut();
        for _ in 0..count {
            if outgoing.len() >= MAX_OUTGOING_BYTES {
                break;
            }
            let stamp = Stamp { publisher: self.number, number: self.sent };
            let packet_id = self.message.packet_id_at.map(|_| self.window.take_packet_id());
            self.message.append(stamp, packet_id, outgoing);
            self.sent += 1;
        }
        self.connection.flush()
    }

    /// Reads acknowledgements, and goes on with what they ask for.
    ///
    /// # Errors
    ///
    /// The connection has ended, or a message was refused.
    pub(super) fn receive(&mut self, buffer: &mut [u8]) -> Outcome {
        let window = &mut self.window;
        self.connection.receive(buffer, |packet, outgoing| window.handle(&packet, outgoing))?;
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

impl Message {
    fn new(version: Version, topic: &str, traffic: &Traffic) -> Self {
        let payload = vec![b'.'; traffic.payload_bytes.max(STAMP_BYTES)];
        let has_packet_id = traffic.qos != QoS::AtMostOnce;
        let publish = Publish {
            qos: traffic.qos,
            packet_id: has_packet_id.then_some(PacketId::FIRST),
            payload: &payload,
            ..Publish::new(topic)
        };
        let mut packet = Vec::new();
        publish.encode(version, &mut packet);
        let header_len =
            Frame::split(&packet).ok().flatten().expect("what was encoded is one whole packet").header_len();
        // The variable header is the topic with its length in two bytes, then the packet identifier.
        let packet_id_at = has_packet_id.then_some(header_len + 2 + topic.len());
        let stamp_at = packet.len() - payload.len();
        Message { packet, packet_id_at, stamp_at }
    }

    fn append(&mut self, stamp: Stamp, packet_id: Option<PacketId>, outgoing: &mut Vec<u8>) {
        self.packet[self.stamp_at..][..STAMP_BYTES].copy_from_slice(&stamp.to_bytes());
        if let (Some(at), Some(packet_id)) = (self.packet_id_at, packet_id) {
            self.packet[at..at + 2].copy_from_slice(&packet_id.value().to_be_bytes());
        }
        outgoing.extend_from_slice(&self.packet);
    }
}

impl Window {
    fn take_packet_id(&mut self) -> PacketId {
        let packet_id = self.next_packet_id;
        self.next_packet_id = packet_id.next();
        self.in_flight += 1;
        packet_id
    }

    fn handle(&mut self, packet: &Packet<'_>, outgoing: &mut Vec<u8>) -> Outcome {
        match packet {
            Packet::PubAck(ack) => {
                self.out_of_order += check_turn(ack, &mut self.next_acknowledged)?;
                self.finish_one()?;
            }
            Packet::PubRec(ack) => {
                self.out_of_order += check_turn(ack, &mut self.next_acknowledged)?;
                Ack::new(ack.packet_id, ReasonCode::Success).encode(
                    PacketType::PubRel,
                    self.version,
                    outgoing,
                );
            }
            Packet::PubComp(ack) => {
                self.out_of_order += check_turn(ack, &mut self.next_completed)?;
                self.finish_one()?;
            }
            other => return Err(format!("a publisher received {other:?}").into()),
        }
        Ok(())
    }

    fn finish_one(&mut self) -> Result<(), &'static str> {
        self.in_flight = self.in_flight.checked_sub(1).ok_or("the broker acknowledged more than was sent")?;
        Ok(())
    }
}

/// 1 when it is not the turn of this acknowledgement.
fn check_turn(ack: &Ack<'_>, due: &mut PacketId) -> Result<u64, String> {
    if ack.reason != ReasonCode::Success {
        return Err(format!("the broker refused a message: {:?}", ack.reason));
    }
    let out_of_turn = ack.packet_id != *due;
    *due = ack.packet_id.next();
    Ok(u64::from(out_of_turn))
}

#[cfg(test)]
mod tests {
    use vaux_mqtt::Sender;

    use super::*;
    use crate::bench::scenario::{self, Load};

    fn traffic(scenario: &str) -> Traffic {
        let Load::Traffic(traffic) = scenario::named(scenario).unwrap().load else { panic!("no traffic") };
        traffic
    }

    fn window() -> Window {
        Window {
            version: Version::V311,
            in_flight: 0,
            max_in_flight: 10,
            next_packet_id: PacketId::FIRST,
            next_acknowledged: PacketId::FIRST,
            next_completed: PacketId::FIRST,
            out_of_order: 0,
        }
    }

    #[test]
    fn patched_messages_read_as_what_they_should_be() {
        for version in [Version::V311, Version::V5] {
            for scenario in ["pairs-qos0", "pairs-qos1", "pairs-qos2"] {
                let traffic = traffic(scenario);
                let packet_id = (traffic.qos != QoS::AtMostOnce).then_some(PacketId::new(0x1234).unwrap());
                let stamp = Stamp { publisher: 3, number: 77 };
                let mut bytes = Vec::new();
                Message::new(version, "a/b", &traffic).append(stamp, packet_id, &mut bytes);
                let frame = Frame::split(&bytes).unwrap().unwrap();
                let Packet::Publish(publish) = Packet::decode(&frame, version, Sender::Client).unwrap()
                else {
                    panic!("no PUBLISH")
                };
                assert_eq!((publish.topic, publish.qos, publish.packet_id), ("a/b", traffic.qos, packet_id));
                assert_eq!(publish.payload.len(), traffic.payload_bytes);
                assert_eq!(Stamp::from_payload(publish.payload), Some(stamp));
            }
        }
    }

    #[test]
    fn an_acknowledgement_out_of_turn_is_counted() {
        let mut window = window();
        let ids: Vec<PacketId> = (0..3).map(|_| window.take_packet_id()).collect();
        let mut acknowledge = |id: PacketId| {
            window.handle(&Packet::PubAck(Ack::new(id, ReasonCode::Success)), &mut Vec::new()).unwrap();
            (window.in_flight, window.out_of_order)
        };
        assert_eq!(acknowledge(ids[0]), (2, 0));
        assert_eq!(acknowledge(ids[2]), (1, 1));
        assert_eq!(acknowledge(ids[1]), (0, 2));
    }

    #[test]
    fn a_message_with_qos_2_is_done_at_pubcomp() {
        let mut window = window();
        let ack = Ack::new(window.take_packet_id(), ReasonCode::Success);
        let mut outgoing = Vec::new();
        window.handle(&Packet::PubRec(ack.clone()), &mut outgoing).unwrap();
        assert_eq!((window.in_flight, outgoing.as_slice()), (1, &[0x62, 2, 0, 1][..]));
        window.handle(&Packet::PubComp(ack), &mut outgoing).unwrap();
        assert_eq!((window.in_flight, window.out_of_order), (0, 0));
    }

    #[test]
    fn acknowledgements_that_nobody_asked_for_end_the_run() {
        let mut window = window();
        let unasked = Packet::PubAck(Ack::new(PacketId::FIRST, ReasonCode::Success));
        assert!(window.handle(&unasked, &mut Vec::new()).is_err());
        window.take_packet_id();
        let refused = Packet::PubAck(Ack::new(PacketId::FIRST, ReasonCode::QuotaExceeded));
        assert!(window.handle(&refused, &mut Vec::new()).is_err());
    }
}
