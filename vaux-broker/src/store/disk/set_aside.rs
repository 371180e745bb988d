//! What is done with a damaged file: it is kept for those who want to look, and a new one takes over what is good.

use std::fs;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use rusqlite::ErrorCode;

use super::load::Loaded;
use super::{DiskStore, StoreError, batch, make_private, schema};

/// Whether an error means that the file is not what was written.
pub(super) fn is_damage(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase))
}

/// Sets the file aside and writes what was read of it into a new one.
pub(super) fn carry_over(directory: &Path, path: &Path, loaded: Loaded) -> Result<DiskStore, StoreError> {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let quarantine = directory.join("quarantine").join(since_epoch.as_millis().to_string());
    fs::create_dir_all(&quarantine)?;
    for ending in ["", "-wal", "-shm"] {
        let file = path.with_file_name(format!("{}{ending}", super::FILE));
        if file.try_exists()? {
            fs::rename(&file, quarantine.join(format!("{}{ending}", super::FILE)))?;
        }
    }
    let Loaded { contents, damage, .. } = loaded;
    make_private(path)?;
    let connection = schema::open(path)?;
    let references = batch::write_contents(&connection, &contents)?;
    let mut sentences: Vec<String> = damage
        .iter()
        .map(|(table, count)| match *table {
            "file" => "the store could not be read at all".to_owned(),
            table => format!("{count} rows of {table} could not be read"),
        })
        .collect();
    sentences.push(format!("the damaged store is kept in {}", quarantine.display()));
    Ok(DiskStore { path: path.to_owned(), connection, references, contents, damage: sentences })
}
