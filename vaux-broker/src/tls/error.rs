//! Why a listener has no TLS.

use std::fmt;
use std::io;
use std::path::PathBuf;

/// Why a listener has no TLS.
#[derive(Debug)]
pub enum TlsError {
    /// A file could not be read, written or protected.
    File {
        /// What was tried: "read", "write", …
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file was read but is not what it should be.
    Unusable {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// Some files of the local authority are there, but not all.
    Incomplete {
        /// A file that is there.
        present: PathBuf,
        /// The file that is missing.
        missing: PathBuf,
    },
    /// The certificate of the local authority has expired.
    Expired {
        /// Its certificate.
        authority: PathBuf,
    },
    /// The local authority was made for other names.
    NotCovered {
        /// Its certificate.
        authority: PathBuf,
        /// The name that it may not vouch for.
        name: String,
    },
    /// A host to listen on cannot stand in a certificate.
    NotAName {
        /// The host.
        host: String,
    },
    /// The cryptography library failed.
    Crypto(String),
}

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TlsError::File { action, path, source } => {
                write!(f, "cannot {action} {}: {source}", path.display())
            }
            TlsError::Unusable { path, problem } => write!(f, "{}: {problem}", path.display()),
            TlsError::Incomplete { present, missing } => write!(
                f,
                "{} is missing, although {} is there; put it back, or move the directory away to have a new \
                 authority made (clients then need the new ca.pem)",
                missing.display(),
                present.display()
            ),
            TlsError::Expired { authority } => write!(
                f,
                "{} has expired; move its directory away to have a new authority made (clients then need the new \
                 ca.pem)",
                authority.display()
            ),
            TlsError::NotCovered { authority, name } => write!(
                f,
                "{} was made for other names and may not vouch for {name}; give a certificate with --tls-cert and \
                 --tls-key, or move the directory away to have a new authority made (clients then need the new \
                 ca.pem)",
                authority.display()
            ),
            TlsError::NotAName { host } => write!(f, "{host:?} cannot stand in a certificate"),
            TlsError::Crypto(problem) => write!(f, "cannot make a certificate: {problem}"),
        }
    }
}

impl std::error::Error for TlsError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            TlsError::File { source, .. } => Some(source),
            _ => None,
        }
    }
}

impl From<rcgen::Error> for TlsError {
    fn from(error: rcgen::Error) -> TlsError {
        TlsError::Crypto(error.to_string())
    }
}
