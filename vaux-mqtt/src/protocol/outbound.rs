//! Messages with QoS above 0 on their way to the peer: packet identifiers, send window, redelivery.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::vec::Vec;

use crate::packet::PacketId;
use crate::reason::ReasonCode;
use crate::version::QoS;

/// The sender's half of QoS 1 and 2.
///
/// In flight are all messages whose exchange is not complete, in the order of their first sending, which is also the
/// order of their packet identifiers. Those in front of `sent` were sent on the present connection and fill the send
/// window; those behind it wait to be sent again after a session was resumed.
///
/// `M` is the caller's handle of a message. It is given back when the peer has the message.
#[derive(Clone, Debug)]
pub struct Outbound<M> {
    in_flight: VecDeque<InFlight<M>>,
    /// How many entries of `in_flight` were sent on this connection.
    sent: u32,
    window: u16,
    last_id: Option<PacketId>,
    /// Identifiers that SUBSCRIBE and UNSUBSCRIBE hold. A server has none: there may be very many of its sessions.
    requests: Option<Box<Requests>>,
}

#[derive(Clone, Debug, Default)]
struct Requests(Vec<PacketId>);

/// A message whose exchange is not complete.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InFlight<M> {
    /// The identifier that the exchange uses.
    pub packet_id: PacketId,
    /// What the peer has to send next.
    pub state: SendState,
    /// The message, until the peer has it.
    pub message: Option<M>,
}

/// What the peer has to send next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SendState {
    /// PUBACK, for a message with QoS 1.
    AwaitPubAck,
    /// PUBREC, for a message with QoS 2.
    AwaitPubRec,
    /// PUBCOMP: the message arrived, PUBREL was sent.
    AwaitPubComp,
}

/// What a PUBREC leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PubRecOutcome<M> {
    /// Send PUBREL. The message is given back the first time.
    Release(Option<M>),
    /// The peer refused the message: the exchange is over.
    Refused(Option<M>),
    /// No message with QoS 2 has this identifier. Version 5.0 answers PUBREL with 0x92.
    Unknown,
}

/// A packet to send again after a session was resumed.
#[derive(Debug, PartialEq, Eq)]
pub enum Resend<'a, M> {
    /// PUBLISH with DUP.
    Publish {
        /// Its old identifier.
        packet_id: PacketId,
        /// Its QoS.
        qos: QoS,
        /// The message.
        message: &'a mut M,
    },
    /// PUBREL.
    PubRel(PacketId),
}

impl<M> Default for Outbound<M> {
    fn default() -> Self {
        Outbound { in_flight: VecDeque::new(), sent: 0, window: 0, last_id: None, requests: None }
    }
}

impl<M> Outbound<M> {
    /// A session without messages under way, and a window of 0 until [`Outbound::begin_connection`].
    pub fn new() -> Self {
        Outbound::default()
    }

    /// A new connection of the session: everything in flight waits to be sent again, and at most `window` messages
    /// may be unacknowledged. Requests of the old connection are forgotten.
    pub fn begin_connection(&mut self, window: u16) {
        self.sent = 0;
        self.window = window;
        self.requests = None;
    }

    /// How many messages may be unacknowledged on this connection.
    pub fn window(&self) -> u16 {
        self.window
    }

    /// Whether another message may be sent: everything was sent again, and the window is not full.
    pub fn has_room(&self) -> bool {
        self.is_all_sent() && self.sent < u32::from(self.window)
    }

    /// Whether everything in flight was sent on this connection.
    pub fn is_all_sent(&self) -> bool {
        self.sent as usize == self.in_flight.len()
    }

    /// Takes a packet identifier for a message with QoS above 0 that is sent now. `None` without room.
    pub fn send(&mut self, qos: QoS, message: M) -> Option<PacketId> {
        if !self.has_room() {
            return None;
        }
        let packet_id = self.next_id()?;
        let state = if qos == QoS::ExactlyOnce { SendState::AwaitPubRec } else { SendState::AwaitPubAck };
        self.in_flight.push_back(InFlight { packet_id, state, message: Some(message) });
        self.sent += 1;
        Some(packet_id)
    }

    /// The handle of the message that was sent last, for those who need their own until it is written.
    pub fn last_mut(&mut self) -> Option<&mut M> {
        self.in_flight.back_mut()?.message.as_mut()
    }

    /// Takes back a message that cannot be sent after all, such as one that is too large for the peer.
    pub fn forget(&mut self, packet_id: PacketId) -> Option<M> {
        let index = self.find(packet_id)?;
        self.remove(index)
    }

    /// Takes a packet identifier for SUBSCRIBE or UNSUBSCRIBE, `None` when all are in use.
    pub fn reserve_id(&mut self) -> Option<PacketId> {
        let packet_id = self.next_id()?;
        self.requests.get_or_insert_default().0.push(packet_id);
        Some(packet_id)
    }

    /// Frees the identifier of a request that was answered; false when it was none.
    pub fn release_id(&mut self, packet_id: PacketId) -> bool {
        let Some(requests) = &mut self.requests else { return false };
        let Some(index) = requests.0.iter().position(|&id| id == packet_id) else { return false };
        requests.0.swap_remove(index);
        true
    }

    /// The message with QoS 1 that PUBACK acknowledges, whatever its reason code. `None` when there is none.
    pub fn handle_puback(&mut self, packet_id: PacketId) -> Option<M> {
        let index = self.find(packet_id)?;
        if self.in_flight[index].state != SendState::AwaitPubAck {
            return None;
        }
        self.remove(index)
    }

