//! Looking after a store while no broker runs: checking it, counting what is in it, making its file smaller.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use super::load::{Damage, Extent, Loaded, load};
use super::progress::SideFile;
use super::{FILE, StoreError, lock, schema, sentences, set_aside, shortfall};

/// A store that no broker uses, and that none can use while this exists.
#[derive(Debug)]
pub struct OfflineStore {
    path: PathBuf,
    _lock: File,
}

/// What is in a store.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Sessions, those included that are kept for their will.
    pub sessions: u64,
    /// Their subscriptions.
    pub subscriptions: u64,
    /// Wills that wait.
    pub wills: u64,
    /// Messages on their way to sessions, each counted once.
    pub messages: u64,
    /// The same, counted once for each session that is to get it.
    pub deliveries: u64,
    /// Exchanges with QoS 2 that are under way, in both directions.
    pub exchanges: u64,
    /// Retained messages.
    pub retained: u64,
    /// How many transactions the store has seen.
    pub transactions: u64,
    /// The size of the file and its log.
    pub bytes: u64,
    /// The size of a page.
    pub page_bytes: u64,
    /// Pages of the file.
    pub pages: u64,
    /// Pages that hold nothing.
    pub free_pages: u64,
}

/// What compacting came to, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Compacted {
    /// The size of the file and its log before.
    pub before_bytes: u64,
    /// And after.
    pub after_bytes: u64,
}

impl OfflineStore {
    /// Locks the store of a data directory.
    ///
    /// # Errors
    ///
    /// There is none, a broker is using it, or the system refuses.
    pub fn open(directory: &Path) -> Result<OfflineStore, StoreError> {
        let path = directory.join(FILE);
        if !path.try_exists()? {
            return Err(StoreError::Missing);
        }
        let lock = lock(directory)?.ok_or(StoreError::InUse)?;
        Ok(OfflineStore { path, _lock: lock })
    }

    /// Where the store is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Looks at every page and every row, changes nothing, and says what is damaged, a sentence each.
    ///
    /// # Errors
    ///
    /// The store cannot be read for another reason than damage.
    pub fn check(&self) -> Result<Vec<String>, StoreError> {
        let connection = match schema::open_as_it_is(&self.path) {
            Ok(connection) => connection,
            Err(StoreError::Sqlite(error)) if set_aside::is_damage(&error) => {
                return Ok(vec![format!("the store could not be read at all: {error}")]);
            }
            Err(error) => return Err(error),
        };
        let mut findings = Vec::new();
        let checked = connection.pragma_query(None, "integrity_check", |row| {
            let finding: String = row.get(0)?;
            if finding != "ok" {
                findings.push(finding);
            }
            Ok(())
        });
        if let Err(error) = checked {
            findings.push(error.to_string());
        }
        let Loaded { damage, numbers, .. } = load(&connection, Extent::WithoutQueues);
        findings.extend(sentences(&damage));
        for (table, Damage { examples, .. }) in &damage {
            findings.extend(examples.iter().map(|key| format!("row {key} of {table} is damaged")));
        }
        let directory = self.path.parent().unwrap_or(Path::new("."));
        findings.extend(shortfall(numbers.transactions, SideFile::look(directory)));
        Ok(findings)
    }

    /// Counts what is in the store, and changes nothing.
    ///
    /// # Errors
    ///
    /// The store cannot be read.
    pub fn stats(&self) -> Result<Stats, StoreError> {
        let connection = schema::open_as_it_is(&self.path)?;
        let number = |query: &str| -> rusqlite::Result<u64> {
            let number: i64 = connection.query_row(query, [], |row| row.get(0))?;
            Ok(u64::try_from(number).unwrap_or(0))
        };
        let count = |table: &str| number(&format!("SELECT count(*) FROM {table}"));
        Ok(Stats {
            sessions: count("session")?,
            subscriptions: count("subscription")?,
            wills: count("will")?,
            messages: count("message")?,
            deliveries: count("delivery")?,
            exchanges: count("releasing")? + count("received")?,
            retained: count("retained")?,
            transactions: number("SELECT coalesce(max(transactions), 0) FROM progress")?,
            bytes: self.size_bytes()?,
            page_bytes: number("PRAGMA page_size")?,
            pages: number("PRAGMA page_count")?,
            free_pages: number("PRAGMA freelist_count")?,
        })
    }

    /// Writes the file anew without the room that it does not need.
    ///
    /// # Errors
    ///
    /// The store is damaged, or there is no room for a second copy while this runs.
    pub fn compact(&self) -> Result<Compacted, StoreError> {
        let before_bytes = self.size_bytes()?;
        let connection = schema::open(&self.path)?;
        connection.execute_batch("VACUUM")?;
        connection.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)")?;
        connection.close().map_err(|(_, error)| error)?;
        Ok(Compacted { before_bytes, after_bytes: self.size_bytes()? })
    }

    fn size_bytes(&self) -> Result<u64, StoreError> {
        let log = self.path.with_file_name(format!("{FILE}-wal"));
        Ok(fs::metadata(&self.path)?.len() + fs::metadata(log).map_or(0, |log| log.len()))
    }
}
