//! The thread that writes.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError, TryRecvError};
use std::time::{Duration, Instant};

use rusqlite::Connection;

use super::batch::{Batch, References};
use super::{DiskOptions, DiskStore, Progress, StoreError, Wake, schema};
use crate::config::Durability;
use crate::retained::Retained;
use crate::store::Submission;

/// A worker's submission.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) worker: usize,
    pub(super) submission: Submission,
}

pub(super) struct Writer {
    connection: Connection,
    path: PathBuf,
    references: References,
    retained: Arc<Retained>,
    options: DiskOptions,
    wakes: Vec<Wake>,
    progress: Arc<Progress>,
    /// The last submission of each worker in the batch, 0 for none.
    latest: Vec<u64>,
    last_sync: Instant,
    is_unsynced: bool,
}

/// More records than this wait for the next transaction, so that the first ones need not wait for the last.
const BATCH_RECORDS: usize = 20_000;

/// So much of the disk stays free: a file system without any room fails in ways that nobody tests.
const RESERVE_BYTES: u64 = 64 << 20;

/// How many pages go back to the file system after each transaction, if so many are free.
const VACUUM_PAGES: u32 = 256;

impl Writer {
    pub(super) fn new(
        store: DiskStore,
        options: DiskOptions,
        retained: Arc<Retained>,
        wakes: Vec<Wake>,
        progress: Arc<Progress>,
    ) -> Result<Writer, StoreError> {
        schema::set_durability(&store.connection, options.durability)?;
        store.connection.set_prepared_statement_cache_capacity(64);
        let writer = Writer {
            connection: store.connection,
            path: store.path,
            references: store.references,
            retained,
            options,
            latest: vec![0; wakes.len()],
            wakes,
            progress,
            last_sync: Instant::now(),
            is_unsynced: false,
        };
        writer.look_for_room();
        Ok(writer)
    }

    /// Writes until all workers have ended.
    pub(super) fn run(mut self, jobs: &Receiver<Job>) {
        loop {
            let first = match self.next(jobs) {
                Ok(Some(job)) => job,
                Ok(None) => {
                    self.rest();
                    continue;
                }
                Err(_) => break,
            };
            let batch = self.gather(first, jobs);
            if let Err(error) = self.write(batch) {
                tracing::error!(%error, "the store cannot be written; nothing more is acknowledged");
                self.progress.has_failed.store(true, Ordering::Relaxed);
                self.wakes.iter().for_each(|wake| wake());
                return;
            }
            self.publish();
            self.look_for_room();
            self.shrink();
        }
        self.close();
    }

    /// Waits for a job; `None` when there is something else to do first.
    fn next(&self, jobs: &Receiver<Job>) -> Result<Option<Job>, RecvTimeoutError> {
        // Room on the disk comes back without anything being written.
        const FULL_CHECK: Duration = Duration::from_secs(1);
        let wait = match self.options.durability {
            Durability::Interval if self.is_unsynced => {
                self.options.interval.saturating_sub(self.last_sync.elapsed())
            }
            _ if self.progress.is_full.load(Ordering::Relaxed) => FULL_CHECK,
            _ => return jobs.recv().map(Some).map_err(|_| RecvTimeoutError::Disconnected),
        };
        match jobs.recv_timeout(wait) {
            Err(RecvTimeoutError::Timeout) => Ok(None),
            other => other.map(Some),
        }
    }

    /// What is done when nothing was submitted for a while.
    fn rest(&mut self) {
        if self.is_unsynced && self.options.durability == Durability::Interval {
            self.sync();
        }
        self.look_for_room();
    }

    fn gather(&mut self, first: Job, jobs: &Receiver<Job>) -> Batch {
        let mut batch = Batch::default();
        self.add(&mut batch, first);
        if self.options.durability == Durability::None {
            // Nobody waits for it, so that it may as well be one transaction an interval.
            self.gather_for_interval(&mut batch, jobs);
        }
        while batch.len() < BATCH_RECORDS {
            match jobs.try_recv() {
                Ok(job) => self.add(&mut batch, job),
                Err(TryRecvError::Empty | TryRecvError::Disconnected) => break,
            }
        }
        batch
    }

