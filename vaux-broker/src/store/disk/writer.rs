//! The thread that writes.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, TryRecvError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rusqlite::Connection;

use super::batch::{Batch, References};
use super::progress::{Numbers, SideFile};
use super::reader::Wanted;
use super::{DiskOptions, DiskStore, Progress, StoreError, Wake, schema};
use crate::config::Durability;
use crate::retained::Retained;
use crate::store::Submission;

/// What a worker wants done.
#[derive(Debug)]
pub(super) enum Job {
    /// Its submission written.
    Write {
        /// The worker.
        worker: usize,
        /// What it submitted.
        submission: Submission,
    },
    /// Something read, once all before it is written.
    Read(Wanted),
}

pub(super) struct Writer {
    connection: Connection,
    path: PathBuf,
    references: References,
    numbers: Numbers,
    side_file: SideFile,
    retained: Arc<Retained>,
    options: DiskOptions,
    wakes: Vec<Wake>,
    progress: Arc<Progress>,
    /// Who reads, and what of this batch is to be read once it is written.
    reader: (Sender<Wanted>, JoinHandle<()>),
    wanted: Vec<Wanted>,
    /// The last submission of each worker in the batch, 0 for none.
    latest: Vec<u64>,
    /// What the submissions in the batch take.
    batch_bytes: usize,
    /// Whether somebody waits for what is in the batch.
    is_awaited: bool,
    page_size: u64,
    pages: Pages,
    last_sync: Instant,
    is_unsynced: bool,
    /// More free pages are to go back to the file system.
    is_shrinking: bool,
}

/// How many pages the file has.
#[derive(Clone, Copy, Debug, Default)]
struct Pages {
    all: u64,
    free: u64,
}

/// More records than this wait for the next transaction, so that the first ones need not wait for the last.
const BATCH_RECORDS: usize = 20_000;

/// So much of the disk stays free: a file system without any room fails in ways that nobody tests.
const RESERVE_BYTES: u64 = 64 << 20;

/// Room on the disk goes and comes back without anything being written here.
const ROOM_CHECK: Duration = Duration::from_secs(1);

/// So many free pages stay in the file, to be used again.
const FREE_PAGES: u64 = 1024;
/// How many pages go back to the file system after each transaction, if more are free,
const VACUUM_PAGES: u32 = 256;
/// and at a time when nothing else is to be done.
const VACUUM_PAGES_AT_REST: u32 = 2048;

impl Writer {
    pub(super) fn new(
        store: DiskStore,
        options: DiskOptions,
        retained: Arc<Retained>,
        wakes: Vec<Wake>,
        progress: Arc<Progress>,
        reader: (Sender<Wanted>, JoinHandle<()>),
    ) -> Result<Writer, StoreError> {
        schema::set_durability(&store.connection, options.durability)?;
        store.connection.set_prepared_statement_cache_capacity(64);
        let mut writer = Writer {
            connection: store.connection,
            path: store.path,
            references: store.references,
            numbers: store.numbers,
            side_file: store.side_file,
            retained,
            options,
            latest: vec![0; wakes.len()],
            batch_bytes: 0,
            is_awaited: false,
            page_size: 0,
            pages: Pages::default(),
            wakes,
            progress,
            reader,
            wanted: Vec::new(),
            last_sync: Instant::now(),
            is_unsynced: false,
            is_shrinking: false,
        };
        writer.page_size = writer.count("PRAGMA page_size")?;
        writer.count_pages()?;
        writer.look_for_room();
        Ok(writer)
    }

    /// Writes until all workers have ended.
    pub(super) fn run(mut self, jobs: &Receiver<Job>) {
        match self.work(jobs) {
            Ok(()) => self.close(),
            Err(error) => {
                tracing::error!(%error, "the store cannot be written; nothing more is acknowledged");
                self.progress.has_failed.store(true, Ordering::Relaxed);
                self.wakes.iter().for_each(|wake| wake());
            }
        }
    }

