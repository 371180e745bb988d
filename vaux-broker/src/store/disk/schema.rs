//! The tables, and opening the file that holds them.

use std::path::Path;

use rusqlite::functions::FunctionFlags;
use rusqlite::{Connection, OpenFlags};

use super::StoreError;
use super::rows::row_sum;
use crate::config::Durability;

/// The format that this version reads and writes. The file notes it as its `user_version`.
const FORMAT: i64 = 4;

/// Each row ends with `sum`, a checksum over its other columns ([`row_sum`]). Times and unlimited spans are stored as
/// SQLite has integers: "never" is -1.
const TABLES: &str = "
CREATE TABLE session (
    sid INTEGER PRIMARY KEY, mount TEXT NOT NULL, client_id TEXT NOT NULL, user TEXT,
    expiry_ms INTEGER NOT NULL, ends_at INTEGER NOT NULL, is_connected INTEGER NOT NULL, grants TEXT,
    sum INTEGER NOT NULL);
CREATE TABLE will (
    sid INTEGER PRIMARY KEY, topic TEXT NOT NULL, properties BLOB NOT NULL, payload BLOB NOT NULL,
    flags INTEGER NOT NULL, delay_s INTEGER NOT NULL, expiry_s INTEGER, due_at INTEGER NOT NULL, sum INTEGER NOT NULL);
CREATE TABLE subscription (
    sid INTEGER NOT NULL, filter TEXT NOT NULL, options INTEGER NOT NULL, identifier INTEGER NOT NULL,
    sum INTEGER NOT NULL, PRIMARY KEY (sid, filter)) WITHOUT ROWID;
CREATE TABLE message (
    mid INTEGER PRIMARY KEY, publisher INTEGER NOT NULL, flags INTEGER NOT NULL, expires_at INTEGER NOT NULL,
    topic TEXT NOT NULL, properties BLOB NOT NULL, payload BLOB NOT NULL, sum INTEGER NOT NULL);
CREATE TABLE delivery (
    sid INTEGER NOT NULL, mid INTEGER NOT NULL, flags INTEGER NOT NULL, packet_id INTEGER, identifiers BLOB,
    share_name TEXT, share_filter TEXT, sum INTEGER NOT NULL, PRIMARY KEY (sid, mid)) WITHOUT ROWID;
CREATE TABLE releasing (
    sid INTEGER NOT NULL, packet_id INTEGER NOT NULL, sum INTEGER NOT NULL, PRIMARY KEY (sid, packet_id))
    WITHOUT ROWID;
CREATE TABLE received (
    sid INTEGER NOT NULL, packet_id INTEGER NOT NULL, sum INTEGER NOT NULL, PRIMARY KEY (sid, packet_id))
    WITHOUT ROWID;
CREATE TABLE retained (
    mid INTEGER NOT NULL, publisher INTEGER NOT NULL, flags INTEGER NOT NULL, expires_at INTEGER NOT NULL,
    topic TEXT PRIMARY KEY, properties BLOB NOT NULL, payload BLOB NOT NULL, client_id TEXT, mount TEXT, user TEXT,
    listener TEXT, grants TEXT, sum INTEGER NOT NULL);
CREATE TABLE progress (
    id INTEGER PRIMARY KEY, transactions INTEGER NOT NULL, last_sid INTEGER NOT NULL, last_mid INTEGER NOT NULL,
    sum INTEGER NOT NULL);
";

/// A table as it is read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Table {
    pub(super) name: &'static str,
    /// Its columns, `sum` left out.
    columns: &'static str,
    /// What its rows are sorted by in the file.
    key: &'static str,
}

pub(super) const SESSION: Table = Table {
    name: "session",
    columns: "sid, mount, client_id, user, expiry_ms, ends_at, is_connected, grants",
    key: "sid",
};
pub(super) const WILL: Table = Table {
    name: "will",
    columns: "sid, topic, properties, payload, flags, delay_s, expiry_s, due_at",
    key: "sid",
};
pub(super) const SUBSCRIPTION: Table =
    Table { name: "subscription", columns: "sid, filter, options, identifier", key: "sid, filter" };
pub(super) const MESSAGE: Table = Table { name: "message", columns: MESSAGE_COLUMNS, key: "mid" };
pub(super) const DELIVERY: Table = Table {
    name: "delivery",
    columns: "sid, mid, flags, packet_id, identifiers, share_name, share_filter",
    key: "sid, mid",
};
pub(super) const RELEASING: Table =
    Table { name: "releasing", columns: "sid, packet_id", key: "sid, packet_id" };
pub(super) const RECEIVED: Table =
    Table { name: "received", columns: "sid, packet_id", key: "sid, packet_id" };
/// The columns of a message, and who published it: no `client_id`, the broker itself.
pub(super) const RETAINED: Table = Table {
    name: "retained",
    columns: "mid, publisher, flags, expires_at, topic, properties, payload, client_id, mount, user, listener, grants",
    key: "rowid",
};
pub(super) const PROGRESS: Table =
    Table { name: "progress", columns: "id, transactions, last_sid, last_mid", key: "id" };

const MESSAGE_COLUMNS: &str = "mid, publisher, flags, expires_at, topic, properties, payload";

impl Table {
    /// The query that reads all rows, from the front or from the back. The last column is the sum.
    pub(super) fn select(&self, is_backwards: bool) -> String {
        let Table { name, columns, key } = self;
        let key = match is_backwards {
            true => key.split(", ").map(|column| format!("{column} DESC")).collect::<Vec<_>>().join(", "),
            false => (*key).to_owned(),
        };
        format!("SELECT {columns}, sum FROM {name} ORDER BY {key}")
    }

    /// The query that reads the row with a key.
    pub(super) fn select_one(&self) -> String {
        let Table { name, columns, key } = self;
        let key = key.split(", ").map(|column| format!("{column} = ?")).collect::<Vec<_>>().join(" AND ");
        format!("SELECT {columns}, sum FROM {name} WHERE {key}")
    }

    /// The statement that writes a row; its sum is computed on the way.
    pub(super) fn insert(&self, verb: &str) -> String {
        let Table { name, columns, .. } = self;
        let values: Vec<String> =
            (1..=columns.split(", ").count()).map(|number| format!("?{number}")).collect();
        let values = values.join(", ");
        format!("{verb} INTO {name} ({columns}, sum) VALUES ({values}, row_sum({values}))")
    }
}

/// Opens the file, or makes it.
pub(super) fn open(path: &Path) -> Result<Connection, StoreError> {
    let connection = Connection::open(path)?;
    add_row_sum(&connection)?;
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

/// Opens the file for reading only, as it is.
pub(super) fn open_as_it_is(path: &Path) -> Result<Connection, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    match connection.pragma_query_value(None, "user_version", |row| row.get(0))? {
        FORMAT => Ok(connection),
        found => Err(StoreError::Format { found, known: FORMAT }),
    }
}

/// Teaches SQLite the function that computes the sum of a row, so that an UPDATE can do it too.
fn add_row_sum(connection: &Connection) -> rusqlite::Result<()> {
    let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC;
    connection.create_scalar_function("row_sum", -1, flags, |context| {
        Ok(row_sum((0..context.len()).map(|index| context.get_raw(index))))
    })
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
