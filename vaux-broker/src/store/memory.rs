//! The engine that keeps nothing: sessions and messages live in the memory of the broker and end with it.

use super::{Recorder, Sequence, Store, Submission};

/// Everything is as durable as it gets as soon as it is submitted.
#[derive(Clone, Copy, Debug, Default)]
pub struct MemoryStore;

impl Store for MemoryStore {
    fn recorder(&self) -> Recorder {
        Recorder::discarding()
    }

    fn submit(&mut self, _: Submission) {}

    fn durable(&self) -> Sequence {
        Sequence::ALL
    }
}
