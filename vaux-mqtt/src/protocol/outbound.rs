//! Messages with QoS above 0 on their way to the peer: packet identifiers, send window, redelivery.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::cmp::Ordering;

use crate::packet::PacketId;
use crate::reason::ReasonCode;
use crate::version::QoS;

/// The sender's half of QoS 1 and 2.
///
/// In flight are all messages whose exchange is not complete, in the order of their first sending, which is also the
/// order of their packet identifiers. Those in front of `sent` were sent on the present connection and fill the send
/// window; those behind it wait to be sent again after a session was resumed.
///
/// The oldest may still be there when the identifiers have come around to its own, be it that an application takes its
/// time with one message of QoS 2. It is then overtaken: the entries behind `overtaken` ascend around from the first of
/// them to the last, so that one is found without looking at all, and those in front of it are few.
///
/// `M` is the caller's handle of a message. It is given back when the peer has the message.
#[derive(Clone, Debug)]
pub struct Outbound<M> {
    in_flight: VecDeque<InFlight<M>>,
    /// How many entries of `in_flight` were sent on this connection. Identifiers are unique, so that there are no more.
    sent: u16,
    /// How many entries in front are not part of the ascending order of those behind them.
    overtaken: u16,
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
        Outbound {
            in_flight: VecDeque::new(),
            sent: 0,
            overtaken: 0,
            window: 0,
            last_id: None,
            requests: None,
        }
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

    /// Whether another message may be sent: everything was sent again, the window is not full, and the peer does not
    /// leave very many messages unacknowledged while it acknowledges all others.
    pub fn has_room(&self) -> bool {
        self.is_all_sent() && self.sent < self.window && self.overtaken < OVERTAKEN_MAX
    }

    /// Whether everything in flight was sent on this connection.
    pub fn is_all_sent(&self) -> bool {
        usize::from(self.sent) == self.in_flight.len()
    }

    /// Takes a packet identifier for a message with QoS above 0 that is sent now. `None` without room.
    pub fn send(&mut self, qos: QoS, message: M) -> Option<PacketId> {
        if !self.has_room() {
            return None;
        }
        let packet_id = self.next_id()?;
        let state = if qos == QoS::ExactlyOnce { SendState::AwaitPubRec } else { SendState::AwaitPubAck };
        self.push(InFlight { packet_id, state, message: Some(message) });
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
        let is_full = self.sent >= self.window;
        let entry = self.in_flight.get_mut(usize::from(self.sent))?;
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
        self.push(entry);
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
                extracted.extend(self.remove_entry(index));
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
        // Requests have no order, but are few.
        while !self.is_free(candidate) || requests.contains(&candidate) {
            candidate = candidate.next();
        }
        self.last_id = Some(candidate);
        Some(candidate)
    }

    /// Whether `packet_id` is not in flight. Mostly it is newer than all that are.
    fn is_free(&self, packet_id: PacketId) -> bool {
        (self.overtaken == 0 && self.ascends(packet_id)) || self.find(packet_id).is_none()
    }

    /// Puts an entry behind all others, which overtakes those whose identifiers it has come around to.
    fn push(&mut self, entry: InFlight<M>) {
        while !self.ascends(entry.packet_id) {
            self.overtaken += 1;
        }
        self.in_flight.push_back(entry);
    }

    /// Whether `packet_id` comes behind the newest of those that ascend, and has not come around to the oldest.
    fn ascends(&self, packet_id: PacketId) -> bool {
        let (Some(oldest), Some(newest)) = (self.oldest_in_order(), self.in_flight.back()) else {
            return true;
        };
        distance(oldest, newest.packet_id) < distance(oldest, packet_id)
    }

    /// The identifier from which on those behind it ascend.
    fn oldest_in_order(&self) -> Option<PacketId> {
        self.in_flight.get(usize::from(self.overtaken)).map(|entry| entry.packet_id)
    }

    /// Where `packet_id` is in flight. Mostly it is the oldest that is asked for.
    fn find(&self, packet_id: PacketId) -> Option<usize> {
        if self.in_flight.front()?.packet_id == packet_id {
            return Some(0);
        }
        let in_order = self.find_in_order(packet_id);
        if in_order.is_some() || self.overtaken == 0 {
            return in_order;
        }
        let overtaken = self.in_flight.iter().take(usize::from(self.overtaken));
        overtaken.map(|entry| entry.packet_id).position(|id| id == packet_id)
    }

    fn find_in_order(&self, packet_id: PacketId) -> Option<usize> {
        let (oldest, newest) = (self.oldest_in_order()?, self.in_flight.back()?.packet_id);
        let wanted = distance(oldest, packet_id);
        if wanted > distance(oldest, newest) {
            return None;
        }
        let (mut low, mut high) = (usize::from(self.overtaken), self.in_flight.len());
        while low < high {
            let middle = low.midpoint(high);
            match distance(oldest, self.in_flight[middle].packet_id).cmp(&wanted) {
                Ordering::Less => low = middle + 1,
                Ordering::Equal => return Some(middle),
                Ordering::Greater => high = middle,
            }
        }
        None
    }

    fn remove(&mut self, index: usize) -> Option<M> {
        self.remove_entry(index)?.message
    }

    fn remove_entry(&mut self, index: usize) -> Option<InFlight<M>> {
        self.sent -= u16::from(index < usize::from(self.sent));
        self.overtaken -= u16::from(index < usize::from(self.overtaken));
        if index == 0 { self.in_flight.pop_front() } else { self.in_flight.remove(index) }
    }
}

/// How many identifiers after `oldest` another one comes.
fn distance(oldest: PacketId, packet_id: PacketId) -> u16 {
    packet_id.value().wrapping_sub(oldest.value())
}

/// How many messages may wait for their acknowledgement while a whole turn of identifiers is used. They are looked
/// through one by one.
const OVERTAKEN_MAX: u16 = 1024;

#[cfg(test)]
mod tests;
