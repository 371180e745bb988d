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
use crate::peer::{CompactPeer, Peer};
use crate::session::{SessionSlot, Traffic};
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

/// There may be very many of them, most of which do nothing: what few have at a time is in [`Extras`].
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) generation: u32,
    /// The session, while the phase is `Connected`.
    pub(super) session: SessionSlot,
    pub(super) listener: Arc<ListenerSettings>,
    pub(super) peer: CompactPeer,
    pub(super) phase: Phase,
    pub(super) version: Version,
    /// In seconds; 0 for none.
    pub(super) keep_alive: u16,
    /// The highest topic alias that the client may use.
    pub(super) topic_alias_maximum: u16,
    /// What CONNECT said of the session.
    pub(super) clean_start: bool,
    /// Whether reason strings may go with other packets than CONNACK and DISCONNECT.
    pub(super) wants_problem_information: bool,
    pub(super) is_dirty: bool,
    /// Whether it is listed among those whose sockets took nothing.
    pub(super) is_blocked: bool,
    /// Whether input stops because a lane is full.
    pub(super) is_paused: bool,
    /// Whether it came faster than connections may.
    pub(super) overrun: Overrun,
    /// The largest packet that the client takes.
    maximum_packet_size: u32,
    /// When CONNECT was accepted.
    pub(super) connected_at: Time,
    /// What went through it since CONNECT. Its session adds it up when it ends.
    pub(super) traffic: Traffic,
    pub(super) last_received: Time,
    /// When the outbox last got shorter, or began to fill.
    pub(super) last_progress: Time,
    /// The timer that is set for this connection; others are ignored.
    pub(super) timer_at: Time,
    pub(super) outbox: Outbox,
    /// Stands for its proof of who it is, 0 when that is not asked about again.
    pub(super) proof: u64,
    pub(super) extras: Option<Box<Extras>>,
}

/// What most connections do not have, or not for long.
#[derive(Debug, Default)]
pub(super) struct Extras {
    /// Input stops until this is durable: what CONNECT wrote.
    pub(super) input_needs: Sequence,
    /// How fast it publishes, while that is limited.
    pub(super) pace: Option<Pace>,
    pub(super) held: Option<Held>,
    pub(super) aliases: Option<Box<Aliases>>,
    /// Enhanced authentication, of clients that named a method.
    pub(super) exchange: Option<Box<Exchange>>,
    /// When its proof of who it is runs out.
    pub(super) admitted_until: Option<Time>,
    pub(super) replays: VecDeque<Replay>,
    /// Whether each packet is told.
    pub(super) is_traced: bool,
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

impl Connection {
    /// What most connections do not have, of which this is one now. [`Connection::settle`] gives it back.
    pub(super) fn extras_mut(&mut self) -> &mut Extras {
        self.extras.get_or_insert_default()
    }

    /// Gives back what is not used any more of that which most connections do not have.
    pub(super) fn settle(&mut self) {
        if self.extras.as_ref().is_some_and(|extras| extras.is_unused()) {
            self.extras = None;
        }
    }

    /// Forgets what was to be sent later.
    pub(super) fn stop_sending(&mut self) {
        if let Some(extras) = &mut self.extras {
            extras.held = None;
            extras.replays = VecDeque::new();
            self.settle();
        }
    }

    /// Whether the client takes packets of any length.
    pub(super) fn takes_any(&self) -> bool {
        self.maximum_packet_size == u32::MAX
    }

    /// Whether the client takes a packet of this length.
    pub(super) fn takes(&self, packet_len: usize) -> bool {
        packet_len <= self.maximum_packet_size as usize
    }

    pub(super) fn set_maximum_packet_size(&mut self, bytes: usize) {
        self.maximum_packet_size = u32::try_from(bytes).unwrap_or(u32::MAX);
    }

    /// What it is not sent before something is durable.
    pub(super) fn held(&self) -> Option<&Held> {
        self.extras.as_ref()?.held.as_ref()
    }

    /// Whether retained messages are on their way to it.
    pub(super) fn has_replays(&self) -> bool {
        self.extras.as_ref().is_some_and(|extras| !extras.replays.is_empty())
    }

    /// Whether it is sent messages in forms that others get, too.
    pub(super) fn takes_forms(&self) -> bool {
        self.listener.mount.is_empty() && self.extras.as_ref().is_none_or(|extras| extras.takes_forms())
    }

