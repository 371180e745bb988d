//! The rustls configuration of a listener.

use std::path::Path;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::crypto::CryptoProvider;
use rustls::crypto::aws_lc_rs::Ticketer;
use rustls::pki_types::pem::{Error as PemError, PemObject as _};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::sign::CertifiedKey;
use rustls::version::{TLS12, TLS13};

use super::by_name::ByName;
use super::client_auth;
use super::issue::provider;
use super::{TlsError, files};
use crate::config::{ListenerKind, ListenerTls, TlsVersion};

/// What a listener with TLS serves.
#[derive(Clone, Debug)]
pub struct ServerTls {
    /// What connections are made with.
    pub config: Arc<ServerConfig>,
    /// What judges the certificates of clients, where they count. Clients that are connected are held against it, too,
    /// when it is another than before.
    pub client_verifier: Option<Arc<dyn ClientCertVerifier>>,
}

/// Clients need no certificates.
impl From<Arc<ServerConfig>> for ServerTls {
    fn from(config: Arc<ServerConfig>) -> ServerTls {
        ServerTls { config, client_verifier: None }
    }
}

/// Loads a certificate (with those that issued it) and its key, and what else `tls` names, for a listener of this kind.
///
/// The application protocol (ALPN) is `mqtt`, or `http/1.1` where WebSocket begins with it. A client that names none, as
/// most do, is accepted; one that offers only others is refused (RFC 7301, section 3.2), so that a browser cannot be
/// tricked into speaking to the broker where it is not meant to.
///
/// Keys are exchanged by X25519MLKEM768 with clients that can, so that what is recorded today cannot be read with a
/// quantum computer later.
///
/// Clients that come back resume by tickets, whose keys only this configuration knows: another one, with a new
/// certificate or list, begins anew. Where certificates of clients count there are no tickets, since a session that is
/// resumed is not checked against the lists again.
///
/// # Errors
///
/// Files that cannot be read, hold something else, or do not belong together.
pub fn server_config(
    cert: &Path,
    key: &Path,
    kind: ListenerKind,
    tls: &ListenerTls,
) -> Result<ServerTls, TlsError> {
    let versions: &[_] = match tls.min_version {
        TlsVersion::Tls12 => &[&TLS12, &TLS13],
        TlsVersion::Tls13 => &[&TLS13],
    };
    let provider = Arc::new(provider());
    let mut certificates = ByName::new(cert, certified_key(cert, key, &provider)?)?;
    for more in &tls.sni {
        certificates.push(&more.cert, certified_key(&more.cert, &more.key, &provider)?)?;
    }
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(versions)
        .map_err(|error| TlsError::Crypto(error.to_string()))?;
    let client_verifier = client_auth::verifier(tls, provider)?;
    let verifier = client_verifier.clone().unwrap_or_else(WebPkiClientVerifier::no_client_auth);
    let builder = builder.with_client_cert_verifier(verifier);
    let mut config = builder.with_cert_resolver(Arc::new(certificates));
    let protocol = if kind.has_web_socket() { "http/1.1" } else { "mqtt" };
    config.alpn_protocols = vec![protocol.into()];
    config.session_storage = Arc::new(NoServerSessionStorage {});
    if client_verifier.is_some() {
        config.send_tls13_tickets = 0;
    } else {
        config.ticketer = Ticketer::new().map_err(|error| TlsError::Crypto(error.to_string()))?;
        config.send_tls13_tickets = 1;
    }
    Ok(ServerTls { config: Arc::new(config), client_verifier })
}

fn certified_key(cert: &Path, key: &Path, provider: &CryptoProvider) -> Result<CertifiedKey, TlsError> {
    CertifiedKey::from_der(read_chain(cert)?, read_key(key)?, provider)
        .map_err(|error| unusable(key, mismatch(&error, cert)))
}

pub(super) fn read_chain(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
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
        // What OpenSSL makes when it is told of no extensions.
        error if error.to_string().contains("UnsupportedCertVersion") => format!(
            "does not work with {}, a certificate of version 1 of X.509: version 3 is needed",
            cert.display()
        ),
        error => format!("does not work with {}: {error}", cert.display()),
    }
}

pub(super) fn unusable(path: &Path, problem: String) -> TlsError {
    TlsError::Unusable { path: path.to_owned(), problem }
}
