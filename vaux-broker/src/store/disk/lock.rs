//! The lock on a data directory: one process at a time uses it.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

/// The file that is locked, in the data directory.
pub const LOCK: &str = "lock";

/// Locks a directory for as long as the file that is returned is open; the system unlocks it however the process ends.
/// `None` when another process has it.
///
/// # Errors
///
/// The file cannot be made or locked.
pub fn lock(directory: &Path) -> io::Result<Option<File>> {
    let mut options = OpenOptions::new();
    let file = options.create(true).truncate(false).write(true).mode(0o600).open(directory.join(LOCK))?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(error),
    }
}