    /// Whether its CONNACK waits for the store. Until then it counts as offline.
    pub(super) fn awaits_connack(&self) -> bool {
        self.extras.as_ref().is_some_and(|extras| extras.input_needs != Sequence::NONE)
    }

    /// What CONNECT wrote is durable, if it is up to here: true when its CONNACK has waited for that.
    pub(super) fn end_waiting_for(&mut self, durable: Sequence) -> bool {
        let Some(extras) = &mut self.extras else { return false };
        if extras.input_needs == Sequence::NONE || extras.input_needs > durable {
            return false;
        }
        extras.input_needs = Sequence::NONE;
        self.settle();
        true
    }

    pub(super) fn takes_input(&self) -> bool {
        match self.phase {
            Phase::AwaitConnect | Phase::AwaitAuth => true,
            Phase::Connected => {
                let is_held_up = self.extras.as_ref().is_some_and(|extras| extras.holds_up_input());
                !self.is_paused && !is_held_up
            }
            Phase::Authenticating | Phase::Closing => false,
        }
    }

    /// When something has to be done about it if nothing happens.
    pub(super) fn deadline(&self, connect_timeout_ms: u64, write_stall_ms: u64, closing_ms: u64) -> Time {
        match self.phase {
            Phase::AwaitConnect | Phase::AwaitAuth | Phase::Authenticating => {
                self.last_progress.plus_ms(connect_timeout_ms)
            }
            Phase::Closing => self.last_progress.plus_ms(closing_ms),
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
                let proof = self.proof_deadline(connect_timeout_ms);
                keep_alive.min(stall).min(proof).min(self.admitted_until())
            }
        }
    }

    /// When its proof of who it is runs out.
    pub(super) fn admitted_until(&self) -> Time {
        self.extras.as_ref().and_then(|extras| extras.admitted_until).unwrap_or(Time::NEVER)
    }

    /// When a client that proves itself anew must have done so.
    pub(super) fn proof_deadline(&self, connect_timeout_ms: u64) -> Time {
        let exchange = self.extras.as_ref().and_then(|extras| extras.exchange.as_ref());
        exchange.map_or(Time::NEVER, |exchange| exchange.deadline(connect_timeout_ms))
    }
}

impl Extras {
    fn is_unused(&self) -> bool {
        let Extras { input_needs, pace, held, aliases, exchange, admitted_until, replays, is_traced } = self;
        *input_needs == Sequence::NONE
            && pace.is_none()
            && held.is_none()
            && aliases.is_none()
            && exchange.is_none()
            && admitted_until.is_none()
            && replays.is_empty()
            && !is_traced
    }

    /// Nothing is told of what is sent, nothing waits that must leave before, and topics get no aliases.
    fn takes_forms(&self) -> bool {
        !self.is_traced
            && self.held.as_ref().is_none_or(|held| held.publishes == 0)
            && self.aliases.as_ref().is_none_or(|aliases| !aliases.outbound.is_enabled())
    }

    fn holds_up_input(&self) -> bool {
        self.input_needs != Sequence::NONE || self.pace.as_ref().is_some_and(|pace| pace.is_waiting())
    }
}

impl Aliases {
    /// As many as were announced in each direction.
    pub(super) fn new(inbound_maximum: u16, outbound_maximum: u16) -> Aliases {
        Aliases {
            inbound: InboundAliases::new(inbound_maximum),
            outbound: OutboundAliases::new(outbound_maximum),
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
        self.connections[slot as usize].peer = Peer::Proxied(client).into();
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
        let connection = &mut self.connections[slot as usize];
        if connection.phase == Phase::Connected {
            connection.traffic.bytes_out += bytes as u64;
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
            session: SessionSlot(u32::MAX),
            listener,
            peer: peer.into(),
            phase: Phase::AwaitConnect,
            version: Version::V5,
            keep_alive: 0,
            topic_alias_maximum: 0,
            clean_start: false,
            wants_problem_information: true,
            is_dirty: false,
            is_blocked: false,
            is_paused: false,
            overrun: Overrun::None,
            maximum_packet_size: u32::MAX,
            connected_at: now,
            traffic: Traffic::default(),
            last_received: now,
            last_progress: now,
            timer_at: Time::NEVER,
            outbox: Outbox::default(),
            proof: 0,
            extras: None,
        };
        self.connections.insert(connection) as u32
    }
}
