//! How far the store has come: how many transactions it has seen, and the highest numbers it was given.
//!
//! The number of transactions is noted twice: in the store, by each transaction, and in a file beside it as soon as the
//! transaction is on the disk. A store that knows of fewer than the file has lost some: its log was damaged, or an
//! older copy stands in its place. SQLite cannot tell, for to it a damaged end of the log is one that was never written.

use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::Path;

use rusqlite::{Connection, Row, params};

use super::rows::{Damaged, restored, stored};
use super::schema::PROGRESS;

/// The file beside the store: the number, and a checksum.
pub(super) const SIDE_FILE: &str = "store.seq";

/// How far a store has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Numbers {
    /// How many transactions there were.
    pub(super) transactions: u64,
    /// The highest number that a session ever had.
    pub(super) last_sid: u64,
    /// The highest number that a message ever had.
    pub(super) last_mid: u64,
}

impl Numbers {
    pub(super) fn write(&self, connection: &Connection) -> rusqlite::Result<()> {
        connection.prepare_cached(&PROGRESS.insert("REPLACE"))?.execute(params![
            0,
            stored(self.transactions),
            stored(self.last_sid),
            stored(self.last_mid)
        ])?;
        Ok(())
    }

    pub(super) fn read(row: &Row<'_>) -> Result<Numbers, Damaged> {
        let number = |index| row.get(index).map(restored).map_err(|_| Damaged);
        Ok(Numbers { transactions: number(1)?, last_sid: number(2)?, last_mid: number(3)? })
    }
}

/// The file beside the store.
#[derive(Debug)]
pub(super) struct SideFile(File);

impl SideFile {
    /// Opens it or makes it, and says what it noted. A file that does not check notes nothing.
    pub(super) fn open(directory: &Path) -> io::Result<(SideFile, u64)> {
        let mut options = File::options();
        let options = options.create(true).truncate(false).read(true).write(true).mode(0o600);
        let file = options.open(directory.join(SIDE_FILE))?;
        let noted = noted(&file);
        Ok((SideFile(file), noted))
    }

    /// What the file of a store that is left alone notes.
    pub(super) fn look(directory: &Path) -> u64 {
        File::open(directory.join(SIDE_FILE)).map_or(0, |file| noted(&file))
    }

    /// Notes that so many transactions are on the disk. This is not synced: after a power cut an older number does no
    /// harm.
    pub(super) fn note(&self, transactions: u64) -> io::Result<()> {
        let number = transactions.to_le_bytes();
        let mut bytes = [0; 12];
        bytes[..8].copy_from_slice(&number);
        bytes[8..].copy_from_slice(&crc32fast::hash(&number).to_le_bytes());
        self.0.write_all_at(&bytes, 0)
    }
}

fn noted(file: &File) -> u64 {
    let (mut number, mut sum) = ([0; 8], [0; 4]);
    let is_read = file.read_exact_at(&mut number, 0).and_then(|()| file.read_exact_at(&mut sum, 8));
    match is_read {
        Ok(()) if crc32fast::hash(&number) == u32::from_le_bytes(sum) => u64::from_le_bytes(number),
        _ => 0,
    }
}
