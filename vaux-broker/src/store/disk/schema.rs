//! The tables, and opening the file that holds them.

use std::path::Path;

use rusqlite::Connection;

use super::StoreError;
use crate::config::Durability;

/// The format that this version reads and writes. The file notes it as its `user_version`.
const FORMAT: i64 = 1;

/// `sum` is a checksum over the row's other columns. Times and unlimited spans are stored as SQLite has integers:
/// "never" is -1.
const TABLES: &str = "
CREATE TABLE session (
    sid INTEGER PRIMARY KEY, mount TEXT NOT NULL, client_id TEXT NOT NULL, user TEXT,
    expiry_ms INTEGER NOT NULL, ends_at INTEGER NOT NULL, is_connected INTEGER NOT NULL);
CREATE TABLE will (
    sid INTEGER PRIMARY KEY, topic TEXT NOT NULL, properties BLOB NOT NULL, payload BLOB NOT NULL,
    flags INTEGER NOT NULL, delay_s INTEGER NOT NULL, expiry_s INTEGER, due_at INTEGER NOT NULL, sum INTEGER NOT NULL);
CREATE TABLE subscription (
    sid INTEGER NOT NULL, filter TEXT NOT NULL, options INTEGER NOT NULL, identifier INTEGER NOT NULL,
    PRIMARY KEY (sid, filter)) WITHOUT ROWID;
CREATE TABLE message (
    mid INTEGER PRIMARY KEY, publisher INTEGER NOT NULL, flags INTEGER NOT NULL, expires_at INTEGER NOT NULL,
    topic TEXT NOT NULL, properties BLOB NOT NULL, payload BLOB NOT NULL, sum INTEGER NOT NULL);
CREATE TABLE delivery (
    sid INTEGER NOT NULL, mid INTEGER NOT NULL, flags INTEGER NOT NULL, packet_id INTEGER, identifiers BLOB,
    share_name TEXT, share_filter TEXT, PRIMARY KEY (sid, mid)) WITHOUT ROWID;
CREATE TABLE releasing (
    sid INTEGER NOT NULL, packet_id INTEGER NOT NULL, PRIMARY KEY (sid, packet_id)) WITHOUT ROWID;
CREATE TABLE received (
    sid INTEGER NOT NULL, packet_id INTEGER NOT NULL, PRIMARY KEY (sid, packet_id)) WITHOUT ROWID;
CREATE TABLE retained (
    topic TEXT PRIMARY KEY, mid INTEGER NOT NULL, publisher INTEGER NOT NULL, flags INTEGER NOT NULL,
    expires_at INTEGER NOT NULL, properties BLOB NOT NULL, payload BLOB NOT NULL, sum INTEGER NOT NULL);
";

/// Opens the file, or makes it.
pub(super) fn open(path: &Path) -> Result<Connection, StoreError> {
    let connection = Connection::open(path)?;
    // Before the first table; later it has no effect.
    connection.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    let format: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    match format {
        0 => {
            connection.execute_batch(&format!("BEGIN; {TABLES} PRAGMA user_version = {FORMAT}; COMMIT;"))?;
        }
        FORMAT => {}
        newer => return Err(StoreError::Format { found: newer, known: FORMAT }),
    }
    Ok(connection)
}

/// How sure a commit is.
pub(super) fn set_durability(connection: &Connection, durability: Durability) -> Result<(), StoreError> {
    let synchronous = match durability {
        // Each commit is synced.
        Durability::Commit => "FULL",
        // The file is synced before the log is written over; the log is synced by the writer, each interval.
        Durability::Interval => "NORMAL",
        Durability::None => "OFF",
    };
    connection.pragma_update(None, "synchronous", synchronous)?;
    // The log grows to about 16 MB before it is carried over, and is cut back to that.
    connection.pragma_update(None, "wal_autocheckpoint", 4000)?;
    connection.pragma_update(None, "journal_size_limit", 16 << 20)?;
    Ok(())
}