    /// What PUBREC leads to.
    pub fn handle_pubrec(&mut self, packet_id: PacketId, reason: ReasonCode) -> PubRecOutcome<M> {
        let Some(index) = self.find(packet_id) else { return PubRecOutcome::Unknown };
        match self.in_flight[index].state {
            SendState::AwaitPubAck => PubRecOutcome::Unknown,
            SendState::AwaitPubRec if reason.is_error() => PubRecOutcome::Refused(self.remove(index)),
            SendState::AwaitPubRec | SendState::AwaitPubComp => {
                let entry = &mut self.in_flight[index];
                entry.state = SendState::AwaitPubComp;
                PubRecOutcome::Release(entry.message.take())
            }
        }
    }

    /// Ends the exchange that PUBCOMP completes; false when there is none.
    pub fn handle_pubcomp(&mut self, packet_id: PacketId) -> bool {
        match self.find(packet_id) {
            Some(index) if self.in_flight[index].state == SendState::AwaitPubComp => {
                self.remove(index);
                true
            }
            _ => false,
        }
    }

    /// Whether a message is under way with this identifier. An acknowledgement that led to nothing then contradicts
    /// its QoS, or comes too early.
    pub fn is_in_flight(&self, packet_id: PacketId) -> bool {
        self.find(packet_id).is_some()
    }

    /// The next packet to send again, in the order of first sending and as far as the window allows. PUBREL needs no
    /// room in it.
    pub fn next_resend(&mut self) -> Option<Resend<'_, M>> {
        let is_full = self.sent >= u32::from(self.window);
        let entry = self.in_flight.get_mut(self.sent as usize)?;
        let packet_id = entry.packet_id;
        let resend = match (entry.state, entry.message.as_mut()) {
            (SendState::AwaitPubAck | SendState::AwaitPubRec, _) if is_full => return None,
            (SendState::AwaitPubAck, Some(message)) => {
                Resend::Publish { packet_id, qos: QoS::AtLeastOnce, message }
            }
            (SendState::AwaitPubRec, Some(message)) => {
                Resend::Publish { packet_id, qos: QoS::ExactlyOnce, message }
            }
            _ => Resend::PubRel(packet_id),
        };
        self.sent += 1;
        Some(resend)
    }

    /// Puts a message in flight as a store remembers it, behind those that are. Call in the order of first sending.
    pub fn restore(&mut self, entry: InFlight<M>) {
        self.last_id = Some(entry.packet_id);
        self.in_flight.push_back(entry);
    }

    /// What is in flight, in the order of first sending.
    pub fn in_flight(&self) -> impl ExactSizeIterator<Item = &InFlight<M>> + DoubleEndedIterator {
        self.in_flight.iter()
    }

    /// How many exchanges are not complete.
    pub fn len(&self) -> usize {
        self.in_flight.len()
    }

    /// Whether nothing is in flight.
    pub fn is_empty(&self) -> bool {
        self.in_flight.is_empty()
    }

    /// Takes out the entries that `is_wanted` picks, in their order. For messages that another session is to get.
    pub fn extract(&mut self, mut is_wanted: impl FnMut(&InFlight<M>) -> bool) -> Vec<InFlight<M>> {
        let mut extracted = Vec::new();
        let mut index = 0;
        while index < self.in_flight.len() {
            if is_wanted(&self.in_flight[index]) {
                if index < self.sent as usize {
                    self.sent -= 1;
                }
                extracted.extend(self.in_flight.remove(index));
            } else {
                index += 1;
            }
        }
        extracted
    }

    /// Gives back the memory that long windows took, once nothing is in flight.
    pub fn shrink(&mut self) {
        if self.in_flight.is_empty() {
            self.in_flight = VecDeque::new();
        }
    }

    /// The identifier after the last one, skipping those in use. `None` when all are.
    fn next_id(&mut self) -> Option<PacketId> {
        let requests = self.requests.as_ref().map_or(&[][..], |requests| &requests.0);
        if self.in_flight.len() + requests.len() >= usize::from(u16::MAX) {
            return None;
        }
        let mut candidate = self.last_id.map_or(PacketId::FIRST, PacketId::next);
        // Identifiers in flight ascend from the oldest around to the newest, so that the next one can only meet the
        // oldest ones, in their order. Requests have no order, but are few.
        let mut oldest = self.in_flight.iter().map(|entry| entry.packet_id).peekable();
        loop {
            if oldest.next_if_eq(&candidate).is_none() && !requests.contains(&candidate) {
                break;
            }
            candidate = candidate.next();
        }
        self.last_id = Some(candidate);
        Some(candidate)
    }

    /// Where `packet_id` is in flight. Distances from the oldest identifier ascend, and mostly it is the oldest.
    fn find(&self, packet_id: PacketId) -> Option<usize> {
        let oldest = self.in_flight.front()?.packet_id;
        if packet_id == oldest {
            return Some(0);
        }
        let distance = |id: PacketId| id.value().wrapping_sub(oldest.value());
        self.in_flight.binary_search_by_key(&distance(packet_id), |entry| distance(entry.packet_id)).ok()
    }

    fn remove(&mut self, index: usize) -> Option<M> {
        if index < self.sent as usize {
            self.sent -= 1;
        }
        let entry = if index == 0 { self.in_flight.pop_front() } else { self.in_flight.remove(index) };
        entry?.message
    }
}

#[cfg(test)]
mod tests;
