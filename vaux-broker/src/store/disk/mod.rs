//! The engine that keeps everything in a SQLite file.
//!
//! One thread writes. It takes all submissions that wait, of all workers, in the order in which they were submitted,
//! writes them in one transaction, syncs, and tells the workers how far they are durable (`writer`). While it syncs,
//! the next ones gather: the more there is to do, the less each costs.

mod batch;
mod load;
mod lock;
mod maintenance;
mod progress;
mod reader;
mod rows;
mod schema;
mod set_aside;
#[cfg(test)]
mod tests;
mod writer;

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use rusqlite::Connection;

use super::{Contents, Page, PageRequest, Recorder, Sequence, Store, StoreState, Submission};
use crate::config::Durability;
use crate::retained::Retained;

use batch::References;
use load::{Damage, Extent, Loaded};
use progress::{Numbers, SideFile};
use reader::{Pages, Reader, Wanted};
use writer::{Job, Writer};

pub use lock::{LOCK, lock};
pub use maintenance::{Compacted, OfflineStore, Stats};

/// The file, in the data directory.
const FILE: &str = "store.db";

/// For [`DiskOptions::company`]. After a crash clients get again what they acknowledged in this time: with QoS 1 a
/// second time, as after a PUBACK that was lost on its way.
pub const COMPANY: std::time::Duration = std::time::Duration::from_millis(10);

/// What stands in the place of a table when it is the structure of the file that is damaged.
const STRUCTURE: &str = "structure";

/// Files over it are not looked at page by page at the start.
const STRUCTURE_CHECK_BYTES: u64 = 1 << 30;

/// Why the store cannot be used.
#[derive(Debug)]
pub enum StoreError {
    /// SQLite refuses.
    Sqlite(rusqlite::Error),
    /// The system refuses.
    Io(io::Error),
    /// The file has a format that this version does not know.
    Format {
        /// What the file has.
        found: i64,
        /// What this version reads and writes.
        known: i64,
    },
    /// There is no store in the directory.
    Missing,
    /// A running broker, or another process, has the directory.
    InUse,
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StoreError::Sqlite(error) => write!(f, "{error}"),
            StoreError::Io(error) => write!(f, "{error}"),
            StoreError::Format { found, known } => {
                let other = if found > known { "a newer" } else { "an older" };
                write!(f, "it has format {found}, and this version knows format {known}; use {other} vaux")
            }
            StoreError::Missing => write!(f, "there is no store ({FILE})"),
            StoreError::InUse => write!(f, "a broker is using it; stop it first"),
        }
    }
}

impl std::error::Error for StoreError {}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        StoreError::Sqlite(error)
    }
}

impl From<io::Error> for StoreError {
    fn from(error: io::Error) -> Self {
        StoreError::Io(error)
    }
}

/// A store that was opened and read, and does not write yet.
#[derive(Debug)]
pub struct DiskStore {
    path: PathBuf,
    connection: Connection,
    references: References,
    numbers: Numbers,
    side_file: SideFile,
    /// What was found in it: taken by those who start with it.
    pub contents: Contents,
    /// What was wrong with it, a sentence each. A file with damage has been set aside then.
    pub damage: Vec<String>,
}

/// How a store behaves.
#[derive(Clone, Copy, Debug)]
pub struct DiskOptions {
    /// What an acknowledgement means.
    pub durability: Durability,
    /// How often what is not synced at once is.
    pub interval: std::time::Duration,
    /// How long what nobody waits for may wait for something to be written with.
    pub company: std::time::Duration,
    /// The file may not become larger. In bytes.
    pub max_bytes: u64,
}

/// What the writer and the workers know of each other.
#[derive(Debug)]
struct Progress {
    /// Up to where each worker's submissions are durable.
    durable: Box<[AtomicU64]>,
    /// How many bytes of submissions wait to be written.
    backlog_bytes: AtomicUsize,
    /// Whether there is no room for more.
    is_full: AtomicBool,
    /// Whether a commit failed: then nobody knows what is on the disk.
    has_failed: AtomicBool,
}

