//! What a client keeps of its session between connections.

use alloc::vec::Vec;

use crate::error::Rule;
use crate::packet::{PacketId, Publish};
use crate::protocol::{InFlight, Inbound, Outbound};

/// A message that a client sends.
///
/// It is kept while it is under way, since it may have to be sent again.
pub trait Outgoing {
    /// The message as a packet with its topic in full. DUP and the packet identifier are not looked at.
    fn publish(&self) -> Publish<'_>;
}

/// What a client keeps of its session between connections: messages under way in both directions, and packet
/// identifiers.
#[derive(Clone, Debug)]
pub struct Session<M> {
    pub(super) outbound: Outbound<M>,
    pub(super) inbound: Inbound,
    /// Whether the client has state of a session, be it that nothing is under way.
    pub(super) exists: bool,
}

/// A message that will not be delivered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lost<M> {
    /// The packet identifier that it had.
    pub packet_id: PacketId,
    /// The message. `None` when the server had it, but the exchange was not over.
    pub message: Option<M>,
    /// Why.
    pub reason: LostReason,
}

/// Why a message will not be delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LostReason {
    /// The session is gone, at the server or by a clean start.
    Session,
    /// The server takes such messages no more: it now has a smaller largest packet, a lower maximum QoS, or does not
    /// retain messages.
    NotTaken(Rule),
}

impl<M> Session<M> {
    /// No session. A server that says that it has one is then wrong (`MQTT-3.2.2-4`).
    pub fn new() -> Self {
        Session { outbound: Outbound::new(), inbound: Inbound::new(), exists: false }
    }

    /// A session in which nothing is under way, for a client that continues one which it has no record of.
    pub fn resumed() -> Self {
        Session { exists: true, ..Session::new() }
    }

    /// Whether the client has state of a session.
    pub fn exists(&self) -> bool {
        self.exists
    }

    /// How many messages to the server are under way.
    pub fn in_flight_count(&self) -> usize {
        self.outbound.len()
    }

    /// The messages under way to the server, oldest first; the session is then new.
    pub fn discard(&mut self) -> Vec<Lost<M>> {
        let lost =
            self.outbound.extract(|_| true).into_iter().map(|entry| Lost::new(entry, LostReason::Session));
        let lost = lost.collect();
        *self = Session::new();
        lost
    }
}

impl<M> Default for Session<M> {
    fn default() -> Self {
        Session::new()
    }
}

impl<M> Lost<M> {
    pub(super) fn new(entry: InFlight<M>, reason: LostReason) -> Self {
        Lost { packet_id: entry.packet_id, message: entry.message, reason }
    }
}
