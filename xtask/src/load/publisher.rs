//! A client that publishes numbered messages as fast as its windows let it.

use vaux_mqtt::frame::Frame;
use vaux_mqtt::packet::{Ack, PacketType, Publish};
use vaux_mqtt::{Packet, PacketId, QoS, ReasonCode, Version};

use super::connection::Connection;
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
    pub(super) fn new(
        connection: Connection,
        version: Version,
        number: u32,
        topic: &str,
        traffic: &Traffic,
    ) -> Self {
        Publisher {
            connection,
            message: Message::new(version, topic, traffic),
            number,
            sent: 0,
            window: Window {
                version,
                in_flight: 0,
                next_packet_id: PacketId::FIRST,
                next_acknowledged: PacketId::FIRST,
                next_completed: PacketId::FIRST,
                out_of_order: 0,
            },
        }
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

    /// Whether more messages may be appended now.
    pub(super) fn can_append(&self) -> bool {
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
