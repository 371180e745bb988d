//! The broker as a pure state machine, one for each worker.
//!
//! Bytes of connections, letters of other workers, results of slow work and the time come in. What comes out:
//! bytes in the outboxes of connections (the dirty ones are listed), parcels for other workers, a submission for the
//! store, requests for parts of queues, effects ([`Effect`]) and the next deadline. No socket, clock, file or task is known here; a panic is a bug.
//!
//! Each kind of input has a file: `connect`, `publish`, `acknowledge`, `subscribe`, `disconnect`, `letter`,
//! `timeout`. What they share: `deliver` (a message to one session), `pump` (what waits, as room appears),
//! `acknowledgement` (answers that wait for the store).
//!
//! What core tells of itself: `observe` (incidents and events), `session_report`, `survey` (figures, `$SYS/broker/`),
//! `control` (requests of operators). `tour` brings them from worker to worker.

mod acknowledge;
mod acknowledgement;
mod admission;
mod bind;
mod connect;
mod connect_request;
mod connection;
mod control;
mod counters;
mod deliver;
mod disconnect;
mod exchange;
mod frames;
mod histogram;
mod incident;
mod input;
mod json;
mod letter;
mod load;
mod metrics;
mod numbers;
mod observe;
mod observed;
mod outbox;
mod pace;
mod page;
mod permission;
mod pressure;
mod publish;
mod pump;
mod restore;
mod retain;
mod session_end;
mod session_report;
mod settings;
mod shared;
mod shared_subscription;
mod shutdown;
mod store_state;
mod subscribe;
mod subscription_tables;
mod survey;
mod sys_tree;
#[cfg(test)]
mod tests;
mod timeout;
mod top;
mod tour;
mod user_sessions;
mod write_publish;

use std::collections::VecDeque;
use std::sync::Arc;

use crate::peer::Peer;
use crate::rights::Authorize;
use crate::router::cache::TopicCache;
use crate::router::local::LocalTable;
use crate::session::{SessionSlot, SessionTable};
use crate::slots::Slots;
use crate::store::{PageRequest, Recorder, Sequence, StoreState, Submission};
use crate::time::Time;

pub use admission::{Admission, Login, StillHolds};
pub use connect_request::{ConnectRequest, Refusal};
pub use connection::ConnectionId;
pub use connection::Overrun;
pub use counters::{Counters, Dropped, Gauges, Measures, Reached, Totals};
pub use exchange::{ExchangeState, Step, StepAnswer};
pub use histogram::Histogram;
pub use letter::{Letter, Parcel};
pub use outbox::Outbox;
pub use page::QueueMemory;
pub use pressure::Pressure;
pub use settings::{ListenerSettings, Settings};
pub use shared::Shared;
pub use survey::Purpose;
pub use tour::Tour;

use connection::Connection;
use frames::Frames;
use numbers::MessageNumbers;
use observe::Observations;
use observed::Observed;
use session_report::Refresh;
use survey::Surveyor;
use timeout::Timers;
use top::Top;

/// The number of a worker, from 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WorkerId(pub u16);

