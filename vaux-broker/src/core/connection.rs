//! A connection as core sees it: what is forgotten when it closes.

use ::core::net::SocketAddr;
use std::collections::VecDeque;
use std::sync::Arc;

use vaux_mqtt::Version;
use vaux_mqtt::protocol::{InboundAliases, OutboundAliases, server_deadline_ms};

use super::acknowledgement::Held;
use super::exchange::Exchange;
use super::pace::Pace;
use super::pump::Replay;
use super::settings::ListenerSettings;
use super::{Core, Outbox};
use crate::peer::Peer;
use crate::session::{Session, SessionSlot};
use crate::store::Sequence;
use crate::time::Time;

/// A connection, and which of those that had its slot one after the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ConnectionId {
    /// Its place in the worker's table.
    pub slot: u32,
    /// Tells connections of one slot apart.
    pub generation: u32,
}

#[derive(Debug)]
pub(super) struct Connection {
    pub(super) generation: u32,
    pub(super) listener: Arc<ListenerSettings>,
    pub(super) peer: Peer,
    pub(super) phase: Phase,
    pub(super) version: Version,
    /// The session, while the phase is `Connected`.
    pub(super) session: SessionSlot,
    /// In seconds; 0 for none.
    pub(super) keep_alive: u16,
    /// What CONNECT said of the session.
    pub(super) clean_start: bool,
    /// When CONNECT was accepted.
    pub(super) connected_at: Time,
    /// The largest packet that the client takes.
    pub(super) maximum_packet_size: usize,
    /// Whether reason strings may go with other packets than CONNACK and DISCONNECT.
    pub(super) wants_problem_information: bool,
    /// Messages to the client that its session has not counted yet.
    pub(super) messages_out: u64,
    pub(super) is_dirty: bool,
    /// Whether it is listed among those whose sockets took nothing.
    pub(super) is_blocked: bool,
    /// Whether each of its packets is told.
    pub(super) is_traced: bool,
    /// Whether input stops because a lane is full.
    pub(super) is_paused: bool,
    /// Whether it came faster than connections may.
    pub(super) overrun: Overrun,
    /// How fast it publishes, while that is limited.
    pub(super) pace: Option<Box<Pace>>,
    /// Input stops until this is durable: what CONNECT wrote.
    pub(super) input_needs: Sequence,
    pub(super) last_received: Time,
    /// When the outbox last got shorter, or began to fill.
    pub(super) last_progress: Time,
    /// The timer that is set for this connection; others are ignored.
    pub(super) timer_at: Time,
    pub(super) outbox: Outbox,
    pub(super) held: Option<Box<Held>>,
    pub(super) aliases: Option<Box<Aliases>>,
    /// Enhanced authentication, of clients that named a method.
    pub(super) exchange: Option<Box<Exchange>>,
    /// When its proof of who it is runs out.
    pub(super) admitted_until: Time,
    /// Stands for that proof, 0 when it is not asked about again.
    pub(super) proof: u64,
    pub(super) replays: VecDeque<Replay>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// Nothing was received but parts of CONNECT.
    AwaitConnect,
    /// CONNECT was received; whose it is, is being found out.
    Authenticating,
    /// The client is asked for more to prove who it is.
    AwaitAuth,
    /// It has a session.
    Connected,
    /// It is to be closed when its outbox is written.
    Closing,
}

/// Which rate of connections was exceeded when one was accepted. Its CONNECT is refused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Overrun {
    /// None.
    #[default]
    None,
    /// That of the listener.
    ConnectRate,
    /// That of one address.
    ConnectRatePerIp,
}

impl Overrun {
    /// The key of the limit.
    pub(super) fn limit(self) -> Option<&'static str> {
        match self {
            Overrun::None => None,
            Overrun::ConnectRate => Some("connect_rate"),
            Overrun::ConnectRatePerIp => Some("connect_rate_per_ip"),
        }
    }
}

#[derive(Debug)]
pub(super) struct Aliases {
    pub(super) inbound: InboundAliases,
    pub(super) outbound: OutboundAliases,
}

/// How long a closing connection may take to read its last bytes.
const CLOSING_MS: u64 = 5_000;

impl Connection {
    /// Whether its CONNACK waits for the store. Until then it counts as offline.
    pub(super) fn awaits_connack(&self) -> bool {
        self.input_needs != Sequence::NONE
    }

    pub(super) fn takes_input(&self) -> bool {
        match self.phase {
            Phase::AwaitConnect | Phase::AwaitAuth => true,
            Phase::Connected => {
                let is_waiting = self.pace.as_ref().is_some_and(|pace| pace.is_waiting());
                !self.is_paused && !is_waiting && !self.awaits_connack()
            }
            Phase::Authenticating | Phase::Closing => false,
        }
    }

