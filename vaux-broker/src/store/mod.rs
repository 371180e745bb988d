//! Where what must outlive a crash is written.
//!
//! Core records what an input changed with a [`Recorder`]; at the end of its turn the shard submits the records as one
//! [`Submission`], which is never split. A submission has a sequence number, and the store says up to which number
//! everything is durable. An acknowledgement waits for the number of the submission that it stands for.

mod memory;

pub use memory::MemoryStore;

use std::sync::Arc;

use vaux_mqtt::PacketId;

use crate::message::Message;

/// The number of a submission, ascending from 1 on each worker.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Sequence(pub u64);

impl Sequence {
    /// Before the first: needs nothing.
    pub const NONE: Sequence = Sequence(0);
    /// Behind the last: everything is durable.
    pub const ALL: Sequence = Sequence(u64::MAX);
}

/// What one input changed that has to outlive a crash.
#[derive(Clone, Debug)]
pub enum Record {
    /// A message that deliveries refer to.
    Message(Arc<Message>),
    /// A durable session is to get a message.
    Delivery {
        /// The session.
        sid: u64,
        /// The message.
        mid: u64,
    },
    /// It has it.
    Delivered {
        /// The session.
        sid: u64,
        /// The message.
        mid: u64,
    },
    /// A message with QoS 2 came from a durable session.
    Received {
        /// The session.
        sid: u64,
        /// Its packet identifier.
        packet_id: PacketId,
    },
    /// Its packet identifier is free again.
    Released {
        /// The session.
        sid: u64,
        /// The packet identifier.
        packet_id: PacketId,
    },
    /// A durable session began, or its terms changed.
    Session {
        /// The session.
        sid: u64,
        /// How long it outlives its connection, in milliseconds.
        expiry_ms: u64,
    },
    /// A session ended: with this record, everything of it is gone.
    SessionEnded {
        /// The session.
        sid: u64,
    },
    /// A durable session subscribed.
    Subscribed {
        /// The session.
        sid: u64,
        /// The filter as the client wrote it.
        filter: Box<str>,
    },
    /// A durable session unsubscribed.
    Unsubscribed {
        /// The session.
        sid: u64,
        /// The filter as the client wrote it.
        filter: Box<str>,
    },
    /// The retained message of a topic changed: what the tree holds at commit is written.
    Retained {
        /// The topic.
        topic: Box<str>,
    },
}

/// The records of one turn of one worker, to be written together.
#[derive(Debug)]
pub struct Submission {
    /// Its number.
    pub sequence: Sequence,
    /// What changed, in order.
    pub records: Vec<Record>,
}

/// An engine that keeps submissions.
pub trait Store: Send {
    /// A recorder for one worker, which says whether the engine wants records at all.
    fn recorder(&self) -> Recorder;

    /// Takes a submission. It becomes durable some time after; [`Store::durable`] tells.
    fn submit(&mut self, submission: Submission);

    /// Everything up to this number is durable.
    fn durable(&self) -> Sequence;
}

/// Collects the records of a turn.
#[derive(Debug)]
pub struct Recorder {
    /// `None` when the engine keeps nothing: then nothing is collected, and nothing waits.
    pending: Option<Pending>,
}

#[derive(Debug)]
struct Pending {
    next: Sequence,
    records: Vec<Record>,
}

impl Recorder {
    /// For an engine that keeps nothing.
    pub fn discarding() -> Recorder {
        Recorder { pending: None }
    }

    /// For an engine that keeps what is recorded.
    pub fn keeping() -> Recorder {
        Recorder { pending: Some(Pending { next: Sequence(1), records: Vec::new() }) }
    }

    /// What is durable before anything was submitted.
    pub fn durable_at_start(&self) -> Sequence {
        if self.pending.is_some() { Sequence::NONE } else { Sequence::ALL }
    }

    /// Notes a record, and says what an answer to the input has to wait for.
    pub fn record(&mut self, record: impl FnOnce() -> Record) -> Sequence {
        let Some(pending) = &mut self.pending else { return Sequence::NONE };
        pending.records.push(record());
        pending.next
    }

    /// Whether records are kept, for callers that would do work to make them.
    pub fn is_keeping(&self) -> bool {
        self.pending.is_some()
    }

    /// What was recorded since the last time, if anything.
    pub fn take(&mut self) -> Option<Submission> {
        let pending = self.pending.as_mut().filter(|pending| !pending.records.is_empty())?;
        let sequence = pending.next;
        pending.next = Sequence(sequence.0 + 1);
        Some(Submission { sequence, records: std::mem::take(&mut pending.records) })
    }
}
