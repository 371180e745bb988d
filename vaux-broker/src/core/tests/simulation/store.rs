//! The store as the simulation has it: one queue in the order of submission, and a disk that is slow and fails.

use std::collections::{BTreeSet, HashMap, VecDeque};

use super::super::disk::Disk;
use super::*;
use crate::retained::{Kept, Retained};
use crate::store::{Page, PageRequest, Record, StoreState, Submission};

/// What is wrong with a store on purpose, to see that it is noticed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flaw {
    /// It says that a batch is durable and does not write it.
    LosesBatch,
    /// It says that a batch is durable when it begins to write it.
    SpeaksTooSoon,
    /// It never overwrites a retained message.
    KeepsOldRetained,
}

/// The queue, what is being written, and the disk.
#[derive(Debug, Default)]
pub(super) struct SlowStore {
    /// Submissions that are not durable, and the workers that made them.
    waiting: VecDeque<(usize, Submission)>,
    /// How many of them are being written.
    pub(super) writing: usize,
    /// The retained messages that are being written, as they were when the batch was begun.
    snapshot: HashMap<Box<str>, Option<Kept>>,
    /// Up to where each worker's submissions are durable.
    durable: Vec<Sequence>,
    pub(super) disk: Disk,
    /// Messages of which deliveries were written, ever.
    known: BTreeSet<u64>,
    pub(super) state: StoreState,
    /// Parts of queues that workers want to read, behind so many submissions that are not written.
    reads: VecDeque<(usize, usize, PageRequest)>,
    /// What was read for each worker.
    pages: Vec<Vec<Page>>,
    /// Whether the next commit fails.
    pub(super) is_failing: bool,
    flaw: Option<Flaw>,
}

impl SlowStore {
    pub(super) fn new(workers: usize, flaw: Option<Flaw>) -> SlowStore {
        SlowStore {
            durable: vec![Sequence::NONE; workers],
            pages: vec![Vec::new(); workers],
            flaw,
            ..SlowStore::default()
        }
    }

    pub(super) fn submit(&mut self, worker: usize, submission: Submission) {
        self.waiting.push_back((worker, submission));
    }

    pub(super) fn durable(&self, worker: usize) -> Sequence {
        self.durable[worker]
    }

    /// Reads part of a queue, behind what was submitted.
    pub(super) fn request(&mut self, worker: usize, request: PageRequest) {
        self.reads.push_back((self.waiting.len(), worker, request));
        self.read();
    }

    fn read(&mut self) {
        while let Some((_, worker, request)) = self.reads.pop_front_if(|(behind, ..)| *behind == 0) {
            self.pages[worker].push(self.disk.read(&request));
        }
    }

    pub(super) fn take_pages(&mut self, worker: usize) -> Vec<Page> {
        std::mem::take(&mut self.pages[worker])
    }

    /// How many submissions are not durable.
    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Begins to write the next `count` submissions. Of retained messages, what the tree holds now is written.
    pub(super) fn begin(&mut self, count: usize, tree: &Retained) {
        self.writing = count.min(self.waiting.len());
        self.snapshot.clear();
        for (worker, submission) in self.waiting.iter().take(self.writing) {
            if self.flaw == Some(Flaw::SpeaksTooSoon) {
                self.durable[*worker] = submission.sequence;
            }
            for record in &submission.records {
                if let Record::Retained { topic } = record {
                    let old = self.disk.retained_at(topic);
                    let kept = old.filter(|_| self.flaw == Some(Flaw::KeepsOldRetained));
                    self.snapshot.insert(topic.clone(), kept.or_else(|| tree.kept(topic)));
                }
            }
        }
    }

    /// The batch is written, or has failed.
    pub(super) fn finish(&mut self) {
        if self.state == StoreState::Failed {
            return;
        }
        if std::mem::take(&mut self.is_failing) {
            self.state = StoreState::Failed;
            return;
        }
        let is_lost = self.flaw == Some(Flaw::LosesBatch);
        for (worker, submission) in self.waiting.drain(..std::mem::take(&mut self.writing)) {
            self.durable[worker] = submission.sequence;
            self.known.extend(messages(&submission));
            if !is_lost {
                self.disk.write(&submission, |topic| self.snapshot.get(topic).cloned().flatten());
            }
            self.reads.iter_mut().for_each(|(behind, ..)| *behind = behind.saturating_sub(1));
        }
        self.read();
    }

    /// The broker dies: `kept` submissions beyond those that are durable are on the disk.
    pub(super) fn crash(self, kept: usize, tree: &Retained) -> SlowStore {
        let mut store = SlowStore::new(self.durable.len(), self.flaw);
        (store.disk, store.known) = (self.disk, self.known);
        for (_, submission) in self.waiting.iter().take(kept) {
            store.known.extend(messages(submission));
            store.disk.write(submission, |topic| tree.kept(topic));
        }
        store
    }

    /// What is not durable.
    pub(super) fn waiting_records(&self) -> impl Iterator<Item = &Record> {
        self.waiting.iter().flat_map(|(_, submission)| &submission.records)
    }

    /// Whether no delivery of a message was ever written.
    pub(super) fn is_new(&self, mid: u64) -> bool {
        !self.known.contains(&mid)
    }
}

/// The messages that a submission says are to be delivered.
fn messages(submission: &Submission) -> impl Iterator<Item = u64> {
    submission.records.iter().filter_map(|record| match record {
        Record::Delivery { delivery, .. } => Some(delivery.message.mid),
        _ => None,
    })
}
