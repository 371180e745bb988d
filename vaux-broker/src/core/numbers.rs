//! Numbers of messages, from one counter for all workers.

use std::ops::Range;
use std::sync::Arc;

use super::Shared;

/// The numbers that a worker has for messages of this turn.
///
/// Queues are sorted by them after a restart, so that they ascend from turn to turn, whichever worker it is. Within a turn
/// nobody can tell which of two workers was first: more and more are then taken at once, since a counter that several
/// workers write is on its way between their processors for as long as it takes to route a message.
#[derive(Debug)]
pub(super) struct MessageNumbers {
    shared: Arc<Shared>,
    free: Range<u64>,
    /// How many are taken next.
    count: u64,
}

/// So many are taken at once at most: what is left of them is not used.
const MAX_COUNT: u64 = 64;

impl MessageNumbers {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        MessageNumbers { shared, free: 0..0, count: 1 }
    }

    /// A number that no other message has, now or later.
    pub(super) fn next(&mut self) -> u64 {
        match self.free.next() {
            Some(mid) => mid,
            None => self.take(),
        }
    }

    #[cold]
    fn take(&mut self) -> u64 {
        self.free = self.shared.take_mids(self.count);
        self.count = MAX_COUNT.min(2 * self.count);
        self.free.next().expect("at least one was taken")
    }

    /// What is left of this turn's is not for the next.
    pub(super) fn end_turn(&mut self) {
        self.free = 0..0;
        self.count = 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rights::DefaultRights;

    #[test]
    fn numbers_are_unique_and_ascend_from_turn_to_turn() {
        let shared = Arc::new(Shared::new(2, Arc::new(DefaultRights), 1));
        let mut workers = [0, 1].map(|_| MessageNumbers::new(Arc::clone(&shared)));
        let mut last = 0;
        for turn in 0..20 {
            let mut numbers = Vec::new();
            for (index, worker) in workers.iter_mut().enumerate() {
                let of_worker: Vec<u64> = (0..turn * (1 + index)).map(|_| worker.next()).collect();
                assert!(of_worker.is_sorted());
                numbers.extend(of_worker);
                worker.end_turn();
            }
            numbers.sort_unstable();
            let count = numbers.len();
            numbers.dedup();
            assert_eq!(numbers.len(), count);
            assert!(numbers.first().is_none_or(|first| *first > last));
            last = numbers.last().copied().unwrap_or(last);
        }
        // Of each turn's numbers not many are wasted.
        assert!(last < 2000, "{last}");
    }
}