/// What happened to a worker's submissions.
pub type Wake = Arc<dyn Fn() + Send + Sync>;

impl DiskStore {
    /// Opens the store in a directory, or makes it, and reads it. A file that is damaged is set aside; what can be
    /// read of it is carried over.
    ///
    /// # Errors
    ///
    /// The directory cannot be used, or the file was written by a newer version.
    pub fn open(directory: &Path) -> Result<DiskStore, StoreError> {
        let path = directory.join(FILE);
        let mut damage = Vec::new();
        if let Some(quarantine) = set_aside::finish_interrupted(directory)? {
            damage.push(format!("a damaged store was set aside before; it is kept in {quarantine}"));
        }
        make_private(&path)?;
        let (mut connection, mut loaded) = open_and_load(&path, Extent::WithoutQueues)?;
        if !loaded.damage.is_empty() {
            damage.extend(sentences(&loaded.damage));
            drop(connection);
            let (_, whole) = open_and_load(&path, Extent::Whole)?;
            let quarantine = set_aside::carry_over(directory, &whole)?;
            damage.push(format!("the damaged store is kept in {quarantine}"));
            // What is good of it now stands in a file of its own.
            (connection, loaded) = open_and_load(&path, Extent::WithoutQueues)?;
            damage.extend(sentences(&loaded.damage));
        }
        let connection = connection.ok_or(StoreError::Missing)?;
        batch::delete_garbage(&connection, &loaded.garbage)?;
        let (side_file, noted) = SideFile::open(directory)?;
        let Loaded { contents, references, mut numbers, .. } = loaded;
        if let Some(sentence) = shortfall(numbers.transactions, noted) {
            damage.push(sentence);
            // It is reported once.
            numbers.transactions = noted;
            numbers.write(&connection)?;
        }
        Ok(DiskStore { path, connection, references, numbers, side_file, contents, damage })
    }

    /// Where the store is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Begins to write. `wakes` has one entry for each worker, called when its submissions are durable, or never will
    /// be.
    ///
    /// # Errors
    ///
    /// SQLite or the system refuses.
    pub fn start(
        self,
        options: DiskOptions,
        retained: Arc<Retained>,
        wakes: Vec<Wake>,
    ) -> Result<(Vec<DiskHandle>, JoinHandle<()>), StoreError> {
        let progress = Arc::new(Progress {
            durable: wakes.iter().map(|_| AtomicU64::new(0)).collect(),
            backlog_bytes: AtomicUsize::new(0),
            is_full: AtomicBool::new(false),
            has_failed: AtomicBool::new(false),
        });
        let (sender, jobs): (Sender<Job>, Receiver<Job>) = channel();
        let pages: Pages = wakes.iter().map(|_| Mutex::default()).collect();
        let handles = (0..wakes.len()).map(|worker| DiskHandle {
            worker,
            jobs: sender.clone(),
            progress: Arc::clone(&progress),
            pages: Arc::clone(&pages),
            durability: options.durability,
            submitted: Sequence::NONE,
        });
        let handles = handles.collect();
        let reader = Reader::new(&self.path, pages, wakes.clone())?;
        let (wanted, requests): (Sender<Wanted>, Receiver<Wanted>) = channel();
        let reader =
            std::thread::Builder::new().name("queues".into()).spawn(move || reader.run(&requests))?;
        let writer = Writer::new(self, options, retained, wakes, progress, (wanted, reader))?;
        let thread = std::thread::Builder::new().name("store".into()).spawn(move || writer.run(&jobs))?;
        Ok((handles, thread))
    }
}

/// Opens the file and reads everything in it. A file that does not open for its damage is one that holds nothing.
fn open_and_load(path: &Path, extent: Extent) -> Result<(Option<Connection>, Loaded), StoreError> {
    match schema::open(path) {
        Ok(connection) => {
            let mut loaded = load::load(&connection, extent);
            if let Some(error) = structural_damage(&connection, path)? {
                loaded.damage.insert(STRUCTURE, Damage { gap: Some(error), ..Damage::default() });
            }
            Ok((Some(connection), loaded))
        }
        Err(StoreError::Sqlite(error)) if set_aside::is_damage(&error) => {
            let mut loaded = Loaded::default();
            loaded.damage.insert(FILE, Damage { gap: Some(error.to_string()), ..Damage::default() });
            Ok((None, loaded))
        }
        Err(error) => Err(error),
    }
}

