//! Collecting the records of a turn.

use super::{Record, Sequence, Submission};

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

    /// What an answer has to wait for that stands for everything recorded so far.
    pub fn latest(&self) -> Sequence {
        match &self.pending {
            None => Sequence::NONE,
            Some(pending) if pending.records.is_empty() => Sequence(pending.next.0 - 1),
            Some(pending) => pending.next,
        }
    }

    /// Whether [`Recorder::take`] would give anything.
    pub fn has_pending(&self) -> bool {
        self.pending.as_ref().is_some_and(|pending| !pending.records.is_empty())
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
