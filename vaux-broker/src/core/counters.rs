//! What happened, in numbers.

/// Counts of one worker since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Packets of clients.
    pub packets_received: u64,
    /// Messages of clients.
    pub messages_received: u64,
    /// Messages written to clients' outboxes.
    pub messages_sent: u64,
    /// Messages that were not delivered to one session, by cause.
    pub dropped: Dropped,
}

/// Messages that were not delivered to one session, by cause.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Dropped {
    /// QoS 0, and the client did not read fast enough.
    pub slow_reader: u64,
    /// The queue was full.
    pub queue_full: u64,
    /// The packet would have been larger than the client takes.
    pub too_large: u64,
    /// The message expired while it waited.
    pub expired: u64,
    /// QoS 0, and another worker did not keep up.
    pub lane_full: u64,
    /// Nobody was left of a shared subscription.
    pub no_member: u64,
    /// The publisher may not, or the message breaks a limit.
    pub refused: u64,
}

impl Counters {
    /// Adds the counts of another worker.
    pub fn add(&mut self, other: &Counters) {
        self.packets_received += other.packets_received;
        self.messages_received += other.messages_received;
        self.messages_sent += other.messages_sent;
        self.dropped.add(&other.dropped);
    }
}

impl Dropped {
    /// All of them.
    pub fn total(&self) -> u64 {
        let Dropped { slow_reader, queue_full, too_large, expired, lane_full, no_member, refused } = self;
        slow_reader + queue_full + too_large + expired + lane_full + no_member + refused
    }

    fn add(&mut self, other: &Dropped) {
        self.slow_reader += other.slow_reader;
        self.queue_full += other.queue_full;
        self.too_large += other.too_large;
        self.expired += other.expired;
        self.lane_full += other.lane_full;
        self.no_member += other.no_member;
        self.refused += other.refused;
    }
}
