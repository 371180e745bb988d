//! Bytes from a client: into packets, and each packet to whom it concerns.

use vaux_mqtt::error::Rule;
use vaux_mqtt::frame::Frame;
use vaux_mqtt::packet::{PINGRESP, PacketType, Sender};
use vaux_mqtt::{Error, Packet};

use super::Core;
use super::connection::{Connection, Phase};
use super::publish::LastTopic;
use crate::time::Time;

impl Core {
    /// Handles bytes that a connection received and says how many of them were used. The rest is to be offered again
    /// with what follows it, or after [`Effect::Resume`](super::Effect::Resume).
    pub fn handle_bytes(&mut self, now: Time, slot: u32, bytes: &[u8]) -> usize {
        let mut used = 0;
        let mut last = LastTopic::default();
        self.connections[slot as usize].last_received = now;
        while self.takes_input(slot) && used < bytes.len() {
            match self.next_frame(slot, &bytes[used..]) {
                Ok(Some(frame)) => {
                    used += frame.bytes().len();
                    if let Err(error) = self.handle_frame(now, slot, &frame, &mut last) {
                        self.fail(now, slot, error);
                    }
                }
                Ok(None) => break,
                Err(error) => self.fail(now, slot, error),
            }
        }
        self.count_received(slot, used);
        if std::mem::take(&mut self.has_room) {
            self.pump(now, slot);
        }
        if self.connections[slot as usize].phase == Phase::Closing { bytes.len() } else { used }
    }

    fn count_received(&mut self, slot: u32, bytes: usize) {
        self.counters.bytes_received += bytes as u64;
        let connection = &mut self.connections[slot as usize];
        if connection.phase == Phase::Connected {
            connection.traffic.bytes_in += bytes as u64;
        }
    }

    /// Whether the connection's input is to be read and handled now.
    pub fn takes_input(&self, slot: u32) -> bool {
        !self.is_ending() && self.connections.get(slot as usize).is_some_and(Connection::takes_input)
    }

    fn next_frame<'a>(&self, slot: u32, bytes: &'a [u8]) -> Result<Option<Frame<'a>>, Error> {
        let limits = &self.settings.limits;
        let connection = &self.connections[slot as usize];
        let max_len = match connection.phase {
            Phase::AwaitConnect | Phase::AwaitAuth => limits.max_connect_packet,
            _ => limits.max_packet_size,
        };
        let frame = Frame::split(bytes)?;
        let promised_len = match &frame {
            Some(frame) => Some(frame.bytes().len()),
            None => Frame::promised_len(bytes)?,
        };
        if promised_len.is_some_and(|len| len > max_len) {
            return Err(Error::new(Rule::PacketTooLarge, connection.version, 1));
        }
        Ok(frame)
    }

    fn handle_frame<'a>(
        &mut self,
        now: Time,
        slot: u32,
        frame: &Frame<'a>,
        last: &mut LastTopic<'a>,
    ) -> Result<(), Error> {
        let connection = &self.connections[slot as usize];
        self.counters.packets_received += 1;
        if connection.phase == Phase::AwaitConnect {
            return self.handle_first_packet(now, slot, frame);
        }
        // Looked at where it is: to move it about takes longer than to read a small one.
        let decoded = Packet::decode_after(frame, connection.version, Sender::Client, last.topic);
        let packet = match &decoded {
            Ok(packet) => packet,
            Err(error) => return Err(*error),
        };
        if connection.extras.as_ref().is_some_and(|extras| extras.is_traced) {
            self.trace_received(now, slot, packet, frame.bytes().len());
        }
        let connection = &self.connections[slot as usize];
        if connection.phase == Phase::AwaitAuth {
            self.handle_early_packet(now, slot, packet);
            return Ok(());
        }
        match packet {
            Packet::Publish(publish) => {
                self.handle_publish(now, slot, publish, last)?;
                self.count_publish(now, slot, frame.bytes().len());
                Ok(())
            }
            Packet::PubAck(ack) => self.handle_puback(slot, ack),
            Packet::PubRec(ack) => self.handle_pubrec(slot, ack),
            Packet::PubRel(ack) => self.handle_pubrel(slot, ack),
            Packet::PubComp(ack) => self.handle_pubcomp(slot, ack),
            Packet::Subscribe(subscribe) => self.handle_subscribe(now, slot, subscribe),
            Packet::Unsubscribe(unsubscribe) => self.handle_unsubscribe(now, slot, unsubscribe),
            Packet::PingReq => {
                self.write(slot, |out| out.extend_from_slice(&PINGRESP));
                Ok(())
            }
            Packet::Disconnect(disconnect) => self.handle_disconnect(now, slot, disconnect),
            Packet::Connect(_) => Err(self.violation(slot, Rule::SecondConnect)),
            Packet::Auth(auth) => {
                // It may be somebody else from now on.
                *last = LastTopic::default();
                self.handle_auth(now, slot, auth)
            }
            other => Err(self.violation(slot, unexpected(other.packet_type()))),
        }
    }

    /// An error about the packet as a whole.
    pub(super) fn violation(&self, slot: u32, rule: Rule) -> Error {
        Error::new(rule, self.connections[slot as usize].version, 0)
    }
}

/// `Packet::decode` refuses what a client must not send, so that no other type comes here.
fn unexpected(_: PacketType) -> Rule {
    Rule::UnexpectedPacket
}