    fn gather_for_interval(&mut self, batch: &mut Batch, jobs: &Receiver<Job>) {
        let until = Instant::now() + self.options.interval;
        while batch.len() < BATCH_RECORDS {
            match jobs.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(job) => self.add(batch, job),
                Err(_) => break,
            }
        }
    }

    fn add(&mut self, batch: &mut Batch, job: Job) {
        self.latest[job.worker] = job.submission.sequence.0;
        job.submission.records.into_iter().for_each(|record| batch.add(record));
    }

    fn write(&mut self, batch: Batch) -> rusqlite::Result<()> {
        self.connection.execute_batch("BEGIN IMMEDIATE")?;
        batch.write(&self.connection, &mut self.references, &self.retained)?;
        self.connection.execute_batch("COMMIT")?;
        if self.options.durability == Durability::Interval {
            self.is_unsynced = true;
            if self.last_sync.elapsed() >= self.options.interval {
                self.sync();
            }
        }
        Ok(())
    }

    /// Syncs the log, which is where transactions are until they are carried over.
    fn sync(&mut self) {
        let log = self.path.with_file_name(format!("{}-wal", super::FILE));
        if let Err(error) = File::open(log).and_then(|log| log.sync_data()) {
            tracing::error!(%error, "the store cannot be synced");
            self.progress.has_failed.store(true, Ordering::Relaxed);
        }
        self.last_sync = Instant::now();
        self.is_unsynced = false;
    }

    /// Tells the workers how far they are durable.
    fn publish(&mut self) {
        for (worker, latest) in self.latest.iter_mut().enumerate() {
            if *latest > 0 {
                self.progress.durable[worker].store(*latest, Ordering::Release);
                (self.wakes[worker])();
                *latest = 0;
            }
        }
    }

    /// Looks whether there is room for more: below the limit, and on the disk.
    fn look_for_room(&self) {
        let free_bytes = free_bytes(&self.path);
        let is_full = self.used_bytes() >= self.options.max_bytes
            || free_bytes.is_some_and(|free| free < RESERVE_BYTES);
        let was_full = self.progress.is_full.swap(is_full, Ordering::Relaxed);
        if is_full != was_full {
            if is_full {
                tracing::error!("the store is full: QoS 1 and 2 and retained messages are refused");
            } else {
                tracing::info!("the store has room again");
            }
        }
    }

    /// What the pages in use take. Free ones inside the file are room.
    fn used_bytes(&self) -> u64 {
        let pragma = |name| -> i64 {
            self.connection.pragma_query_value(None, name, |row| row.get(0)).unwrap_or_default()
        };
        let pages = pragma("page_count") - pragma("freelist_count");
        u64::try_from(pages * 4096).unwrap_or(0)
    }

    /// Gives room that was freed back to the file system, a part at a time.
    fn shrink(&self) {
        let free: u32 =
            self.connection.pragma_query_value(None, "freelist_count", |row| row.get(0)).unwrap_or_default();
        if free >= VACUUM_PAGES * 4 {
            // What is not given back now is given back later.
            let vacuum = format!("PRAGMA incremental_vacuum({VACUUM_PAGES})");
            if let Err(error) = self.connection.execute_batch(&vacuum) {
                tracing::warn!(%error, "the store cannot be made smaller");
            }
        }
    }

    fn close(self) {
        let checkpoint = self.connection.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)");
        if let Err(error) = checkpoint.and(self.connection.close().map_err(|(_, error)| error)) {
            tracing::warn!(%error, "the store could not be tidied at the end; nothing is lost");
        }
    }
}

fn free_bytes(path: &Path) -> Option<u64> {
    let stat = rustix::fs::statvfs(path).ok()?;
    Some(stat.f_bavail * stat.f_frsize)
}
