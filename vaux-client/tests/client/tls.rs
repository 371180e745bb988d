//! TLS: who is trusted, and who is not.

use std::path::Path;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use vaux_client::{Client, ConnectError, ConnectErrorKind, ConnectOptions, Message, QoS, TlsOptions};

use super::server::within;

/// Writes an authority and what it certifies.
struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    directory: TempDir,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let directory = TempDir::new().unwrap();
        std::fs::write(directory.path().join("ca.pem"), issuer.pem()).unwrap();
        Authority { issuer, directory }
    }

    fn ca_file(&self) -> std::path::PathBuf {
        self.directory.path().join("ca.pem")
    }

    /// Writes `name.pem` and `name.key`, valid for `host`.
    fn certify(&self, name: &str, host: &str) -> (std::path::PathBuf, std::path::PathBuf) {
        let key = KeyPair::generate().unwrap();
        let certificate =
            CertificateParams::new(vec![host.to_owned()]).unwrap().signed_by(&key, &self.issuer).unwrap();
        let path = |end: &str| self.directory.path().join(format!("{name}.{end}"));
        std::fs::write(path("pem"), certificate.pem()).unwrap();
        std::fs::write(path("key"), key.serialize_pem()).unwrap();
        (path("pem"), path("key"))
    }

    /// A server that is certified for `host`, and wants certificates of clients if `wants_clients`.
    fn server_config(&self, host: &str, wants_clients: bool) -> ServerConfig {
        let (chain, key) = self.certify("server", host);
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ServerConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .unwrap();
        let builder = if wants_clients {
            let mut roots = RootCertStore::empty();
            roots.add(read_certificate(&self.ca_file())).unwrap();
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
            builder.with_client_cert_verifier(verifier.build().unwrap())
        } else {
            builder.with_no_client_auth()
        };
        let mut config = builder
            .with_single_cert(vec![read_certificate(&chain)], PrivateKeyDer::from_pem_file(key).unwrap())
            .unwrap();
        config.alpn_protocols = vec![b"mqtt".to_vec()];
        config
    }
}

fn read_certificate(path: &Path) -> CertificateDer<'static> {
    CertificateDer::from_pem_file(path).unwrap()
}

/// Accepts one connection, answers CONNECT, and acknowledges one PUBLISH with QoS 1. Gives back the application
/// protocol, or `None` when TLS did not come about.
async fn serve_once(listener: TcpListener, config: ServerConfig) -> Option<Option<Vec<u8>>> {
    let (tcp, _) = listener.accept().await.unwrap();
    let mut stream = TlsAcceptor::from(Arc::new(config)).accept(tcp).await.ok()?;
    let protocol = stream.get_ref().1.alpn_protocol().map(<[u8]>::to_vec);
    read_packet(&mut stream).await?;
    stream.write_all(&[0x20, 3, 0, 0, 0]).await.ok()?;
    read_packet(&mut stream).await?;
    stream.write_all(&[0x40, 2, 0, 1]).await.ok()?;
    assert_eq!(read_packet(&mut stream).await, Some(0xe0));
    Some(protocol)
}

/// The first byte of the next packet, which is shorter than 128 bytes.
async fn read_packet(stream: &mut (impl AsyncReadExt + Unpin)) -> Option<u8> {
    let first_byte = stream.read_u8().await.ok()?;
    let mut body = vec![0; usize::from(stream.read_u8().await.ok()?)];
    stream.read_exact(&mut body).await.ok()?;
    Some(first_byte)
}

struct Outcome {
    client: Result<(), ConnectError>,
    server: Option<Option<Vec<u8>>>,
}

async fn talk(config: ServerConfig, tls: TlsOptions) -> Outcome {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let client = async {
        let options = ConnectOptions::new("127.0.0.1", port).client_id("me").tls(tls);
        let (client, _connection) = Client::connect(options).await?;
        client.publish(Message::new("a", "x").qos(QoS::AtLeastOnce)).await.unwrap();
        client.disconnect().await.unwrap();
        Ok(())
    };
    let (client, server) = within(async { tokio::join!(client, serve_once(listener, config)) }).await;
    Outcome { client, server }
}

fn assert_tls_error(outcome: &Outcome) {
    let error = outcome.client.as_ref().expect_err("there must be no connection");
    assert!(matches!(error, ConnectError::Tls { .. }), "{error}");
    assert_eq!(error.kind(), ConnectErrorKind::Unreachable);
    assert_eq!(outcome.server, None);
}

#[tokio::test]
async fn a_server_that_the_authority_certified_is_trusted() {
    let authority = Authority::new();
    for tls in [
        TlsOptions::new().ca_file(authority.ca_file()).alpn("mqtt"),
        TlsOptions::new().ca_directory(authority.directory.path()).only_tls13().alpn("mqtt"),
    ] {
        let outcome = talk(authority.server_config("127.0.0.1", false), tls).await;
        outcome.client.unwrap();
        assert_eq!(outcome.server, Some(Some(b"mqtt".to_vec())));
    }
}

