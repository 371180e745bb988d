//! TLS: whom to trust, who to be, and the handshake.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};

use super::private_key::{self, Password};
use crate::error::ConnectError;

/// How TLS is done. Without anything set, certificates are checked against the system's authorities and for the
/// server's name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsOptions {
    ca_files: Vec<PathBuf>,
    ca_directories: Vec<PathBuf>,
    client_certificate: Option<(PathBuf, PathBuf)>,
    client_key_password: Option<Password>,
    alpn: Vec<Vec<u8>>,
    server_name: Option<String>,
    only_tls13: bool,
    accept_any_certificate: bool,
    no_resumption: bool,
}

impl TlsOptions {
    /// The safe defaults.
    pub fn new() -> Self {
        TlsOptions::default()
    }

    /// Trusts the authorities in a PEM file, instead of the system's. May be called more than once.
    #[must_use]
    pub fn ca_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.ca_files.push(path.into());
        self
    }

    /// Trusts the authorities in the PEM files of a directory, instead of the system's.
    #[must_use]
    pub fn ca_directory(mut self, path: impl Into<PathBuf>) -> Self {
        self.ca_directories.push(path.into());
        self
    }

    /// Shows the server a certificate: PEM files with the chain and with the private key.
    #[must_use]
    pub fn client_certificate(mut self, chain: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Self {
        self.client_certificate = Some((chain.into(), key.into()));
        self
    }

    /// The password of the private key, if it is encrypted: in PKCS #8, as `BEGIN ENCRYPTED PRIVATE KEY` says.
    #[must_use]
    pub fn client_key_password(mut self, password: impl Into<Vec<u8>>) -> Self {
        self.client_key_password = Some(Password(password.into()));
        self
    }

    /// Whether the private key is encrypted and there is no password for it yet. A key that cannot be read is none that
    /// needs one: connecting tells what is wrong with it.
    pub fn needs_client_key_password(&self) -> bool {
        let key = self.client_certificate.as_ref().filter(|_| self.client_key_password.is_none());
        key.is_some_and(|(_, key)| private_key::is_encrypted(key))
    }

    /// Offers an application protocol (ALPN). May be called more than once, the preferred one first.
    #[must_use]
    pub fn alpn(mut self, protocol: impl Into<Vec<u8>>) -> Self {
        self.alpn.push(protocol.into());
        self
    }

    /// The name that the server's certificate must be valid for, if not the host's.
    #[must_use]
    pub fn server_name(mut self, name: impl Into<String>) -> Self {
        self.server_name = Some(name.into());
        self
    }

    /// Refuses TLS 1.2.
    #[must_use]
    pub fn only_tls13(mut self) -> Self {
        self.only_tls13 = true;
        self
    }

    /// Accepts any certificate, for any name. Anyone on the way can then read and change everything: for tests only.
    #[must_use]
    pub fn danger_accept_any_certificate(mut self) -> Self {
        self.accept_any_certificate = true;
        self
    }

    /// Begins every connection anew, without what the server gave for resuming an earlier one.
    #[must_use]
    pub fn no_resumption(mut self) -> Self {
        self.no_resumption = true;
        self
    }

    /// The name to check for when connecting to `host`.
    pub(super) fn name_for(&self, host: &str) -> Result<ServerName<'static>, ConnectError> {
        let name = self.server_name.as_deref().unwrap_or(host);
        ServerName::try_from(name.to_owned()).map_err(|_| {
            ConnectError::Options(format!("{name} is no name that a certificate can be valid for"))
        })
    }

    /// Reads the files.
    pub(super) fn build(&self) -> Result<Arc<ClientConfig>, ConnectError> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let versions: &[_] =
            if self.only_tls13 { &[&rustls::version::TLS13] } else { rustls::DEFAULT_VERSIONS };
        let builder = ClientConfig::builder_with_provider(provider.clone())
            .with_protocol_versions(versions)
            .map_err(|error| ConnectError::Options(error.to_string()))?;
        let builder = if self.accept_any_certificate {
            builder.dangerous().with_custom_certificate_verifier(Arc::new(AnyCertificate(provider)))
        } else {
            builder.with_root_certificates(self.roots()?)
        };
        let mut config = match &self.client_certificate {
            None => builder.with_no_client_auth(),
            Some((chain, key)) => {
                let certificates = read_certificates(chain)?;
                let private_key = private_key::read(key, self.client_key_password.as_ref())
                    .map_err(|reason| file_error(key, &reason))?;
                builder
                    .with_client_auth_cert(certificates, private_key)
                    .map_err(|error| pair_error(chain, key, &error))?
            }
        };
        config.alpn_protocols.clone_from(&self.alpn);
        if self.no_resumption {
            config.resumption = Resumption::disabled();
        }
        Ok(Arc::new(config))
    }

    fn roots(&self) -> Result<RootCertStore, ConnectError> {
        let mut roots = RootCertStore::empty();
        if self.ca_files.is_empty() && self.ca_directories.is_empty() {
            // A system's store may hold certificates that cannot be read: the others still count.
            let (added, _) = roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            if added == 0 {
                return Err(ConnectError::Options(
                    "the system has no certificate authorities to trust".into(),
                ));
            }
            return Ok(roots);
        }
        let mut files = self.ca_files.clone();
        for directory in &self.ca_directories {
            files.append(&mut pem_files(directory)?);
        }
        for file in &files {
            for certificate in read_certificates(file)? {
                roots.add(certificate).map_err(|error| file_error(file, &error.to_string()))?;
            }
        }
        Ok(roots)
    }
}

/// The files of a directory that hold a certificate.
fn pem_files(directory: &Path) -> Result<Vec<PathBuf>, ConnectError> {
    let entries = std::fs::read_dir(directory).map_err(|error| file_error(directory, &error.to_string()))?;
    let mut files: Vec<_> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| read_certificates(path).is_ok())
        .collect();
    files.sort();
    if files.is_empty() {
        return Err(file_error(directory, "holds no file with a certificate"));
    }
    Ok(files)
}

fn read_certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, ConnectError> {
    let certificates: Vec<_> = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect)
        .map_err(|error| file_error(path, &error.to_string()))?;
    if certificates.is_empty() {
        return Err(file_error(path, "holds no certificate in PEM form"));
    }
    Ok(certificates)
}

/// Why a certificate and a key cannot be used together.
fn pair_error(chain: &Path, key: &Path, error: &rustls::Error) -> ConnectError {
    match error {
        rustls::Error::InconsistentKeys(_) => {
            file_error(key, &format!("is not the key of {}", chain.display()))
        }
        // What OpenSSL makes when it is told of no extensions.
        error if error.to_string().contains("UnsupportedCertVersion") => {
            file_error(chain, "is a certificate of version 1 of X.509, and version 3 is needed")
        }
        error => file_error(key, &error.to_string()),
    }
}

fn file_error(path: &Path, reason: &str) -> ConnectError {
    ConnectError::File { path: path.to_owned(), reason: reason.to_owned() }
}

/// Accepts every certificate, but still checks that the server holds its key.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
