//! The engine that keeps everything in a SQLite file.
//!
//! One thread writes. It takes all submissions that wait, of all workers, in the order in which they were submitted,
//! writes them in one transaction, syncs, and tells the workers how far they are durable (`writer`). While it syncs,
//! the next ones gather: the more there is to do, the less each costs.

mod batch;
mod load;
mod rows;
mod schema;
mod set_aside;
#[cfg(test)]
mod tests;
mod writer;

use std::fmt;
use std::io;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

use rusqlite::Connection;

use super::{Contents, Recorder, Sequence, Store, StoreState, Submission};
use crate::config::Durability;
use crate::retained::Retained;

use batch::References;
use writer::{Job, Writer};

/// The file, in the data directory.
const FILE: &str = "store.db";

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
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StoreError::Sqlite(error) => write!(f, "{error}"),
            StoreError::Io(error) => write!(f, "{error}"),
            StoreError::Format { found, known } => {
                write!(f, "it has format {found}, and this version knows format {known}; use a newer vaux")
            }
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
    /// What was found in it: taken by those who start with it.
    pub contents: Contents,
    /// What was wrong with it, a sentence each. The old file has been set aside then.
    pub damage: Vec<String>,
}

/// How a store behaves.
#[derive(Clone, Copy, Debug)]
pub struct DiskOptions {
    /// What an acknowledgement means.
    pub durability: Durability,
    /// How often what is not synced at once is.
    pub interval: std::time::Duration,
    /// The file may not become larger. In bytes.
    pub max_bytes: u64,
}

/// What the writer and the workers know of each other.
#[derive(Debug)]
struct Progress {
    /// Up to where each worker's submissions are durable.
    durable: Box<[AtomicU64]>,
    /// Whether there is no room for more.
    is_full: AtomicBool,
    /// Whether a commit failed: then nobody knows what is on the disk.
    has_failed: AtomicBool,
}

/// What happened to a worker's submissions.
pub type Wake = Box<dyn Fn() + Send>;

impl DiskStore {
    /// Opens the store in a directory, or makes it, and reads it. A file that is damaged is set aside; what can be
    /// read of it is carried over.
    ///
    /// # Errors
    ///
    /// The directory cannot be used, or the file was written by a newer version.
    pub fn open(directory: &Path) -> Result<DiskStore, StoreError> {
        let path = directory.join(FILE);
        make_private(&path)?;
        let opened = schema::open(&path).map(|connection| {
            let loaded = load::load(&connection);
            (connection, loaded)
        });
        let (connection, loaded) = match opened {
            Ok((connection, loaded)) if loaded.damage.is_empty() => (connection, loaded),
            Ok((connection, loaded)) => {
                drop(connection);
                return set_aside::carry_over(directory, &path, loaded);
            }
            Err(StoreError::Sqlite(error)) if set_aside::is_damage(&error) => {
                let mut loaded = load::Loaded::default();
                loaded.damage.insert("file", 1);
                return set_aside::carry_over(directory, &path, loaded);
            }
            Err(error) => return Err(error),
        };
        batch::delete_garbage(&connection, &loaded.garbage)?;
        let load::Loaded { contents, references, .. } = loaded;
        Ok(DiskStore { path, connection, references, contents, damage: Vec::new() })
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
            is_full: AtomicBool::new(false),
            has_failed: AtomicBool::new(false),
        });
        let (sender, jobs): (Sender<Job>, Receiver<Job>) = channel();
        let handles = (0..wakes.len()).map(|worker| DiskHandle {
            worker,
            jobs: sender.clone(),
            progress: Arc::clone(&progress),
            durability: options.durability,
            submitted: Sequence::NONE,
        });
        let handles = handles.collect();
        let writer = Writer::new(self, options, retained, wakes, progress)?;
        let thread = std::thread::Builder::new().name("store".into()).spawn(move || writer.run(&jobs))?;
        Ok((handles, thread))
    }
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
    durability: Durability,
    submitted: Sequence,
}

impl Store for DiskHandle {
    fn recorder(&self) -> Recorder {
        Recorder::keeping()
    }

    fn submit(&mut self, submission: Submission) {
        self.submitted = submission.sequence;
        // The writer has gone only if it failed, which the state tells.
        let _ = self.jobs.send(Job { worker: self.worker, submission });
    }

    fn durable(&self) -> Sequence {
        match self.durability {
            Durability::None => self.submitted,
            _ => Sequence(self.progress.durable[self.worker].load(Ordering::Acquire)),
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