/// The state machine of one worker.
#[derive(Debug)]
pub struct Core {
    worker: WorkerId,
    shared: Arc<Shared>,
    settings: Arc<Settings>,
    rights: Arc<dyn Authorize>,
    connections: Slots<Connection>,
    next_generation: u32,
    sessions: SessionTable,
    table: LocalTable,
    cache: TopicCache,
    timers: Timers,
    /// When retained messages are looked at for some that have expired.
    retained_timer_at: Time,
    /// Letters for each worker, handed over at the end of the turn.
    lanes: Vec<Parcel>,
    recorder: Recorder,
    queue_memory: QueueMemory,
    /// Parts of queues that are to be read.
    page_requests: Vec<PageRequest>,
    store_state: StoreState,
    /// Whether much waits to be written.
    is_store_behind: bool,
    /// Everything up to here is durable.
    durable: Sequence,
    /// Connections that hold answers back until the store has caught up.
    holding: VecDeque<ConnectionId>,
    /// Connections whose input stopped because a lane was full.
    paused: Vec<ConnectionId>,
    /// Connections with something new in their outbox.
    dirty: Vec<u32>,
    effects: VecDeque<Effect>,
    frames: Frames,
    /// Whether the bytes that are being handled made room for what waits for the same client.
    has_room: bool,
    numbers: MessageNumbers,
    /// The topic of the message that was sent last from a queue, for its memory.
    drained_topic: String,
    /// Buffers of emptied outboxes, to be used again.
    buffers: Vec<Vec<u8>>,
    counters: Counters,
    observations: Observations,
    /// What an observer is told, if there is one.
    observed: Option<Observed>,
    /// Sessions with a connection.
    connected: usize,
    subscriptions: usize,
    shared_subscriptions: usize,
    /// Sessions that have, or had lately, a queue.
    backlogged: Vec<SessionSlot>,
    /// Connections whose sockets take, or took lately, nothing.
    blocked: Vec<ConnectionId>,
    /// Looks for figures of sessions that have changed, while somebody watches.
    refresh: Option<Refresh>,
    /// Topics and clients, counted while somebody watches.
    top: Option<Box<Top>>,
    surveyor: Surveyor,
    is_watching_memory: bool,
    /// Letters that wait for the store before they go on.
    held_tours: VecDeque<(Sequence, Box<Tour>)>,
    /// Once the broker stops: connections that wait for answers before they are told goodbye.
    leaving: Option<Vec<ConnectionId>>,
    /// Other workers that have published all that they had to, because the broker stops.
    silent_workers: u16,
}

/// What core wants done outside.
#[derive(Debug)]
pub enum Effect {
    /// Find out who this is, and call [`Core::handle_verdict`].
    Authenticate {
        /// The connection that waits.
        connection: ConnectionId,
        /// What it said.
        request: Box<ConnectRequest>,
    },
    /// Have a plug-in answer a step of enhanced authentication, and call [`Core::handle_step_answer`].
    Exchange {
        /// The connection that waits.
        connection: ConnectionId,
        /// The step.
        step: Box<Step>,
    },
    /// Move the connection to the worker where its session lives, and call [`Core::handle_adoption`] there.
    Handover {
        /// The slot of the connection, which is free when this is read.
        slot: u32,
        /// The worker.
        home: WorkerId,
        /// What it said.
        request: Box<ConnectRequest>,
        /// Who it is, and on what terms.
        admission: Admission,
    },
    /// Input is taken again: handle what is buffered, then read.
    Resume(u32),
    /// Write what is in the outbox, then close, and call [`Core::handle_closed`].
    Close(u32),
    /// Close at once, and call [`Core::handle_closed`].
    Abort(u32),
    /// Measure what core cannot know, and call [`Core::handle_measures`].
    Measure(Purpose),
    /// A client was not let in: log it.
    Refused {
        /// Where it is.
        peer: Peer,
        /// Why, as a sentence.
        text: &'static str,
    },
    /// Memory has become short, or is no longer: log it.
    Pressure(Pressure),
    /// The answer to [`Core::handle_request`].
    Answer {
        /// Who asked.
        token: u64,
        /// The answer.
        answer: serde_json::Value,
    },
    /// The answer to [`Core::handle_totals_request`].
    Totals {
        /// Who asked.
        token: u64,
        /// The figures.
        totals: Box<Totals>,
    },
}

/// Lanes over it stop the reading of those who publish into them.
const LANE_HIGH_BYTES: usize = 4 << 20;
/// Lanes under it let them go on.
const LANE_LOW_BYTES: usize = 2 << 20;
/// Lanes over it drop QoS 0.
const LANE_FULL_BYTES: usize = 8 << 20;