    fn work(&mut self, jobs: &Receiver<Job>) -> Result<(), StoreError> {
        loop {
            match jobs.recv_timeout(self.patience()) {
                Ok(job) => {
                    let batch = self.gather(job, jobs);
                    if batch.len() > 0 {
                        self.write(batch)?;
                        self.publish();
                        self.look_for_room();
                        self.shrink(VACUUM_PAGES)?;
                    }
                    self.hand_over();
                }
                Err(RecvTimeoutError::Timeout) => self.rest()?,
                Err(RecvTimeoutError::Disconnected) => return Ok(()),
            }
        }
    }

    /// How long to wait for a job before there is something else to do.
    fn patience(&self) -> Duration {
        match self.options.durability {
            _ if self.is_shrinking => Duration::ZERO,
            Durability::Interval if self.is_unsynced => {
                self.options.interval.saturating_sub(self.last_sync.elapsed()).min(ROOM_CHECK)
            }
            _ => ROOM_CHECK,
        }
    }

    /// What is done when nothing was submitted for a while.
    fn rest(&mut self) -> Result<(), StoreError> {
        if self.is_unsynced && self.last_sync.elapsed() >= self.options.interval {
            self.sync()?;
        }
        if self.is_shrinking {
            self.shrink(VACUUM_PAGES_AT_REST)?;
            if !self.is_shrinking {
                // The file becomes shorter only when the log is carried over.
                self.run_pragma("wal_checkpoint(PASSIVE)");
            }
        }
        self.count_pages()?;
        self.look_for_room();
        Ok(())
    }

    fn gather(&mut self, first: Job, jobs: &Receiver<Job>) -> Batch {
        let mut batch = Batch::default();
        self.is_awaited = false;
        self.add(&mut batch, first);
        // What nobody waits for goes into one transaction with what comes next.
        self.gather_unhurried(&mut batch, jobs);
        while batch.len() < BATCH_RECORDS {
            match jobs.try_recv() {
                Ok(job) => self.add(&mut batch, job),
                Err(TryRecvError::Empty | TryRecvError::Disconnected) => break,
            }
        }
        batch
    }

