//! What is done with a damaged file: it is kept for those who want to look, and a new one takes over what is good.
//!
//! The new file is complete and on the disk before the old one moves, and a start that finds it finishes the move: at
//! no moment can a crash leave a data directory without what could be read.

use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use rusqlite::ErrorCode;

use super::load::Loaded;
use super::{FILE, StoreError, batch, make_private, schema};
use crate::retained::{Kept, Retained};
use crate::store::{Contents, Record};

/// A new file that is not complete.
const UNFINISHED: &str = "store.db.unfinished";
/// A new file that is complete and has not taken its place.
const FINISHED: &str = "store.db.finished";

/// Whether an error means that the file is not what was written.
pub(super) fn is_damage(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase))
}

/// Sets the file aside and writes what was read of it into a new one, which takes its place. Says where the old one is.
pub(super) fn carry_over(directory: &Path, loaded: &Loaded) -> Result<String, StoreError> {
    let unfinished = directory.join(UNFINISHED);
    remove_with_log(&unfinished)?;
    make_private(&unfinished)?;
    let connection = schema::open(&unfinished)?;
    write_contents(&connection, loaded)?;
    // Closing carries the log over and removes it.
    connection.close().map_err(|(_, error)| error)?;
    File::open(&unfinished)?.sync_all()?;
    fs::rename(&unfinished, directory.join(FINISHED))?;
    sync_directory(directory)?;
    finish(directory)
}

/// Finishes what a crash interrupted, if anything, and says where the old file is then.
pub(super) fn finish_interrupted(directory: &Path) -> Result<Option<String>, StoreError> {
    match directory.join(FINISHED).try_exists()? {
        true => finish(directory).map(Some),
        false => Ok(None),
    }
}

fn finish(directory: &Path) -> Result<String, StoreError> {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let quarantine = directory.join("quarantine").join(since_epoch.as_millis().to_string());
    fs::create_dir_all(&quarantine)?;
    // The log goes first: it must not stay to be taken for that of the new file.
    for ending in ["-wal", "-shm", ""] {
        let name = format!("{FILE}{ending}");
        if directory.join(&name).try_exists()? {
            fs::rename(directory.join(&name), quarantine.join(&name))?;
        }
    }
    fs::rename(directory.join(FINISHED), directory.join(FILE))?;
    sync_directory(directory)?;
    Ok(quarantine.display().to_string())
}

fn remove_with_log(path: &Path) -> io::Result<()> {
    for ending in ["", "-wal", "-shm"] {
        let mut name = path.as_os_str().to_owned();
        name.push(ending);
        match fs::remove_file(&name) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

fn sync_directory(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}

/// Writes everything that was read into a new file.
fn write_contents(connection: &rusqlite::Connection, loaded: &Loaded) -> rusqlite::Result<()> {
    let Contents { sessions, retained, .. } = &loaded.contents;
    let tree = Retained::default();
    let mut batch = batch::Batch::default();
    for Kept { message, source } in retained {
        // There is no limit on what was let in before.
        let _ = tree.set(message.clone(), source.as_deref(), usize::MAX, usize::MAX);
        batch.add(Record::Retained { topic: message.content().topic.into() });
    }
    for stored in sessions {
        let sid = stored.session.sid;
        batch.add(Record::Session(Box::new(stored.session.clone())));
        for subscription in &stored.subscriptions {
            batch.add(Record::Subscribed { sid, subscription: Box::new(subscription.clone()) });
        }
        for (delivery, packet_id) in &stored.deliveries {
            batch.add(Record::Delivery { sid, delivery: delivery.clone(), packet_id: *packet_id });
        }
        for (packet_ids, is_releasing) in [(&stored.releasing, true), (&stored.received, false)] {
            packet_ids.iter().for_each(|packet_id| batch.add_exchange(sid, *packet_id, is_releasing));
        }
    }
    connection.execute_batch("BEGIN IMMEDIATE")?;
    batch.write(connection, &mut batch::References::new(), &tree)?;
    loaded.numbers.write(connection)?;
    connection.execute_batch("COMMIT")
}