impl Core {
    /// The core of one worker.
    pub fn new(worker: WorkerId, shared: Arc<Shared>, settings: Arc<Settings>, recorder: Recorder) -> Core {
        let lanes = (0..shared.workers).map(|_| Parcel::default()).collect();
        Core {
            worker,
            durable: recorder.durable_at_start(),
            recorder,
            queue_memory: QueueMemory::default(),
            page_requests: Vec::new(),
            store_state: StoreState::Good,
            is_store_behind: false,
            rights: Arc::clone(&shared.first_rights),
            numbers: MessageNumbers::new(Arc::clone(&shared)),
            shared,
            settings,
            connections: Slots::default(),
            next_generation: 0,
            sessions: SessionTable::default(),
            table: LocalTable::default(),
            cache: TopicCache::new(worker),
            timers: Timers::default(),
            retained_timer_at: Time::NEVER,
            lanes,
            holding: VecDeque::new(),
            paused: Vec::new(),
            dirty: Vec::new(),
            effects: VecDeque::new(),
            frames: Frames::default(),
            has_room: false,
            drained_topic: String::new(),
            buffers: Vec::new(),
            counters: Counters::default(),
            observations: Observations::default(),
            observed: None,
            connected: 0,
            subscriptions: 0,
            shared_subscriptions: 0,
            backlogged: Vec::new(),
            blocked: Vec::new(),
            refresh: None,
            top: None,
            surveyor: Surveyor::default(),
            is_watching_memory: false,
            held_tours: VecDeque::new(),
            leaving: None,
            silent_workers: 0,
        }
    }

    /// The slots of all connections as they are now, for those who end some of them meanwhile.
    fn slots(&self) -> Vec<u32> {
        self.connections.iter().map(|(slot, _)| slot as u32).collect()
    }

    /// The outbox of a connection.
    pub fn outbox_mut(&mut self, slot: u32) -> &mut Outbox {
        &mut self.connections[slot as usize].outbox
    }

    /// Takes the list of connections with something new in their outbox.
    pub fn take_dirty(&mut self, into: &mut Vec<u32>) {
        into.clear();
        std::mem::swap(into, &mut self.dirty);
        for &slot in into.iter() {
            if let Some(connection) = self.connections.get_mut(slot as usize) {
                connection.is_dirty = false;
            }
        }
    }

    /// Whether the end of a turn would carry anything out: to the store, to other workers, or to clients. What
    /// happens while one is being carried out may leave something for the next.
    pub fn has_output(&self) -> bool {
        !self.dirty.is_empty()
            || self.recorder.has_pending()
            || self.has_page_requests()
            || self.has_events()
            || self.lanes.iter().any(|parcel| !parcel.is_empty())
    }

    /// What was recorded since the last time. Ends the turn as far as messages go.
    pub fn take_submission(&mut self) -> Option<Submission> {
        self.numbers.end_turn();
        self.recorder.take()
    }

    /// Whether answers wait, and the store has got further than core knows.
    pub fn is_waiting_for(&self, durable: Sequence) -> bool {
        durable > self.durable && !(self.holding.is_empty() && self.held_tours.is_empty())
    }

    /// The next thing to be done outside.
    pub fn poll_effect(&mut self) -> Option<Effect> {
        self.effects.pop_front()
    }

    /// What happened so far.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// So much time passed between the beginning of a turn and its last write, with the counters as they were then.
    pub fn count_turn(&mut self, duration_us: u64, messages_sent_before: u64) {
        let sent = self.counters.messages_sent - messages_sent_before;
        if sent > 0 {
            self.counters.delivery.record(duration_us, sent);
        }
    }

    /// The settings in force.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// New settings, for connections and requests to come.
    pub fn handle_settings(&mut self, now: Time, settings: Arc<Settings>) {
        self.settings = settings;
        self.watch_memory(now);
        self.replan_surveys(now);
    }

    /// A buffer that an outbox no longer needs.
    pub fn recycle(&mut self, mut buffer: Vec<u8>) {
        const MAX_BUFFERS: usize = 64;
        const MAX_BUFFER_BYTES: usize = 128 << 10;
        if self.buffers.len() < MAX_BUFFERS && (1..=MAX_BUFFER_BYTES).contains(&buffer.capacity()) {
            buffer.clear();
            self.buffers.push(buffer);
        }
    }

    /// Appends to the outbox of a connection.
    fn write(&mut self, slot: u32, write: impl FnOnce(&mut Vec<u8>)) {
        self.counters.packets_sent += 1;
        let connection = &mut self.connections[slot as usize];
        write(connection.outbox.tail(&mut self.buffers));
        self.mark_dirty(slot);
    }

    fn mark_dirty(&mut self, slot: u32) {
        let connection = &mut self.connections[slot as usize];
        if !connection.is_dirty {
            connection.is_dirty = true;
            self.dirty.push(slot);
        }
    }
}