    /// Waits for more while nobody waits for what there is.
    fn gather_unhurried(&mut self, batch: &mut Batch, jobs: &Receiver<Job>) {
        let until = Instant::now()
            + match self.options.durability {
                Durability::None => self.options.interval,
                Durability::Commit | Durability::Interval => self.options.company,
            };
        while batch.len() < BATCH_RECORDS && self.wanted.is_empty() && !self.is_awaited {
            match jobs.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(job) => self.add(batch, job),
                Err(_) => break,
            }
        }
    }

    fn add(&mut self, batch: &mut Batch, job: Job) {
        match job {
            Job::Write { worker, submission } => {
                self.latest[worker] = submission.sequence.0;
                self.batch_bytes += submission.size_bytes();
                self.is_awaited |= self.options.durability != Durability::None && submission.is_awaited();
                submission.records.into_iter().for_each(|record| batch.add(record));
            }
            Job::Read(wanted) => self.wanted.push(wanted),
        }
    }

    /// Has the reader read what it can find now.
    fn hand_over(&mut self) {
        for wanted in self.wanted.drain(..) {
            // Without a reader, which can only be after a panic, queues stand still.
            let _ = self.reader.0.send(wanted);
        }
    }

    fn write(&mut self, batch: Batch) -> Result<(), StoreError> {
        self.numbers.transactions += 1;
        batch.count_into(&mut self.numbers);
        self.execute("BEGIN IMMEDIATE")?;
        batch.write(&self.connection, &mut self.references, &self.retained)?;
        self.numbers.write(&self.connection)?;
        // Here, where the file is locked and its first page at hand, this costs next to nothing.
        self.count_pages()?;
        self.execute("COMMIT")?;
        match self.options.durability {
            Durability::Commit => self.note_progress(),
            Durability::Interval => {
                self.is_unsynced = true;
                if self.last_sync.elapsed() >= self.options.interval {
                    self.sync()?;
                }
            }
            Durability::None => {}
        }
        Ok(())
    }

    fn execute(&self, statement: &str) -> Result<(), StoreError> {
        self.connection.prepare_cached(statement)?.execute([])?;
        Ok(())
    }

    /// Notes beside the store how far it is on the disk. That this fails is no reason to stop: it is missed only when
    /// the store is damaged, too.
    fn note_progress(&self) {
        if let Err(error) = self.side_file.note(self.numbers.transactions) {
            tracing::debug!(%error, "the progress of the store could not be noted");
        }
    }

    /// Syncs the log, which is where transactions are until they are carried over.
    fn sync(&mut self) -> Result<(), StoreError> {
        File::open(self.log_path())?.sync_data()?;
        self.note_progress();
        self.last_sync = Instant::now();
        self.is_unsynced = false;
        Ok(())
    }

    fn log_path(&self) -> PathBuf {
        self.path.with_file_name(format!("{}-wal", super::FILE))
    }

    /// Tells the workers how far they are durable.
    fn publish(&mut self) {
        let written = std::mem::take(&mut self.batch_bytes);
        self.progress.backlog_bytes.fetch_sub(written, Ordering::Relaxed);
        for (worker, latest) in self.latest.iter_mut().enumerate() {
            if *latest > 0 {
                self.progress.durable[worker].store(*latest, Ordering::Release);
                (self.wakes[worker])();
                *latest = 0;
            }
        }
    }

    /// Looks whether there is room for more: below the limit, and on the disk. What stands in the log is going to need
    /// room in the file, too.
    fn look_for_room(&self) {
        let log_bytes = fs::metadata(self.log_path()).map_or(0, |log| log.len());
        let is_full = self.used_bytes() >= self.options.max_bytes
            || free_bytes(&self.path).is_some_and(|free| free < RESERVE_BYTES + log_bytes);
        let was_full = self.progress.is_full.swap(is_full, Ordering::Relaxed);
        if is_full != was_full {
            if is_full {
                tracing::error!("the store is full: QoS 1 and 2 and retained messages are refused");
            } else {
                tracing::info!("the store has room again");
            }
            // Workers look at the state when they wake.
            self.wakes.iter().for_each(|wake| wake());
        }
    }

    /// What the pages in use take. Free ones inside the file are room.
    fn used_bytes(&self) -> u64 {
        self.pages.all.saturating_sub(self.pages.free) * self.page_size
    }

    fn count_pages(&mut self) -> Result<(), StoreError> {
        let (all, free) = (self.count("PRAGMA page_count")?, self.count("PRAGMA freelist_count")?);
        self.pages = Pages { all, free };
        Ok(())
    }

    fn count(&self, pragma: &str) -> Result<u64, StoreError> {
        let count = self.connection.prepare_cached(pragma)?.query_row([], |row| row.get::<_, i64>(0))?;
        Ok(u64::try_from(count).unwrap_or(0))
    }

    /// Gives room that was freed back to the file system, at most so many pages now. Much of it is given back while
    /// nothing else is to be done.
    fn shrink(&mut self, pages: u32) -> Result<(), StoreError> {
        self.is_shrinking =
            self.pages.free >= FREE_PAGES && self.run_pragma(&format!("incremental_vacuum({pages})"));
        if self.is_shrinking { self.count_pages() } else { Ok(()) }
    }

    /// Runs a pragma that tidies up, step by step until it is done. Failing is harmless: there is a next time.
    fn run_pragma(&self, pragma: &str) -> bool {
        let run = || {
            let mut statement = self.connection.prepare(&format!("PRAGMA {pragma}"))?;
            let mut rows = statement.query([])?;
            while rows.next()?.is_some() {}
            Ok::<_, rusqlite::Error>(())
        };
        let result = run();
        if let Err(error) = &result {
            tracing::warn!(%error, "the store could not be tidied ({pragma}); nothing is lost");
        }
        result.is_ok()
    }

    fn close(self) {
        // Whoever closes last removes the log.
        let (wanted, reader) = self.reader;
        drop(wanted);
        if reader.join().is_err() {
            tracing::error!("the thread that reads queues ended in a panic");
        }
        let checkpoint = self.connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
        if let Err(error) = checkpoint.and_then(|()| self.connection.close().map_err(|(_, error)| error)) {
            tracing::warn!(%error, "the store could not be tidied at the end; nothing is lost");
        } else if self.options.durability != Durability::None {
            // That this fails is missed only when the store is damaged, too.
            let _ = self.side_file.note(self.numbers.transactions);
        }
    }
}

fn free_bytes(path: &Path) -> Option<u64> {
    let stat = rustix::fs::statvfs(path).ok()?;
    Some(stat.f_bavail * stat.f_frsize)
}
