//! What the configuration names for each listener, read whole: to be put in force at once, or not at all.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use hashbrown::HashMap;

use super::file::FileError;
use super::http::Service;
use super::jwt::Tokens;
use super::password_file::PasswordFile;
use crate::config::Config;

/// Where each listener's users come from.
#[derive(Debug, Default)]
pub struct Sources {
    /// By the name of the listener.
    passwords: HashMap<Box<str>, Option<Arc<PasswordFile>>>,
    /// Who signs tokens.
    pub(super) tokens: Option<Tokens>,
    /// Who is asked by HTTP.
    pub(super) service: Option<Service>,
    /// Whether users may use SCRAM.
    pub(super) scram: bool,
    pub(super) failures_per_minute: u32,
    /// How long a client waits for the answer to its CONNECT.
    pub(super) connect_timeout: Duration,
}

impl Sources {
    /// Reads all files that the configuration names.
    ///
    /// # Errors
    ///
    /// The first file that cannot be used.
    pub fn read(config: &Config) -> Result<Sources, FileError> {
        let mut files: HashMap<PathBuf, Arc<PasswordFile>> = HashMap::new();
        let mut passwords = HashMap::new();
        for listener in &config.listeners {
            let path = listener.password_file.as_ref().or(config.auth.password_file.as_ref());
            let file = match path.map(|path| (path, files.get(path))) {
                None => None,
                Some((_, Some(file))) => Some(Arc::clone(file)),
                Some((path, None)) => {
                    let file = Arc::new(read_passwords(path)?);
                    files.insert(path.clone(), Arc::clone(&file));
                    Some(file)
                }
            };
            passwords.insert(listener.name.as_str().into(), file);
        }
        Ok(Sources {
            passwords,
            tokens: Tokens::read(&config.auth.jwt)?,
            service: Service::read(&config.auth.http)?,
            scram: config.auth.scram,
            failures_per_minute: config.limits.failed_auth_per_ip,
            connect_timeout: config.limits.connect_timeout,
        })
    }

    /// The password file of a listener, if it has one. `None` when the configuration does not know the listener.
    pub(super) fn passwords(&self, listener: &str) -> Option<&Option<Arc<PasswordFile>>> {
        self.passwords.get(listener)
    }
}

fn read_passwords(path: &Path) -> Result<PasswordFile, FileError> {
    use std::os::unix::fs::PermissionsExt as _;
    let file = PasswordFile::read(path)?;
    if std::fs::metadata(path).is_ok_and(|metadata| metadata.permissions().mode() & 0o007 != 0) {
        tracing::warn!(
            "{} can be read by every user of this machine; close it with chmod 600",
            path.display()
        );
    }
    Ok(file)
}
