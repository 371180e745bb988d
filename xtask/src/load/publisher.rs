//! A client that publishes numbered messages as fast as its windows let it.

use mio::Registry;
use vaux_mqtt::packet::{Ack, PacketType};
use vaux_mqtt::{Packet, PacketId, ReasonCode, Version};

use super::connection::Connection;
use super::handshake::Accepted;
use super::message::{Form, Message};
use super::{Stamp, topics};
use crate::Outcome;
use crate::bench::scenario::Traffic;

/// A client that publishes.
#[derive(Debug)]
pub(super) struct Publisher {
    connection: Connection,
    message: Message,
    traffic: Traffic,
    topic: usize,
    number: u32,
    sent: u64,
    window: Window,
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
        let topic = number as usize % traffic.topics;
        let form = Form {
            version,
            topic: &topics::topic(traffic, topic),
            qos: traffic.qos,
            retain: false,
            payload_bytes: traffic.payload_bytes,
            properties: traffic.properties,
        };
        let message = Message::new(&form);
        Ok(Publisher { connection, message, traffic: *traffic, topic, number, sent: 0, window })
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
        if self.message.has_packet_id() {
            self.window.max_in_flight - self.window.in_flight
        } else {
            u64::MAX
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
            let packet_id = self.message.has_packet_id().then(|| self.window.take_packet_id());
            if self.traffic.divisions > 1 {
                self.message.set_topic(topics::division(&self.traffic, self.topic, self.sent));
            }
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
    use super::*;

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
