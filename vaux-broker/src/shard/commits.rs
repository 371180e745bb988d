//! How long submissions wait until they are durable, as the worker sees it that submitted them.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use crate::core::Histogram;
use crate::store::Sequence;

/// What all workers have measured.
pub(crate) type CommitTimes = Arc<Mutex<Histogram>>;

/// The submissions of one worker that are not durable yet.
#[derive(Debug)]
pub(super) struct Commits {
    waiting: VecDeque<(Sequence, Instant)>,
    times: CommitTimes,
}

/// More than these are not measured: a store that stands still would have all of them remembered.
const MAX_WAITING: usize = 4096;

impl Commits {
    pub(super) fn new(times: CommitTimes) -> Commits {
        Commits { waiting: VecDeque::new(), times }
    }

    pub(super) fn submitted(&mut self, sequence: Sequence) {
        if self.waiting.len() < MAX_WAITING {
            self.waiting.push_back((sequence, Instant::now()));
        }
    }

    /// The store has come so far.
    pub(super) fn durable(&mut self, durable: Sequence) {
        let count = self.waiting.iter().take_while(|(sequence, _)| *sequence <= durable).count();
        if count == 0 {
            return;
        }
        let now = Instant::now();
        let mut times = self.times.lock().unwrap_or_else(PoisonError::into_inner);
        for (_, submitted) in self.waiting.drain(..count) {
            times.record(now.duration_since(submitted).as_micros() as u64, 1);
        }
    }

    /// What all workers have measured so far.
    pub(super) fn times(&self) -> Histogram {
        *self.times.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_submission_is_measured_once_by_whoever_submitted_it() {
        let times = CommitTimes::default();
        let (mut one, mut other) = (Commits::new(Arc::clone(&times)), Commits::new(times));
        (1..=3).for_each(|number| one.submitted(Sequence(number)));
        other.submitted(Sequence(1));
        one.durable(Sequence::NONE);
        assert_eq!(one.times().count(), 0);
        one.durable(Sequence(2));
        one.durable(Sequence(2));
        assert_eq!(other.times().count(), 2);
        other.durable(Sequence(1));
        one.durable(Sequence::ALL);
        assert_eq!(one.times().count(), 4);
    }

    #[test]
    fn a_store_that_stands_still_does_not_fill_memory() {
        let mut commits = Commits::new(CommitTimes::default());
        (1..=10_000).for_each(|number| commits.submitted(Sequence(number)));
        commits.durable(Sequence::ALL);
        assert_eq!(commits.times().count(), MAX_WAITING as u64);
    }
}
