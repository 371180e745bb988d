//! Where what must outlive a crash is written.
//!
//! Core records what an input changed with a [`Recorder`]; at the end of its turn the shard submits the records as one
//! [`Submission`], which is never split. A submission has a sequence number, and the store says up to which number
//! everything is durable. An acknowledgement waits for the number of the submission that it stands for.

mod contents;
pub mod disk;
mod memory;
mod page;
mod record;
mod recorder;

pub use contents::{Contents, StoredSession, Waiting};
pub use memory::MemoryStore;
pub use page::{Page, PageRequest};
pub use record::{Record, SessionRecord};
pub use recorder::Recorder;

/// The number of a submission, ascending from 1 on each worker.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Sequence(pub u64);

impl Sequence {
    /// Before the first: needs nothing.
    pub const NONE: Sequence = Sequence(0);
    /// Behind the last: everything is durable.
    pub const ALL: Sequence = Sequence(u64::MAX);
}

/// The records of one turn of one worker, to be written together.
#[derive(Debug)]
pub struct Submission {
    /// Its number.
    pub sequence: Sequence,
    /// What changed, in order.
    pub records: Vec<Record>,
}

impl Submission {
    /// Whether somebody may wait for it. That a message arrived is noted only so that it is not sent again after a crash,
    /// and nothing is said to the client about it.
    pub fn is_awaited(&self) -> bool {
        let is_unhurried =
            |record: &Record| matches!(record, Record::Delivered { .. } | Record::Completed { .. });
        !self.records.iter().all(is_unhurried)
    }

    /// What it takes while it waits, roughly: a message that several sessions are to get counts once.
    pub fn size_bytes(&self) -> usize {
        let mut last_mid = 0;
        let messages = self.records.iter().map(|record| match record {
            Record::Delivery { delivery, .. } if delivery.message.mid != last_mid => {
                last_mid = delivery.message.mid;
                delivery.message.size_bytes()
            }
            _ => 0,
        });
        messages.sum::<usize>() + self.records.len() * size_of::<Record>()
    }
}

/// An engine that keeps submissions.
pub trait Store: Send {
    /// A recorder for one worker, which says whether the engine wants records at all.
    fn recorder(&self) -> Recorder;

    /// Takes a submission. It becomes durable some time after; [`Store::durable`] tells.
    fn submit(&mut self, submission: Submission);

    /// Everything up to this number is durable.
    fn durable(&self) -> Sequence;

    /// Asks for part of a queue. [`Store::take_pages`] has it some time after everything that was submitted before, by
    /// any worker, is written. An engine that keeps nothing is never asked.
    fn request_page(&mut self, _: PageRequest) {}

    /// Takes what was read.
    fn take_pages(&mut self) -> Vec<Page> {
        Vec::new()
    }

    /// How many bytes of submissions of all workers wait to be written.
    fn backlog_bytes(&self) -> usize {
        0
    }

    /// Whether it can be written.
    fn state(&self) -> StoreState {
        StoreState::Good
    }
}

/// Whether a store can be written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StoreState {
    /// It can.
    #[default]
    Good,
    /// There is no room for more: what would have to be kept is refused until there is.
    Full,
    /// Writing failed. What was submitted since [`Store::durable`] may be on the disk or not, and nothing will be any
    /// more until a restart.
    Failed,
}
