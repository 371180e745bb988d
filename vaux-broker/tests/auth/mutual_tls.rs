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
use tempfile::TempDir;
use vaux_client::{
    Client, ConnectError, ConnectErrorKind, ConnectOptions, ConnectionEvent, ConnectionEvents, Message, QoS,
    ReasonCode, ReconnectPolicy, TlsOptions,
};

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

/// A client that has connected with a certificate and stays.
struct Staying {
    runtime: tokio::runtime::Runtime,
    client: Client,
    events: ConnectionEvents,
}

impl Staying {
    fn connect(serving: &Serving, address: SocketAddr, name: &str) -> Staying {
        let tls = TlsOptions::new()
            .ca_file(serving.path("data/tls/ca.pem"))
            .client_certificate(serving.path(&format!("{name}.pem")), serving.path(&format!("{name}.key")));
        let options =
            ConnectOptions::new("localhost", address.port()).tls(tls).reconnect(ReconnectPolicy::NEVER);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (client, connection) = runtime.block_on(Client::connect(options)).unwrap();
        Staying { runtime, client, events: connection.events }
    }

    /// Whether it still is connected.
    fn is_served(&self) -> bool {
        let message = Message::new("a", "x").qos(QoS::AtLeastOnce);
        self.runtime.block_on(self.client.publish(message)).is_ok()
    }

    fn assert_sent_away(mut self) {
        let end = self.runtime.block_on(async {
            loop {
                let event = self.events.next().await.expect("it is told");
                if let ConnectionEvent::Disconnected(end) = event {
                    return end;
                }
            }
        });
        assert_eq!(end.reason(), Some(ReasonCode::NotAuthorized));
    }
}

/// A broker whose listeners take certificates of these authorities, and what is revoked.
fn serve(home: TempDir, listeners: &str, authorities: &str, list: &str) -> Serving {
    let files = [("broker.toml", listeners), ("clients.pem", authorities), ("crl.pem", list)];
    Serving::start_in(home, &files)
}

#[test]
fn a_connected_client_is_sent_away_when_its_certificate_is_revoked() {
    let authority = Authority::new("ours");
    let home = tempfile::tempdir().unwrap();
    authority.certify(home.path(), "alice", 1);
    authority.certify(home.path(), "bob", 2);
    // By its certificate a client of the one listener is somebody; at the other it is nobody in particular.
    let listeners = format!("workers = 3\n{}{}", listener("cn", "cn"), listener("none", "none"));
    let serving = serve(home, &listeners, &authority.pem, &authority.list(1, &[]));
    let addresses = [serving.address(), serving.address()];
    let connect = |name| addresses.map(|address| Staying::connect(&serving, address, name));
    let (alice, bob) = (connect("alice"), connect("bob"));
    serving.write("crl.pem", &authority.list(2, &[2]));
    serving.log_line("certificates have changed, and were read again");
    bob.into_iter().for_each(Staying::assert_sent_away);
    assert!(!serving.reload().contains("not reloaded"));
    assert!(alice.iter().all(Staying::is_served));
}

#[test]
fn a_connected_client_is_sent_away_when_its_certificate_is_not_taken_or_names_another() {
    let (ours, theirs) = (Authority::new("ours"), Authority::new("theirs"));
    let home = tempfile::tempdir().unwrap();
    ours.certify(home.path(), "alice", 1);
    theirs.certify(home.path(), "bob", 2);
    let both = format!("{}{}", ours.pem, theirs.pem);
    let listed = |number| format!("{}{}", ours.list(number, &[]), theirs.list(number, &[]));
    let listeners = |first: &str| format!("{first}{}", listener("other", "san-dns"));
    let serving = serve(home, &listeners(&listener("first", "cn")), &both, &listed(1));
    let [first, other] = [serving.address(), serving.address()];
    let connect = |address, name| Staying::connect(&serving, address, name);

    // An authority that is not trusted any more.
    let (alice, bob) = (connect(first, "alice"), connect(first, "bob"));
    serving.write("clients.pem", &ours.pem);
    assert!(!serving.reload().contains("not reloaded"));
    bob.assert_sent_away();
    assert!(alice.is_served());

    // Another name of the same certificate.
    let elsewhere = connect(other, "alice");
    serving.write("broker.toml", &listeners(&listener("first", "fingerprint")));
    assert!(!serving.reload().contains("not reloaded"));
    alice.assert_sent_away();

    // A listener that is not in the file any more.
    let alice = connect(first, "alice");
    serving.write("broker.toml", &listeners(""));
    assert!(!serving.reload().contains("not reloaded"));
    alice.assert_sent_away();
    assert!(elsewhere.is_served());
}
