//! The data directory: where it is, that it is private, and that no second broker uses it.

use std::fs::{self, DirBuilder, File, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use super::error::ProgramError;
use crate::store::disk::{LOCK, lock};

/// Where broker and clients look for the data directory when they are not told: `VAUX_DATA_DIR`, else the
/// platform's data directory + `/vaux`. `None` for a user without a home directory.
pub fn default_data_dir() -> Option<PathBuf> {
    let told = std::env::var_os("VAUX_DATA_DIR").filter(|path| !path.is_empty());
    told.map(PathBuf::from).or_else(platform_data_dir)
}

/// The platform's data directory + `/vaux`.
pub(super) fn platform_data_dir() -> Option<PathBuf> {
    let home = || std::env::home_dir().filter(|home| home.is_absolute());
    let data = if cfg!(target_os = "macos") {
        home()?.join("Library/Application Support")
    } else {
        // A relative path here must be ignored, says the XDG Base Directory Specification.
        let xdg = std::env::var_os("XDG_DATA_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
        match xdg {
            Some(path) => path,
            None => home()?.join(".local/share"),
        }
    };
    Some(data.join("vaux"))
}

/// A data directory that this process alone uses.
#[derive(Debug)]
pub(super) struct DataDir {
    path: PathBuf,
    /// Locked for as long as it is open; the system unlocks it however the process ends.
    _lock: File,
}

impl DataDir {
    /// Makes the directory if need be, keeps other users out, and locks it.
    pub(super) fn open(path: PathBuf) -> Result<DataDir, ProgramError> {
        let problem =
            |problem: io::Error| ProgramError::DataDir { path: path.clone(), problem: problem.to_string() };
        DirBuilder::new().recursive(true).mode(0o700).create(&path).map_err(problem)?;
        let path = path.canonicalize().map_err(problem)?;
        protect(&path)?;
        let problem =
            |problem: io::Error| ProgramError::DataDir { path: path.clone(), problem: problem.to_string() };
        match lock(&path).map_err(problem)? {
            Some(lock) => Ok(DataDir { path, _lock: lock }),
            None => Err(ProgramError::Locked { path }),
        }
    }

    /// The absolute path.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

/// Closes an own or empty directory to other users. A directory that is open to them and holds other things, such as
/// `/tmp`, is not the broker's to close.
fn protect(path: &Path) -> Result<(), ProgramError> {
    let problem = |problem: String| ProgramError::DataDir { path: path.to_owned(), problem };
    let protect = || -> io::Result<bool> {
        let mode = fs::metadata(path)?.permissions().mode() & 0o777;
        if mode & 0o077 == 0 {
            return Ok(true);
        }
        let is_ours = path.join(LOCK).try_exists()? || fs::read_dir(path)?.next().is_none();
        if is_ours {
            fs::set_permissions(path, Permissions::from_mode(0o700))?;
        }
        Ok(is_ours)
    };
    match protect() {
        Ok(true) => Ok(()),
        Ok(false) => Err(problem(
            "is open to other users and holds other files; give a directory of its own, or close it with chmod 700"
                .into(),
        )),
        Err(error) => Err(problem(error.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn a_new_directory_is_private() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("a/vaux");
        let data_dir = DataDir::open(path.clone()).unwrap();
        assert_eq!(mode(data_dir.path()), 0o700);
        assert_eq!(mode(&parent.path().join("a")), 0o700);
        assert_eq!(mode(&path.join(LOCK)), 0o600);
    }

    #[test]
    fn a_second_broker_is_kept_out_until_the_first_ends() {
        let directory = tempfile::tempdir().unwrap();
        let first = DataDir::open(directory.path().into()).unwrap();
        let second = DataDir::open(directory.path().into());
        assert!(matches!(second, Err(ProgramError::Locked { .. })));
        drop(first);
        DataDir::open(directory.path().into()).unwrap();
    }

    #[test]
    fn an_empty_directory_is_closed_to_others() {
        let directory = tempfile::tempdir().unwrap();
        fs::set_permissions(directory.path(), Permissions::from_mode(0o755)).unwrap();
        DataDir::open(directory.path().into()).unwrap();
        assert_eq!(mode(directory.path()), 0o700);
    }

    #[test]
    fn a_shared_directory_is_left_as_it_is() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("somebody's"), "").unwrap();
        fs::set_permissions(directory.path(), Permissions::from_mode(0o777)).unwrap();
        let error = DataDir::open(directory.path().into()).unwrap_err();
        assert!(error.message().contains("give a directory of its own"), "{}", error.message());
        assert_eq!(mode(directory.path()), 0o777);
    }
}