/// What is wrong with how the pages of the file hang together, if anything: rows may be missing of which nothing else
/// tells. It takes a quarter of a second for a million messages, and is left to `vaux store check` for files that would
/// keep a start waiting.
fn structural_damage(connection: &Connection, path: &Path) -> Result<Option<String>, StoreError> {
    if std::fs::metadata(path)?.len() > STRUCTURE_CHECK_BYTES {
        return Ok(None);
    }
    let checked = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get::<_, String>(0));
    Ok(Some(checked.unwrap_or_else(|error| error.to_string())).filter(|result| result != "ok"))
}

/// What is damaged, for people.
fn sentences(damage: &BTreeMap<&'static str, Damage>) -> Vec<String> {
    let mut sentences = Vec::new();
    for (table, Damage { rows, gap, .. }) in damage {
        if *rows > 0 {
            let rows_are = if *rows == 1 { "row" } else { "rows" };
            sentences.push(format!("{rows} {rows_are} of {table} could not be read"));
        }
        match gap {
            Some(error) if *table == FILE => {
                sentences.push(format!("the store could not be read at all: {error}"));
            }
            Some(error) if *table == STRUCTURE => {
                sentences.push(format!("the pages of the store do not hang together: {error}"));
            }
            Some(error) => sentences.push(format!("parts of {table} could not be read: {error}")),
            None => {}
        }
    }
    sentences
}

/// Says how many transactions that were on the disk are missing.
fn shortfall(found: u64, noted: u64) -> Option<String> {
    (found < noted).then(|| {
        format!(
            "the last {} transactions that were on the disk are missing: the store was damaged, or replaced by an \
             older copy",
            noted - found
        )
    })
}

/// Makes the file if there is none, readable by its owner only. SQLite gives its other files the same permissions.
fn make_private(path: &Path) -> Result<(), StoreError> {
    let mut options = std::fs::OpenOptions::new();
    options.create(true).truncate(false).write(true).mode(0o600).open(path)?;
    Ok(std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?)
}

/// A worker's end of the store.
#[derive(Debug)]
pub struct DiskHandle {
    worker: usize,
    jobs: Sender<Job>,
    progress: Arc<Progress>,
    pages: Pages,
    durability: Durability,
    submitted: Sequence,
}

impl Store for DiskHandle {
    fn recorder(&self) -> Recorder {
        Recorder::keeping()
    }

    fn submit(&mut self, submission: Submission) {
        self.submitted = submission.sequence;
        self.progress.backlog_bytes.fetch_add(submission.size_bytes(), Ordering::Relaxed);
        // The writer has gone only if it failed, which the state tells.
        let _ = self.jobs.send(Job::Write { worker: self.worker, submission });
    }

    fn request_page(&mut self, request: PageRequest) {
        let _ = self.jobs.send(Job::Read(Wanted { worker: self.worker, request }));
    }

    fn take_pages(&mut self) -> Vec<Page> {
        std::mem::take(&mut *self.pages[self.worker].lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn durable(&self) -> Sequence {
        match self.durability {
            Durability::None => self.submitted,
            _ => Sequence(self.progress.durable[self.worker].load(Ordering::Acquire)),
        }
    }

    fn backlog_bytes(&self) -> usize {
        // A writer that has gone writes nothing, and keeps nothing.
        match self.progress.has_failed.load(Ordering::Relaxed) {
            true => 0,
            false => self.progress.backlog_bytes.load(Ordering::Relaxed),
        }
    }

    fn state(&self) -> StoreState {
        if self.progress.has_failed.load(Ordering::Relaxed) {
            StoreState::Failed
        } else if self.progress.is_full.load(Ordering::Relaxed) {
            StoreState::Full
        } else {
            StoreState::Good
        }
    }
}
