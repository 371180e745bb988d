//! The rustls configuration of a listener.

use std::path::Path;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::pki_types::pem::{Error as PemError, PemObject as _};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::version::{TLS12, TLS13};

use super::issue::provider;
use super::{TlsError, files};
use crate::config::{ListenerKind, TlsVersion};

/// Loads a certificate (with those that issued it) and its key, for a listener of this kind.
///
/// The application protocol (ALPN) is `mqtt`, or `http/1.1` where WebSocket begins with it. A client that names none, as
/// most do, is accepted; one that offers only others is refused (RFC 7301, section 3.2), so that a browser cannot be
/// tricked into speaking to the broker where it is not meant to.
///
/// # Errors
///
/// Files that cannot be read, hold something else, or do not belong together.
pub fn server_config(
    cert: &Path,
    key: &Path,
    kind: ListenerKind,
    min_version: TlsVersion,
) -> Result<Arc<ServerConfig>, TlsError> {
    let versions: &[_] = match min_version {
        TlsVersion::Tls12 => &[&TLS12, &TLS13],
        TlsVersion::Tls13 => &[&TLS13],
    };
    let builder = ServerConfig::builder_with_provider(Arc::new(provider()))
        .with_protocol_versions(versions)
        .map_err(|error| TlsError::Crypto(error.to_string()))?;
    let mut config = builder
        .with_no_client_auth()
        .with_single_cert(read_chain(cert)?, read_key(key)?)
        .map_err(|error| unusable(key, mismatch(&error, cert)))?;
    let protocol = if kind.has_web_socket() { "http/1.1" } else { "mqtt" };
    config.alpn_protocols = vec![protocol.into()];
    Ok(Arc::new(config))
}

fn read_chain(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let pem = files::read(path)?;
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem.as_bytes()).collect();
    match chain {
        Ok(chain) if !chain.is_empty() => Ok(chain),
        Ok(_) => Err(unusable(path, "holds no certificate".into())),
        Err(error) => Err(unusable(path, format!("is no PEM file: {error}"))),
    }
}

fn read_key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    let pem = files::read(path)?;
    PrivateKeyDer::from_pem_slice(pem.as_bytes()).map_err(|error| {
        let problem = match error {
            PemError::NoItemsFound if pem.contains("BEGIN ENCRYPTED PRIVATE KEY") => {
                "the key has a password; the broker needs it without".into()
            }
            PemError::NoItemsFound => "holds no private key".into(),
            error => format!("is no PEM file: {error}"),
        };
        unusable(path, problem)
    })
}

fn mismatch(error: &rustls::Error, cert: &Path) -> String {
    match error {
        rustls::Error::InconsistentKeys(_) => format!("is not the key of {}", cert.display()),
        error => format!("does not work with {}: {error}", cert.display()),
    }
}

fn unusable(path: &Path, problem: String) -> TlsError {
    TlsError::Unusable { path: path.to_owned(), problem }
}