#[tokio::test]
async fn a_server_of_another_authority_is_not_trusted() {
    let (authority, other) = (Authority::new(), Authority::new());
    let config = || authority.server_config("127.0.0.1", false);
    assert_tls_error(&talk(config(), TlsOptions::new().ca_file(other.ca_file())).await);
    assert_tls_error(&talk(config(), TlsOptions::new()).await);
}

#[tokio::test]
async fn the_name_must_be_the_right_one() {
    let authority = Authority::new();
    let config = || authority.server_config("broker.example", false);
    let trusting = || TlsOptions::new().ca_file(authority.ca_file());
    assert_tls_error(&talk(config(), trusting()).await);
    talk(config(), trusting().server_name("broker.example")).await.client.unwrap();
}

#[tokio::test]
async fn any_certificate_is_accepted_only_when_asked_for() {
    let authority = Authority::new();
    let config = authority.server_config("elsewhere.example", false);
    talk(config, TlsOptions::new().danger_accept_any_certificate()).await.client.unwrap();
}

#[tokio::test]
async fn a_server_that_wants_a_certificate_gets_it() {
    let authority = Authority::new();
    let (chain, key) = authority.certify("client", "me");
    let trusting = || TlsOptions::new().ca_file(authority.ca_file());
    let config = || authority.server_config("127.0.0.1", true);
    talk(config(), trusting().client_certificate(chain, key)).await.client.unwrap();
    let outcome = talk(config(), trusting()).await;
    // TLS 1.3: the client learns only afterwards that its handshake was not enough.
    let error = outcome.client.expect_err("there must be no connection");
    assert_eq!(error.kind(), ConnectErrorKind::Unreachable, "{error}");
}

#[tokio::test]
async fn an_encrypted_key_is_opened_by_its_password() {
    let authority = Authority::new();
    let keys = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/keys");
    let plain = KeyPair::from_pem(&std::fs::read_to_string(keys.join("plain.pem")).unwrap()).unwrap();
    let certificate =
        CertificateParams::new(vec!["me".to_owned()]).unwrap().signed_by(&plain, &authority.issuer).unwrap();
    let chain = authority.directory.path().join("me.pem");
    std::fs::write(&chain, certificate.pem()).unwrap();
    let with_key = |file: &str| {
        TlsOptions::new().ca_file(authority.ca_file()).client_certificate(&chain, keys.join(file))
    };
    for file in ["encrypted.pem", "encrypted-scrypt.pem", "plain.pem"] {
        assert_eq!(with_key(file).needs_client_key_password(), file != "plain.pem", "{file}");
        let tls = with_key(file).client_key_password("horse");
        assert!(!tls.needs_client_key_password() && !format!("{tls:?}").contains("horse"));
        talk(authority.server_config("127.0.0.1", true), tls).await.client.unwrap();
    }
    let old = TlsOptions::new()
        .ca_file(authority.ca_file())
        .client_certificate(keys.join("certificate-v1.pem"), keys.join("plain.pem"));
    let error = Client::connect(ConnectOptions::new("host.invalid", 1).tls(old)).await.expect_err("too old");
    assert!(
        error
            .to_string()
            .ends_with("certificate-v1.pem: is a certificate of version 1 of X.509, and version 3 is needed")
    );
    for (file, password, problem) in [
        ("encrypted.pem", None, "is encrypted, and there is no password for it"),
        ("encrypted.pem", Some("cow"), "the password of the key is wrong"),
        ("encrypted-pbes1.pem", Some("horse"), "is encrypted in a way that is not supported; `openssl pkcs8"),
        ("encrypted-3des.pem", Some("horse"), "is encrypted in a way that is not supported; `openssl pkcs8"),
        ("encrypted-legacy.pem", Some("horse"), "is encrypted in OpenSSL's old way; `openssl pkcs8"),
    ] {
        let tls = password.into_iter().fold(with_key(file), TlsOptions::client_key_password);
        let options = ConnectOptions::new("host.invalid", 1).tls(tls);
        let error = Client::connect(options).await.expect_err("the key cannot be read");
        assert!(error.to_string().contains(problem), "{file}: {error}");
        assert_eq!(error.kind(), ConnectErrorKind::Options);
    }
}

#[tokio::test]
async fn files_that_cannot_be_used_are_named() {
    let directory = TempDir::new().unwrap();
    let empty = directory.path().join("empty.pem");
    std::fs::write(&empty, "nothing").unwrap();
    for tls in [
        TlsOptions::new().ca_file(directory.path().join("missing.pem")),
        TlsOptions::new().ca_file(&empty),
        TlsOptions::new().ca_directory(directory.path()),
    ] {
        let options = ConnectOptions::new("host.invalid", 1).tls(tls);
        let error = Client::connect(options).await.expect_err("there must be no connection");
        assert!(matches!(error, ConnectError::File { .. }), "{error}");
        assert_eq!(error.kind(), ConnectErrorKind::Options);
    }
}
