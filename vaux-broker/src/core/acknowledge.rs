//! PUBACK, PUBREC, PUBREL and PUBCOMP from a client.

use vaux_mqtt::error::Rule;
use vaux_mqtt::packet::{Ack, PacketId, PacketType};
use vaux_mqtt::protocol::PubRecOutcome;
use vaux_mqtt::{Error, ReasonCode, Version};

use super::Core;
use crate::session::{Delivery, SessionSlot};
use crate::store::{Record, Sequence};

impl Core {
    pub(super) fn handle_puback(&mut self, slot: u32, ack: &Ack<'_>) -> Result<(), Error> {
        let session = self.connections[slot as usize].session;
        match self.sessions[session].outbound.handle_puback(ack.packet_id) {
            Some(delivery) => self.handle_slot_freed(slot, session, delivery.as_ref()),
            None => self.check_mismatch(slot, ack.packet_id)?,
        }
        Ok(())
    }

    /// An acknowledgement that led to nothing is of no consequence, since it may answer a message that expired
    /// meanwhile; unless it bears the identifier of a message that waits for another.
    fn check_mismatch(&mut self, slot: u32, packet_id: PacketId) -> Result<(), Error> {
        let session = self.connections[slot as usize].session;
        match self.sessions[session].outbound.is_in_flight(packet_id) {
            true => Err(self.violation(slot, Rule::AckMismatch)),
            false => Ok(()),
        }
    }

    pub(super) fn handle_pubrec(&mut self, slot: u32, ack: &Ack<'_>) -> Result<(), Error> {
        let session = self.connections[slot as usize].session;
        let outcome = self.sessions[session].outbound.handle_pubrec(ack.packet_id, ack.reason);
        let (reason, delivery) = match outcome {
            PubRecOutcome::Release(delivery) => (ReasonCode::Success, delivery.flatten()),
            PubRecOutcome::Refused(delivery) => {
                self.handle_slot_freed(slot, session, delivery.flatten().as_ref());
                return Ok(());
            }
            PubRecOutcome::Unknown => {
                self.check_mismatch(slot, ack.packet_id)?;
                if ack.reason.is_error() {
                    // It ended with the refusal.
                    return Ok(());
                }
                (ReasonCode::PacketIdentifierNotFound, None)
            }
        };
        let state = &self.sessions[session];
        let mut needs = Sequence::NONE;
        if state.is_stored() {
            let (sid, packet_id) = (state.sid, ack.packet_id);
            needs = match delivery {
                Some(delivery) => {
                    let mid = delivery.message.mid;
                    self.recorder.record(|| Record::Arrived { sid, mid, packet_id })
                }
                // It arrived before, perhaps on another connection.
                None => self.recorder.latest(),
            };
        }
        self.send_ack(slot, PacketType::PubRel, &Ack::new(ack.packet_id, reason), needs);
        Ok(())
    }

    pub(super) fn handle_pubcomp(&mut self, slot: u32, ack: &Ack<'_>) -> Result<(), Error> {
        let session = self.connections[slot as usize].session;
        let state = &mut self.sessions[session];
        if state.outbound.handle_pubcomp(ack.packet_id) {
            if state.is_stored() {
                let (sid, packet_id) = (state.sid, ack.packet_id);
                self.recorder.record(|| Record::Completed { sid, packet_id });
            }
            self.handle_slot_freed(slot, session, None);
            return Ok(());
        }
        self.check_mismatch(slot, ack.packet_id)
    }

    pub(super) fn handle_pubrel(&mut self, slot: u32, ack: &Ack<'_>) -> Result<(), Error> {
        let session = self.connections[slot as usize].session;
        let state = &mut self.sessions[session];
        let is_known = state.inbound.release(ack.packet_id);
        let mut needs = Sequence::NONE;
        if is_known && state.is_stored() {
            let (sid, packet_id) = (state.sid, ack.packet_id);
            needs = self.recorder.record(|| Record::Released { sid, packet_id });
        }
        let version = self.connections[slot as usize].version;
        let reason = match is_known || version != Version::V5 {
            true => ReasonCode::Success,
            false => ReasonCode::PacketIdentifierNotFound,
        };
        self.send_ack(slot, PacketType::PubComp, &Ack::new(ack.packet_id, reason), needs);
        Ok(())
    }

    /// The send window has room again, for what waits too: that is sent when all bytes that came with this are handled.
    fn handle_slot_freed(&mut self, slot: u32, session: SessionSlot, delivery: Option<&Delivery>) {
        self.finish_delivery(session, delivery);
        self.sessions[session].outbound.shrink();
        self.has_room |= self.has_waiting(slot, session);
    }
}
