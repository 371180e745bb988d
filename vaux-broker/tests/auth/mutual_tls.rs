//! Certificates of clients, from the handshake to the access list: the program, and clients that show one or none.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, DistinguishedName, DnType, IsCa,
    Issuer, KeyIdMethod, KeyPair, KeyUsagePurpose, RevokedCertParams, SerialNumber,
};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use vaux_client::{Client, ConnectError, ConnectErrorKind, ConnectOptions, Message, QoS, TlsOptions};

use super::serving::Serving;

/// Who certifies clients.
pub(super) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pub(super) pem: String,
}

impl Authority {
    pub(super) fn new(name: &str) -> Authority {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let pem = params.self_signed(&key).unwrap().pem();
        Authority { issuer: Issuer::new(params, key), pem }
    }

    /// Writes the certificate and the key of a client.
    pub(super) fn certify(&self, directory: &Path, name: &str, serial: u64) {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![format!("{name}.example")]).unwrap();
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, name);
        params.serial_number = Some(SerialNumber::from(serial));
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        fs::write(directory.join(format!("{name}.pem")), certificate.pem()).unwrap();
        fs::write(directory.join(format!("{name}.key")), key.serialize_pem()).unwrap();
    }

    /// A list of what is revoked.
    pub(super) fn list(&self, number: u64, revoked: &[u64]) -> String {
        let hour = Duration::from_secs(3600);
        let now = SystemTime::now();
        let revoked = revoked.iter().map(|serial| RevokedCertParams {
            serial_number: SerialNumber::from(*serial),
            revocation_time: (now - hour).into(),
            reason_code: None,
            invalidity_date: None,
        });
        let list = CertificateRevocationListParams {
            this_update: (now - hour).into(),
            next_update: (now + hour).into(),
            crl_number: SerialNumber::from(number),
            issuing_distribution_point: None,
            revoked_certs: revoked.collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        list.signed_by(&self.issuer).unwrap().pem().unwrap()
    }
}

/// A listener whose clients must have a certificate.
fn listener(name: &str, username_from: &str) -> String {
    format!(
        "[[listener]]\nname = \"{name}\"\nbind = \"127.0.0.1:0\"\nallow_anonymous = true\n[listener.tls]\n\
         client_ca = \"clients.pem\"\ncrl = \"crl.pem\"\nrequire_client_cert = true\n\
         username_from = \"{username_from}\"\n"
    )
}

/// SHA-256 of a certificate, as an operator gets it from `openssl x509 -fingerprint -sha256`, in lower case and without
/// colons.
fn fingerprint(path: &Path) -> String {
    let certificate = CertificateDer::from_pem_file(path).unwrap();
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &certificate);
    digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What comes of publishing on a topic, as the owner of a certificate or as nobody.
fn publish(
    serving: &Serving,
    address: SocketAddr,
    name: Option<&str>,
    topic: &str,
) -> Result<bool, ConnectError> {
    let path = |name: String| -> PathBuf { serving.path(&name) };
    let mut tls = TlsOptions::new().ca_file(path("data/tls/ca.pem".into()));
    if let Some(name) = name {
        tls = tls.client_certificate(path(format!("{name}.pem")), path(format!("{name}.key")));
    }
    let options = ConnectOptions::new("localhost", address.port()).tls(tls);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let (client, _connection) = Client::connect(options).await?;
        let result = client.publish(Message::new(topic, "x").qos(QoS::AtLeastOnce)).await;
        client.disconnect().await.unwrap();
        Ok(result.is_ok())
    })
}

fn assert_no_tls(result: Result<bool, ConnectError>) {
    let error = result.expect_err("there must be no connection");
    assert_eq!(error.kind(), ConnectErrorKind::Unreachable, "{error}");
}

#[test]
fn a_certificate_names_the_user_until_it_is_revoked() {
    let (authority, stranger) = (Authority::new("ours"), Authority::new("theirs"));
    let home = tempfile::tempdir().unwrap();
    authority.certify(home.path(), "alice", 1);
    authority.certify(home.path(), "bob", 2);
    stranger.certify(home.path(), "mallory", 3);
    let users = ["alice".to_owned(), "alice.example".into(), fingerprint(&home.path().join("alice.pem"))];
    let kinds = ["cn", "san-dns", "fingerprint"];
    let rights = kinds.iter().zip(&users);
    let rights: String = rights.map(|(kind, user)| format!("user {user}\ntopic {kind}/#\n")).collect();
    let listeners: String = kinds.iter().map(|kind| listener(kind, kind)).collect();
    let files = [
        ("broker.toml", format!("{listeners}{}[auth]\nacl_file = \"acl\"\n", listener("none", "none"))),
        ("acl", format!("topic none/#\n{rights}user bob\ntopic cn/#\n")),
        ("clients.pem", authority.pem.clone()),
        ("crl.pem", authority.list(1, &[])),
    ];
    let files: Vec<_> = files.iter().map(|(name, content)| (*name, content.as_str())).collect();
    let serving = Serving::start_in(home, &files);
    let all = [&kinds[..], &["none"]].concat();
    let addresses: Vec<_> = all.iter().map(|_| serving.address()).collect();

    for (kind, address) in all.iter().zip(&addresses) {
        for topic in &all {
            let is_allowed = publish(&serving, *address, Some("alice"), &format!("{topic}/a")).unwrap();
            assert_eq!(is_allowed, topic == kind, "{topic} for a user by {kind}");
        }
    }
    for (name, line) in [
        (None, "the client has shown no certificate"),
        (Some("mallory"), "the client's certificate is of another authority than client_ca"),
    ] {
        assert_no_tls(publish(&serving, addresses[0], name, "none/a"));
        serving.log_line(line);
        for address in &addresses[1..] {
            assert_no_tls(publish(&serving, *address, name, "none/a"));
        }
    }
    assert!(publish(&serving, addresses[0], Some("bob"), "cn/a").unwrap());

    serving.write("crl.pem", &authority.list(2, &[2]));
    serving.log_line("certificates have changed, and were read again");
    assert_no_tls(publish(&serving, addresses[0], Some("bob"), "cn/a"));
    serving.log_line("the client's certificate is revoked");
    for address in &addresses[1..] {
        assert_no_tls(publish(&serving, *address, Some("bob"), "cn/a"));
    }
    assert!(publish(&serving, addresses[0], Some("alice"), "cn/a").unwrap());

    // A list that cannot be read does not open the door again.
    let whole = authority.list(3, &[]);
    serving.write("crl.pem", &whole[..whole.len() / 2]);
    assert!(serving.reload().contains("not reloaded, all stays as it was: "));
    assert_no_tls(publish(&serving, addresses[0], Some("bob"), "cn/a"));
    serving.write("crl.pem", &whole);
    assert!(!serving.reload().contains("not reloaded"));
    assert!(publish(&serving, addresses[0], Some("bob"), "cn/a").unwrap());
}