    /// When something has to be done about it if nothing happens.
    pub(super) fn deadline(&self, connect_timeout_ms: u64, write_stall_ms: u64) -> Time {
        match self.phase {
            Phase::AwaitConnect | Phase::AwaitAuth | Phase::Authenticating => {
                self.last_progress.plus_ms(connect_timeout_ms)
            }
            Phase::Closing => self.last_progress.plus_ms(CLOSING_MS),
            Phase::Connected => {
                let keep_alive = match server_deadline_ms(self.keep_alive, self.last_received.0) {
                    // Nothing can be heard from a client that is not read.
                    Some(deadline) if self.takes_input() => Time(deadline),
                    _ => Time::NEVER,
                };
                let stall = match self.outbox.is_empty() {
                    true => Time::NEVER,
                    false => self.last_progress.plus_ms(write_stall_ms),
                };
                let exchange = self.exchange.as_ref();
                let proof = exchange.map_or(Time::NEVER, |exchange| exchange.deadline(connect_timeout_ms));
                keep_alive.min(stall).min(proof).min(self.admitted_until)
            }
        }
    }
}

impl Core {
    /// A new connection on a listener.
    pub fn handle_accept(&mut self, now: Time, listener: Arc<ListenerSettings>, peer: Peer) -> u32 {
        self.counters.sockets += 1;
        let slot = self.insert_connection(now, listener, peer);
        self.watch(slot);
        slot
    }

    /// The connection came faster than allowed.
    pub fn handle_overrun(&mut self, slot: u32, overrun: Overrun) {
        if overrun != Overrun::None {
            self.connections[slot as usize].overrun = overrun;
        }
    }

    /// A proxy has said where the connection comes from.
    pub fn handle_proxied(&mut self, slot: u32, client: Option<SocketAddr>) {
        self.connections[slot as usize].peer = Peer::Proxied(client);
    }

    /// Some of the outbox was written.
    pub fn handle_written(&mut self, now: Time, slot: u32) {
        let connection = &mut self.connections[slot as usize];
        connection.last_progress = now;
        if connection.phase == Phase::Connected {
            if connection.outbox.is_empty() {
                self.pump(now, slot);
            } else {
                self.watch(slot);
            }
        }
    }

    /// The socket took so many bytes.
    pub fn count_written(&mut self, slot: u32, bytes: usize) {
        self.counters.bytes_sent += bytes as u64;
        if let Some(session) = self.session_of(slot) {
            session.traffic.bytes_out += bytes as u64;
        }
    }

    /// The session of a connection that has one.
    pub(super) fn session_of(&mut self, slot: u32) -> Option<&mut Session> {
        let connection = &self.connections[slot as usize];
        match connection.phase {
            Phase::Connected => self.sessions.get_mut(connection.session.0 as usize),
            _ => None,
        }
    }

    /// Writing stopped because the peer does not read: from now on it must make progress.
    pub fn handle_blocked(&mut self, now: Time, slot: u32) {
        let id = self.connection_id(slot);
        if !std::mem::replace(&mut self.connections[slot as usize].is_blocked, true) {
            self.blocked.push(id);
        }
        self.connections[slot as usize].last_progress = now;
        self.watch(slot);
    }

    /// The slot of a connection, if it is still the same one.
    pub fn slot_of(&self, id: ConnectionId) -> Option<u32> {
        let connection = self.connections.get(id.slot as usize)?;
        (connection.generation == id.generation).then_some(id.slot)
    }

    /// Which connection has a slot now.
    pub fn connection_id(&self, slot: u32) -> ConnectionId {
        ConnectionId { slot, generation: self.connections[slot as usize].generation }
    }

    /// The connections there are.
    pub fn connection_count(&self) -> usize {
        self.connections.len()
    }

    pub(super) fn insert_connection(
        &mut self,
        now: Time,
        listener: Arc<ListenerSettings>,
        peer: Peer,
    ) -> u32 {
        self.next_generation = self.next_generation.wrapping_add(1);
        let connection = Connection {
            generation: self.next_generation,
            listener,
            peer,
            phase: Phase::AwaitConnect,
            version: Version::V5,
            session: SessionSlot(u32::MAX),
            keep_alive: 0,
            clean_start: false,
            connected_at: now,
            maximum_packet_size: usize::MAX,
            wants_problem_information: true,
            messages_out: 0,
            is_dirty: false,
            is_blocked: false,
            is_traced: false,
            is_paused: false,
            overrun: Overrun::None,
            pace: None,
            input_needs: Sequence::NONE,
            last_received: now,
            last_progress: now,
            timer_at: Time::NEVER,
            outbox: Outbox::default(),
            held: None,
            aliases: None,
            exchange: None,
            admitted_until: Time::NEVER,
            proof: 0,
            replays: VecDeque::new(),
        };
        self.connections.insert(connection) as u32
    }
}
