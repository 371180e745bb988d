//! What all security files have in common: how they are read, and how it is said what is wrong with them.

use std::fmt;
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

/// A security file that cannot be used. Nobody is let in, and nothing is allowed, by half of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileError {
    /// The file.
    pub path: PathBuf,
    /// The line, from 1. `None` when the mistake is in no single line.
    pub line: Option<usize>,
    /// What is wrong, in one sentence without a full stop.
    pub message: String,
}

impl FileError {
    pub(super) fn new(path: &Path, line: Option<usize>, message: impl Into<String>) -> FileError {
        FileError { path: path.to_owned(), line, message: message.into() }
    }
}

impl fmt::Display for FileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "{}:{line}: {}", self.path.display(), self.message),
            None => write!(f, "{}: {}", self.path.display(), self.message),
        }
    }
}

impl std::error::Error for FileError {}

/// Far more than a million users or rules need.
const MAX_FILE_BYTES: u64 = 256 << 20;

/// Reads a file of lines whole. Whoever writes one ends its last line last: without that it is half written.
pub(super) fn read_lines(path: &Path) -> Result<String, FileError> {
    let failed = |error: std::io::Error| FileError::new(path, None, format!("cannot be read: {error}"));
    let file = File::open(path).map_err(failed)?;
    let metadata = file.metadata().map_err(failed)?;
    if !metadata.is_file() {
        return Err(FileError::new(path, None, "cannot be read: it is not a regular file"));
    }
    if metadata.len() > MAX_FILE_BYTES {
        return Err(FileError::new(path, None, "is larger than 256MiB"));
    }
    let mut bytes = Vec::new();
    file.take(MAX_FILE_BYTES).read_to_end(&mut bytes).map_err(failed)?;
    let text = String::from_utf8(bytes).map_err(|problem| {
        let good = &problem.as_bytes()[..problem.utf8_error().valid_up_to()];
        let line = 1 + good.iter().filter(|byte| **byte == b'\n').count();
        FileError::new(path, Some(line), "is not UTF-8 text")
    })?;
    if !text.is_empty() && !text.ends_with('\n') {
        let line = text.lines().count();
        return Err(FileError::new(path, Some(line), "the last line does not end: the file is half written"));
    }
    Ok(text)
}
