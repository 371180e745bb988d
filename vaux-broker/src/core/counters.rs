//! What happened, in numbers: what one worker counts, and what all of them come to.

use serde::Serialize;

use super::histogram::Histogram;
use crate::store::StoreState;

/// Declares a struct of counts whose fields are added one by one, so that none is forgotten.
macro_rules! counts {
    ($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident: $type:ty),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
        pub struct $name { $($(#[$field_doc])* pub $field: $type),* }

        impl $name {
            /// Adds the counts of another worker.
            pub fn add(&mut self, other: &$name) {
                $(self.$field.add(&other.$field);)*
            }
        }
    };
}

/// What can be added up over workers.
trait Add {
    fn add(&mut self, other: &Self);
}

impl Add for u64 {
    fn add(&mut self, other: &u64) {
        *self += other;
    }
}

counts! {
    /// Counts of one worker since the start.
    Counters {
        /// Bytes of clients that made packets.
        bytes_received: u64,
        /// Bytes that sockets took.
        bytes_sent: u64,
        /// Packets of clients, of all types.
        packets_received: u64,
        /// Packets to clients, of all types.
        packets_sent: u64,
        /// Messages of clients.
        messages_received: u64,
        /// Messages written to clients' outboxes.
        messages_sent: u64,
        /// Bytes of payload in messages of clients.
        payload_bytes_received: u64,
        /// Bytes of payload in messages to clients.
        payload_bytes_sent: u64,
        /// Connections that were accepted.
        sockets: u64,
        /// Clients that connected: CONNECTs that were accepted.
        connects: u64,
        /// CONNECTs that were refused.
        refused_connects: u64,
        /// Sessions that ended because nobody came back for them in time.
        expired_sessions: u64,
        /// Connections that ended because the client's proof of who it is ran out.
        expired_credentials: u64,
        /// Connections that ended because what the client logged in with did not count any more.
        revoked_credentials: u64,
        /// How often clients were not read because they published too fast.
        paced: u64,
        /// Clients that were not let in, by the limit that was reached.
        reached: Reached,
        /// Incidents and events that found no room, and were forgotten.
        forgotten_events: u64,
        /// Messages that were not delivered to one session, by cause.
        dropped: Dropped,
        /// How long messages took from the socket of their publisher to those of their subscribers, in the turns of
        /// this worker.
        #[serde(skip)]
        delivery: Histogram,
    }
}

counts! {
    /// Messages that were not delivered to one session, by cause.
    Dropped {
        /// QoS 0, and the client did not read fast enough.
        slow_reader: u64,
        /// The queue was full.
        queue_full: u64,
        /// The packet would have been larger than the client takes.
        too_large: u64,
        /// The message expired while it waited.
        expired: u64,
        /// QoS 0, and another worker did not keep up.
        lane_full: u64,
        /// Nobody was left of a shared subscription.
        no_member: u64,
        /// QoS 0, and memory was short.
        memory_full: u64,
        /// It could not be read from the store.
        damaged: u64,
        /// Its publisher or its receiver may not, or the message breaks a limit, or there is no store for it.
        refused: u64,
    }
}

counts! {
    /// Clients that were not let in, by the limit that was reached.
    Reached {
        /// Connections of a listener, or of the broker.
        max_connections: u64,
        /// Connections of one address.
        max_connections_per_ip: u64,
        /// Sessions.
        max_sessions: u64,
        /// Sessions of one user.
        max_sessions_per_user: u64,
        /// Connected sessions.
        max_active_sessions: u64,
        /// Connections in a second.
        connect_rate: u64,
        /// Connections of one address in a second.
        connect_rate_per_ip: u64,
        /// Time from accept to CONNECT.
        connect_timeout: u64,
        /// Memory.
        memory_limit: u64,
    }
}

impl Counters {
    /// Counts a message to a client.
    pub(super) fn count_sent(&mut self, payload_len: usize) {
        self.packets_sent += 1;
        self.messages_sent += 1;
        self.payload_bytes_sent += payload_len as u64;
    }
}

impl Reached {
    /// Counts a limit by its key in the configuration. Those of single clients have counters elsewhere.
    pub(super) fn count(&mut self, limit: Option<&str>) {
        let mut all = self.by_limit_mut().into_iter();
        if let Some((_, counter)) = all.find(|(key, _)| Some(*key) == limit) {
            *counter += 1;
        }
    }

    /// Each limit, by its key in the configuration, with its count.
    pub fn by_limit(mut self) -> [(&'static str, u64); 9] {
        self.by_limit_mut().map(|(key, count)| (key, *count))
    }

    fn by_limit_mut(&mut self) -> [(&'static str, &mut u64); 9] {
        [
            ("max_connections", &mut self.max_connections),
            ("max_connections_per_ip", &mut self.max_connections_per_ip),
            ("max_sessions", &mut self.max_sessions),
            ("max_sessions_per_user", &mut self.max_sessions_per_user),
            ("max_active_sessions", &mut self.max_active_sessions),
            ("connect_rate", &mut self.connect_rate),
            ("connect_rate_per_ip", &mut self.connect_rate_per_ip),
            ("connect_timeout", &mut self.connect_timeout),
            ("memory_limit", &mut self.memory_limit),
        ]
    }
}

impl Add for Reached {
    fn add(&mut self, other: &Reached) {
        Reached::add(self, other);
    }
}

impl Add for Dropped {
    fn add(&mut self, other: &Dropped) {
        Dropped::add(self, other);
    }
}

impl Add for Histogram {
    fn add(&mut self, other: &Histogram) {
        Histogram::add(self, other);
    }
}

impl Dropped {
    /// All of them.
    pub fn total(&self) -> u64 {
        self.by_cause().iter().map(|(_, count)| count).sum()
    }

    /// Each cause with its count, by the name that it has in `$SYS`, `vaux why` and `/metrics`.
    pub fn by_cause(&self) -> [(&'static str, u64); 9] {
        let Dropped {
            slow_reader,
            queue_full,
            too_large,
            expired,
            lane_full,
            no_member,
            memory_full,
            damaged,
            refused,
        } = *self;
        [
            ("slow-reader", slow_reader),
            ("queue-full", queue_full),
            ("too-large", too_large),
            ("expired", expired),
            ("lane-full", lane_full),
            ("no-member", no_member),
            ("memory-full", memory_full),
            ("damaged", damaged),
            ("refused", refused),
        ]
    }
}

counts! {
    /// What one worker has at present.
    Gauges {
        /// Connections, with those that have not sent CONNECT.
        connections: u64,
        /// Sessions.
        sessions: u64,
        /// Sessions with a connection.
        connected: u64,
        /// Subscriptions, shared ones included.
        subscriptions: u64,
        /// Shared subscriptions.
        shared_subscriptions: u64,
        /// Messages that wait to be sent.
        queued_messages: u64,
        /// Their bytes.
        queued_bytes: u64,
        /// Packets that sockets did not take yet.
        outbox_packets: u64,
        /// Their bytes.
        outbox_bytes: u64,
    }
}

/// What is measured outside of core.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Measures {
    /// Memory that the process holds at present, in bytes.
    pub resident_bytes: u64,
    /// The most memory that it ever held, in bytes.
    pub peak_resident_bytes: u64,
    /// Whether the store can be written.
    pub store_state: StoreState,
    /// How long submissions waited until they were durable.
    pub commit: Histogram,
}

/// What all workers come to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// What happened since the start.
    pub counters: Counters,
    /// What there is at present.
    pub gauges: Gauges,
    /// What was measured outside.
    pub measures: Measures,
    /// Retained messages of clients.
    pub retained_messages: u64,
    /// What they take, in bytes.
    pub retained_bytes: u64,
    /// The most sessions that there were at one time, of the times at which they were counted.
    pub clients_maximum: u64,
    /// Since when the broker runs, in milliseconds.
    pub uptime_ms: u64,
    /// How many workers there are.
    pub workers: u64,
}
