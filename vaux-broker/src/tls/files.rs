//! Reading and writing certificates and keys. A file is written whole under another name and then renamed, so that
//! neither a crash nor a full disk leaves half of one.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use super::TlsError;

/// Who may read a file.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    /// Its owner alone.
    Owner,
    /// Everyone, as far as the directory lets them.
    Everyone,
}

/// A file that is written but does not have its name yet.
pub(super) struct Staged {
    written: PathBuf,
    path: PathBuf,
}

impl Staged {
    /// Writes `contents` next to `path`.
    pub(super) fn write(path: &Path, contents: &str, access: Access) -> Result<Staged, TlsError> {
        let mut written = path.as_os_str().to_owned();
        written.push(".new");
        let written = PathBuf::from(written);
        let mode = if access == Access::Owner { 0o600 } else { 0o644 };
        let write = || {
            // Left over from a broker that was stopped here.
            match fs::remove_file(&written) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
            let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(&written)?;
            file.write_all(contents.as_bytes())?;
            file.sync_all()
        };
        write().map_err(|source| TlsError::File { action: "write", path: written.clone(), source })?;
        Ok(Staged { written, path: path.to_owned() })
    }

    /// Gives the file its name, in place of what had it.
    pub(super) fn commit(self) -> Result<(), TlsError> {
        let commit = || {
            fs::rename(&self.written, &self.path)?;
            // The rename itself must survive a power loss.
            self.path.parent().map_or(Ok(()), |directory| File::open(directory)?.sync_all())
        };
        commit().map_err(|source| TlsError::File { action: "write", path: self.path.clone(), source })
    }
}

/// Whether there is a file of this name; not being able to tell is an error.
pub(super) fn exists(path: &Path) -> Result<bool, TlsError> {
    path.try_exists().map_err(|source| TlsError::File { action: "look for", path: path.to_owned(), source })
}

/// Reads a PEM file.
pub(super) fn read(path: &Path) -> Result<String, TlsError> {
    fs::read_to_string(path).map_err(|source| TlsError::File {
        action: "read",
        path: path.to_owned(),
        source,
    })
}

/// Reads a key that the broker itself wrote, and takes from others the right to read it.
pub(super) fn read_private(path: &Path) -> Result<String, TlsError> {
    let contents = read(path)?;
    let protect = || {
        let mode = fs::metadata(path)?.permissions().mode();
        if mode & 0o077 != 0 {
            tracing::warn!("{} could be read by other users; now it cannot", path.display());
            fs::set_permissions(path, Permissions::from_mode(0o600))?;
        }
        Ok(())
    };
    protect().map_err(|source| TlsError::File { action: "protect", path: path.to_owned(), source })?;
    Ok(contents)
}
