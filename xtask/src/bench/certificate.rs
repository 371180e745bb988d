//! The certificate that all brokers show where TLS is measured.

use std::fs;
use std::path::PathBuf;

use tempfile::TempDir;

use crate::Outcome;

/// A certificate for 127.0.0.1, in files that live as long as this value. Clients trust it by itself.
#[derive(Debug)]
pub(crate) struct Certificate {
    /// The certificate (PEM).
    pub(crate) chain: PathBuf,
    /// Its private key (PEM).
    pub(crate) key: PathBuf,
    _folder: TempDir,
}

impl Certificate {
    /// A new one.
    ///
    /// # Errors
    ///
    /// It cannot be made or written.
    pub(crate) fn new() -> Outcome<Certificate> {
        let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned(), "localhost".to_owned()])?;
        let folder = tempfile::Builder::new().prefix("vaux-bench-tls-").tempdir()?;
        let (chain, key) = (folder.path().join("server.pem"), folder.path().join("server.key"));
        fs::write(&chain, made.cert.pem())?;
        fs::write(&key, made.signing_key.serialize_pem())?;
        Ok(Certificate { chain, key, _folder: folder })
    }
}
