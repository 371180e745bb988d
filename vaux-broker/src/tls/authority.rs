//! The local authority: `ca.pem`, `ca.key`, `server.pem` and `server.key` in the `tls` directory of the data directory.
//!
//! What is missing as a whole is made; what is there is checked and used. A server certificate that nears its end, or
//! lacks a name that is now served, is issued again with the same key. Nothing here ever replaces the authority:
//! clients trust it, so only the operator may take it away.

use std::fs::{DirBuilder, Permissions};
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rcgen::KeyPair;
use rustls::pki_types::ServerName;

use super::files::{self, Access, Staged};
use super::issue::{self, Issuing, Pair, RENEW_BEFORE};
use super::{ServedNames, TlsError};

/// While the authority is in its last year, each start says so.
const LAST_YEAR: Duration = Duration::from_secs(365 * 86_400);

/// The local authority of a data directory.
#[derive(Clone, Debug)]
pub struct Authority {
    directory: PathBuf,
}

/// The server certificate of the local authority, ready for use.
#[derive(Debug)]
pub struct ServerCertificate {
    /// PEM file of the certificate.
    pub cert: PathBuf,
    /// PEM file of its key.
    pub key: PathBuf,
    /// Whether it was issued just now.
    pub is_new: bool,
    /// Names of the machine that the authority may not vouch for.
    pub left_out: Vec<ServerName<'static>>,
}

impl Authority {
    /// The authority of this data directory, whether it exists already or not.
    pub fn new(data_dir: &Path) -> Authority {
        Authority { directory: data_dir.join("tls") }
    }

    /// The authority's certificate, which clients must trust.
    pub fn certificate(&self) -> PathBuf {
        self.directory.join("ca.pem")
    }

    fn key(&self) -> PathBuf {
        self.directory.join("ca.key")
    }

    fn server_certificate(&self) -> PathBuf {
        self.directory.join("server.pem")
    }

    fn server_key(&self) -> PathBuf {
        self.directory.join("server.key")
    }

    /// Makes what is missing and renews what is due. The caller holds the data directory's lock.
    ///
    /// # Errors
    ///
    /// Files that are incomplete, cannot be used or cannot be written, an authority that has expired, and a required
    /// name that it was not made for. The files are then as they were.
    pub fn ensure(&self, names: &ServedNames, now: SystemTime) -> Result<ServerCertificate, TlsError> {
        if self.is_new()? {
            return self.found(names, now);
        }
        let pair =
            Pair { certificate: files::read(&self.certificate())?, key: files::read_private(&self.key())? };
        let authority = Issuing::read(&pair, &self.certificate(), &self.key())?;
        if authority.not_after() <= now {
            return Err(TlsError::Expired { authority: self.certificate() });
        }
        if authority.not_after() <= now + LAST_YEAR {
            tracing::warn!(
                "{} expires within a year; clients will need a new one",
                self.certificate().display()
            );
        }
        let (covered, left_out) = self.covered(&authority, names, now)?;
        let due = self.read_server()?;
        let is_new = due.is_none_or(|certificate| {
            let later = (now + RENEW_BEFORE).min(authority.not_after());
            let good = |at| covered.iter().all(|name| authority.is_good(&certificate, name, at));
            !good(now) || !good(later)
        });
        if is_new {
            self.renew(&authority, &covered, now)?;
        }
        Ok(ServerCertificate { cert: self.server_certificate(), key: self.server_key(), is_new, left_out })
    }

    /// Whether nothing is there yet. A part without the rest is an error.
    fn is_new(&self) -> Result<bool, TlsError> {
        let (ca, ca_key) = (self.certificate(), self.key());
        let (server, server_key) = (self.server_certificate(), self.server_key());
        let mut present = Vec::new();
        for path in [&ca, &ca_key, &server, &server_key] {
            if files::exists(path)? {
                present.push(path);
            }
        }
        let incomplete = |present: &PathBuf, missing: &PathBuf| {
            Err(TlsError::Incomplete { present: present.clone(), missing: missing.clone() })
        };
        match (present.first(), present.contains(&&ca), present.contains(&&ca_key)) {
            (None, _, _) => Ok(true),
            (Some(some), false, _) => incomplete(some, &ca),
            (Some(some), true, false) => incomplete(some, &ca_key),
            // A certificate can be issued again; a key whose certificate is there must have been lost.
            _ if present.contains(&&server) && !present.contains(&&server_key) => {
                incomplete(&server, &server_key)
            }
            _ => Ok(false),
        }
    }

    /// Makes the authority and the first server certificate. All four files are written before the first gets its
    /// name.
    fn found(&self, names: &ServedNames, now: SystemTime) -> Result<ServerCertificate, TlsError> {
        self.make_directory()?;
        let pair = issue::make_authority(names.all(), now)?;
        let authority = Issuing::read(&pair, &self.certificate(), &self.key())?;
        let key = KeyPair::generate()?;
        let all: Vec<_> = names.all().cloned().collect();
        let certificate = authority.issue(&all, &key, now)?;
        let staged = [
            Staged::write(&self.key(), &pair.key, Access::Owner)?,
            Staged::write(&self.certificate(), &pair.certificate, Access::Everyone)?,
            Staged::write(&self.server_key(), &key.serialize_pem(), Access::Owner)?,
            Staged::write(&self.server_certificate(), &certificate.pem(), Access::Everyone)?,
        ];
        for file in staged {
            file.commit()?;
        }
        Ok(ServerCertificate {
            cert: self.server_certificate(),
            key: self.server_key(),
            is_new: true,
            left_out: Vec::new(),
        })
    }

    fn make_directory(&self) -> Result<(), TlsError> {
        let make = || {
            DirBuilder::new().recursive(true).mode(0o700).create(&self.directory)?;
            std::fs::set_permissions(&self.directory, Permissions::from_mode(0o700))
        };
        make().map_err(|source| TlsError::File { action: "make", path: self.directory.clone(), source })
    }

    /// The names that the authority may vouch for, and those of the machine that it may not.
    fn covered(
        &self,
        authority: &Issuing,
        names: &ServedNames,
        now: SystemTime,
    ) -> Result<(Vec<ServerName<'static>>, Vec<ServerName<'static>>), TlsError> {
        let (mut covered, mut left_out) = (Vec::new(), Vec::new());
        for name in names.all() {
            if authority.may_vouch_for(name, now)? {
                covered.push(name.clone());
            } else if names.required.contains(name) {
                let name = name.to_str().into_owned();
                return Err(TlsError::NotCovered { authority: self.certificate(), name });
            } else {
                left_out.push(name.clone());
            }
        }
        if covered.is_empty() {
            let problem = "may vouch for no name of this machine".into();
            return Err(TlsError::Unusable { path: self.certificate(), problem });
        }
        Ok((covered, left_out))
    }

    /// The present server certificate, if there is one.
    fn read_server(&self) -> Result<Option<rustls::pki_types::CertificateDer<'static>>, TlsError> {
        let path = self.server_certificate();
        if !files::exists(&path)? {
            return Ok(None);
        }
        issue::read_certificate(&files::read(&path)?, &path).map(Some)
    }

    /// Issues the server certificate again. Its key stays, so that at no moment certificate and key disagree.
    fn renew(
        &self,
        authority: &Issuing,
        names: &[ServerName<'static>],
        now: SystemTime,
    ) -> Result<(), TlsError> {
        let path = self.server_key();
        let key = if files::exists(&path)? {
            KeyPair::from_pem(&files::read_private(&path)?)
                .map_err(|_| TlsError::Unusable { path, problem: "holds no private key".into() })?
        } else {
            let key = KeyPair::generate()?;
            Staged::write(&path, &key.serialize_pem(), Access::Owner)?.commit()?;
            key
        };
        let certificate = authority.issue(names, &key, now)?;
        Staged::write(&self.server_certificate(), &certificate.pem(), Access::Everyone)?.commit()
    }
}
