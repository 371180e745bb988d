//! The local authority as clients and operators meet it.

use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rcgen::KeyPair;
use rustls::pki_types::ServerName;
use rustls::pki_types::pem::PemObject as _;
use rustls::{
    ClientConfig, ClientConnection, Connection, HandshakeKind, RootCertStore, ServerConfig, ServerConnection,
};
use tempfile::TempDir;

use super::*;
use crate::config::{CertAndKey, ListenerKind, ListenerTls, TlsVersion};

const DAY: Duration = Duration::from_secs(86_400);
const FILES: [&str; 4] = ["ca.key", "ca.pem", "server.key", "server.pem"];

fn names(hosts: &[&str]) -> ServedNames {
    ServedNames::new(Some("broker7"), hosts.iter().copied()).unwrap()
}

/// A data directory with an authority that was made for `hosts`.
pub(super) fn authority(hosts: &[&str]) -> (TempDir, Authority, ServerCertificate) {
    let directory = tempfile::tempdir().unwrap();
    let authority = Authority::new(directory.path());
    let certificate = authority.ensure(&names(hosts), SystemTime::now()).unwrap();
    (directory, authority, certificate)
}

fn contents(directory: &Path) -> Vec<String> {
    FILES
        .iter()
        .map(|file| fs::read_to_string(directory.join("tls").join(file)).unwrap_or_default())
        .collect()
}

pub(super) fn client(ca: &Path, alpn: &[&str]) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add(rustls::pki_types::CertificateDer::from_pem_file(ca).unwrap()).unwrap();
    let mut config = ClientConfig::builder_with_provider(Arc::new(issue::provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = alpn.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
    Arc::new(config)
}

/// Lets both sides talk until neither has more to say, then sends "ping" to the server and returns what it read.
pub(super) fn handshake(
    client: Arc<ClientConfig>,
    server: Arc<ServerConfig>,
    name: &str,
) -> Result<String, rustls::Error> {
    let (_, mut server) = connect(client, server, name)?;
    let mut text = [0; 4];
    server.reader().read_exact(&mut text).expect("the handshake is complete");
    Ok(String::from_utf8(text.to_vec()).unwrap())
}

/// Both ends of a connection, when neither has more to say. The client has sent "ping".
pub(super) fn connect(
    client: Arc<ClientConfig>,
    server: Arc<ServerConfig>,
    name: &str,
) -> Result<(Connection, Connection), rustls::Error> {
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let mut client = Connection::from(ClientConnection::new(client, name).unwrap());
    let mut server = Connection::from(ServerConnection::new(server).unwrap());
    client.writer().write_all(b"ping").unwrap();
    while client.wants_write() || server.wants_write() {
        transfer(&mut client, &mut server)?;
        transfer(&mut server, &mut client)?;
    }
    Ok((client, server))
}

fn transfer(from: &mut Connection, to: &mut Connection) -> Result<(), rustls::Error> {
    let mut bytes = Vec::new();
    while from.wants_write() {
        from.write_tls(&mut bytes).unwrap();
    }
    let mut bytes = bytes.as_slice();
    while !bytes.is_empty() {
        to.read_tls(&mut bytes).unwrap();
        to.process_new_packets()?;
    }
    Ok(())
}

fn serve(certificate: &ServerCertificate) -> Arc<ServerConfig> {
    server_config(&certificate.cert, &certificate.key, ListenerKind::Tls, &ListenerTls::default())
        .unwrap()
        .config
}

#[test]
fn clients_that_trust_the_authority_reach_the_broker_by_every_served_name() {
    let (_directory, authority, certificate) = authority(&["192.0.2.7", "mqtt.example"]);
    let ca = authority.certificate();
    for name in ["localhost", "127.0.0.1", "::1", "broker7", "192.0.2.7", "mqtt.example"] {
        assert_eq!(handshake(client(&ca, &[]), serve(&certificate), name).as_deref(), Ok("ping"), "{name}");
    }
    let other = handshake(client(&ca, &[]), serve(&certificate), "example.com");
    assert!(other.is_err());
}

#[test]
fn the_authority_cannot_vouch_for_other_names() {
    let (directory, authority, _) = authority(&[]);
    let pair = issue::Pair {
        certificate: fs::read_to_string(authority.certificate()).unwrap(),
        key: fs::read_to_string(directory.path().join("tls/ca.key")).unwrap(),
    };
    let issuing = issue::Issuing::read(&pair, Path::new("ca.pem"), Path::new("ca.key")).unwrap();
    let key = KeyPair::generate().unwrap();
    for name in ["bank.example", "192.0.2.1", "localhost"] {
        let names = [ServerName::try_from(name).unwrap()];
        let certificate = issuing.issue(&names, &key, SystemTime::now()).unwrap();
        let (cert_path, key_path) =
            (directory.path().join("forged.pem"), directory.path().join("forged.key"));
        fs::write(&cert_path, certificate.pem()).unwrap();
        fs::write(&key_path, key.serialize_pem()).unwrap();
        let server =
            server_config(&cert_path, &key_path, ListenerKind::Tls, &ListenerTls::default()).unwrap();
        let result = handshake(client(&authority.certificate(), &[]), server.config, name);
        if name == "localhost" {
            assert_eq!(result.as_deref(), Ok("ping"));
        } else {
            let error = result.unwrap_err().to_string();
            assert!(error.contains("NameConstraintViolation"), "{name}: {error}");
        }
    }
}

#[test]
fn the_application_protocol_is_that_of_the_listener_or_none() {
    let (_directory, authority, certificate) = authority(&[]);
    let ca = authority.certificate();
    for (kind, alpn, is_good) in [
        (ListenerKind::Tls, &[][..], true),
        (ListenerKind::Tls, &["mqtt"], true),
        (ListenerKind::Tls, &["http/1.1", "mqtt"], true),
        (ListenerKind::Tls, &["http/1.1"], false),
        (ListenerKind::Wss, &[], true),
        (ListenerKind::Wss, &["http/1.1"], true),
        (ListenerKind::Wss, &["h2"], false),
    ] {
        let server =
            server_config(&certificate.cert, &certificate.key, kind, &ListenerTls::default()).unwrap();
        let result = handshake(client(&ca, alpn), server.config, "localhost");
        assert_eq!(result.is_ok(), is_good, "{kind} {alpn:?}");
    }
}

#[test]
fn min_version_keeps_older_clients_out() {
    let (_directory, authority, certificate) = authority(&[]);
    let mut roots = RootCertStore::empty();
    let ca = rustls::pki_types::CertificateDer::from_pem_file(authority.certificate()).unwrap();
    roots.add(ca).unwrap();
    let old = ClientConfig::builder_with_provider(Arc::new(issue::provider()))
        .with_protocol_versions(&[&rustls::version::TLS12])
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let old = Arc::new(old);
    assert_eq!(handshake(old.clone(), serve(&certificate), "localhost").as_deref(), Ok("ping"));
    let strict = ListenerTls { min_version: TlsVersion::Tls13, ..ListenerTls::default() };
    let strict = server_config(&certificate.cert, &certificate.key, ListenerKind::Tls, &strict).unwrap();
    assert!(handshake(old, strict.config, "localhost").is_err());
}

#[test]
fn keys_are_private() {
    let (directory, _, _) = authority(&[]);
    let mode = |file: &str| fs::metadata(directory.path().join(file)).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode("tls"), 0o700);
    assert_eq!(mode("tls/ca.key"), 0o600);
    assert_eq!(mode("tls/server.key"), 0o600);
    let mut files: Vec<_> =
        fs::read_dir(directory.path().join("tls")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    files.sort();
    assert_eq!(files, FILES);
}

#[test]
fn a_key_that_others_could_read_is_closed() {
    let (directory, authority, _) = authority(&[]);
    let key = directory.path().join("tls/ca.key");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
    authority.ensure(&names(&[]), SystemTime::now()).unwrap();
    assert_eq!(fs::metadata(&key).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn what_is_there_is_used_again() {
    let (directory, authority, first) = authority(&["192.0.2.7"]);
    assert!(first.is_new);
    let before = contents(directory.path());
    let again = authority.ensure(&names(&["192.0.2.7"]), SystemTime::now()).unwrap();
    assert!(!again.is_new);
    // One name fewer than the certificate holds does no harm.
    assert!(!authority.ensure(&names(&[]), SystemTime::now()).unwrap().is_new);
    assert_eq!(contents(directory.path()), before);
}

#[test]
fn a_certificate_that_nears_its_end_is_renewed_with_the_same_key() {
    let (directory, authority, _) = authority(&[]);
    let now = SystemTime::now();
    let before = contents(directory.path());
    assert!(!authority.ensure(&names(&[]), now + 59 * DAY).unwrap().is_new);
    let renewed = authority.ensure(&names(&[]), now + 61 * DAY).unwrap();
    assert!(renewed.is_new);
    let after = contents(directory.path());
    assert_eq!(before[..3], after[..3]);
    assert_ne!(before[3], after[3]);
    // Long after its end too: the broker was off for a year.
    assert!(authority.ensure(&names(&[]), now + 500 * DAY).unwrap().is_new);
}

#[test]
fn near_its_own_end_the_authority_issues_what_it_still_can_and_then_says_so() {
    let (_directory, authority, _) = authority(&[]);
    let end = SystemTime::now() + 20 * 365 * DAY;
    let last = authority.ensure(&names(&[]), end - 10 * DAY).unwrap();
    assert!(last.is_new);
    // It cannot be made to last longer, so it is not issued again and again.
    assert!(!authority.ensure(&names(&[]), end - 9 * DAY).unwrap().is_new);
    let error = authority.ensure(&names(&[]), end + DAY).unwrap_err();
    assert!(matches!(error, TlsError::Expired { .. }), "{error}");
}

#[test]
fn an_authority_made_with_a_clock_in_1970_outlives_the_correction() {
    let directory = tempfile::tempdir().unwrap();
    let authority = Authority::new(directory.path());
    authority.ensure(&names(&[]), SystemTime::UNIX_EPOCH).unwrap();
    let certificate = authority.ensure(&names(&[]), SystemTime::now()).unwrap();
    assert!(certificate.is_new);
    let result = handshake(client(&authority.certificate(), &[]), serve(&certificate), "localhost");
    assert_eq!(result.as_deref(), Ok("ping"));
}

#[test]
fn a_served_name_that_the_certificate_lacks_is_added() {
    let (directory, authority, _) = authority(&["192.0.2.7"]);
    // As if an older broker, bound to loopback alone, had issued it.
    let pair = issue::Pair {
        certificate: fs::read_to_string(authority.certificate()).unwrap(),
        key: fs::read_to_string(directory.path().join("tls/ca.key")).unwrap(),
    };
    let issuing = issue::Issuing::read(&pair, Path::new("ca.pem"), Path::new("ca.key")).unwrap();
    let key =
        KeyPair::from_pem(&fs::read_to_string(directory.path().join("tls/server.key")).unwrap()).unwrap();
    let fewer =
        issuing.issue(&[ServerName::try_from("localhost").unwrap()], &key, SystemTime::now()).unwrap();
    fs::write(directory.path().join("tls/server.pem"), fewer.pem()).unwrap();

    let certificate = authority.ensure(&names(&["192.0.2.7"]), SystemTime::now()).unwrap();
    assert!(certificate.is_new);
    let ca = authority.certificate();
    assert_eq!(handshake(client(&ca, &[]), serve(&certificate), "192.0.2.7").as_deref(), Ok("ping"));
}

#[test]
fn a_listener_that_the_authority_was_not_made_for_is_refused_and_nothing_changes() {
    let (directory, authority, _) = authority(&[]);
    let before = contents(directory.path());
    let error = authority.ensure(&names(&["192.0.2.7"]), SystemTime::now()).unwrap_err();
    assert!(
        error.to_string().contains("was made for other names and may not vouch for 192.0.2.7"),
        "{error}"
    );
    assert_eq!(contents(directory.path()), before);
}

#[test]
fn a_changed_host_name_is_left_out() {
    let (_directory, authority, _) = authority(&[]);
    let names = ServedNames::new(Some("renamed"), []).unwrap();
    let certificate = authority.ensure(&names, SystemTime::now()).unwrap();
    assert!(!certificate.is_new);
    assert_eq!(certificate.left_out, [ServerName::try_from("renamed").unwrap()]);
}

#[test]
fn an_unspecified_address_is_no_name() {
    assert_eq!(names(&["0.0.0.0", "::"]), names(&[]));
}

#[test]
fn a_host_that_cannot_stand_in_a_certificate_is_an_error() {
    let error = ServedNames::new(None, ["a..b"]).unwrap_err();
    assert_eq!(error.to_string(), "\"a..b\" cannot stand in a certificate");
}

#[test]
fn a_half_written_set_is_an_error_and_stays_as_it_is() {
    for (missing, is_error) in [
        (&["ca.pem"][..], true),
        (&["ca.key"], true),
        (&["ca.pem", "ca.key"], true),
        (&["ca.key", "server.key", "server.pem"], true),
        (&["ca.pem", "server.key", "server.pem"], true),
        (&["server.key"], true),
        (&["server.pem"], false),
        (&["server.key", "server.pem"], false),
    ] {
        let (directory, authority, _) = authority(&[]);
        for file in missing {
            fs::remove_file(directory.path().join("tls").join(file)).unwrap();
        }
        let before = contents(directory.path());
        match authority.ensure(&names(&[]), SystemTime::now()) {
            Ok(certificate) => {
                assert!(!is_error && certificate.is_new, "{missing:?}");
                let result =
                    handshake(client(&authority.certificate(), &[]), serve(&certificate), "localhost");
                assert_eq!(result.as_deref(), Ok("ping"));
                assert_eq!(contents(directory.path())[..2], before[..2], "{missing:?}");
            }
            Err(error) => {
                assert!(is_error && matches!(error, TlsError::Incomplete { .. }), "{missing:?}: {error}");
                assert_eq!(contents(directory.path()), before, "{missing:?}");
            }
        }
    }
}

#[test]
fn a_broken_file_is_an_error_and_stays_as_it_is() {
    let (_other_directory, other, _) = authority(&[]);
    let other_key = fs::read_to_string(other.certificate().with_file_name("ca.key")).unwrap();
    for file in FILES {
        for broken in ["", "not a PEM file", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"]
        {
            let (directory, authority, _) = authority(&[]);
            fs::write(directory.path().join("tls").join(file), broken).unwrap();
            let before = contents(directory.path());
            let certificate = authority.ensure(&names(&[]), SystemTime::now());
            // A certificate that cannot be read in detail is issued again: it was the authority's to begin with.
            let is_repaired = file == "server.pem" && broken.contains("BEGIN");
            // The server's key is only read when it is used.
            let served = certificate.and_then(|certificate| {
                server_config(&certificate.cert, &certificate.key, ListenerKind::Tls, &ListenerTls::default())
            });
            assert_eq!(served.is_ok(), is_repaired, "{file} {broken:?}");
            if !is_repaired {
                let message = served.unwrap_err().to_string();
                assert!(message.contains(file), "{message}");
                assert_eq!(contents(directory.path()), before, "{file} {broken:?}");
            }
        }
    }
    let (directory, authority, _) = authority(&[]);
    fs::write(directory.path().join("tls/ca.key"), other_key).unwrap();
    let error = authority.ensure(&names(&[]), SystemTime::now()).unwrap_err();
    assert!(error.to_string().ends_with("ca.key: is not the key of ca.pem"), "{error}");
}

#[test]
fn files_of_the_operator_are_reported_by_what_is_wrong() {
    let (directory, _authority, certificate) = authority(&[]);
    let (_other_directory, _other, other) = authority(&[]);
    let file = |name: &str, contents: &str| {
        let path = directory.path().join(name);
        fs::write(&path, contents).unwrap();
        path
    };
    let fixture = |name: &str| Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/keys").join(name);
    let locked = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
    for (cert, key, problem) in [
        (directory.path().join("none.pem"), certificate.key.clone(), "cannot read"),
        (file("empty.pem", ""), certificate.key.clone(), "holds no certificate"),
        (certificate.cert.clone(), file("empty.key", ""), "holds no private key"),
        (certificate.cert.clone(), file("locked.key", locked), "the key has a password"),
        (certificate.cert.clone(), other.key, "is not the key of"),
        (fixture("certificate-v1.pem"), fixture("plain.pem"), "a certificate of version 1 of X.509"),
    ] {
        let error =
            server_config(&cert, &key, ListenerKind::Tls, &ListenerTls::default()).unwrap_err().to_string();
        assert!(error.contains(problem), "{error}");
    }
}

/// What is recorded today is not read with a quantum computer later.
#[test]
fn keys_are_exchanged_so_that_no_quantum_computer_finds_them() {
    let (_directory, authority, certificate) = authority(&[]);
    let (client, _) =
        connect(client(&authority.certificate(), &[]), serve(&certificate), "localhost").unwrap();
    let group = client.negotiated_key_exchange_group().unwrap().name();
    assert_eq!(group, rustls::NamedGroup::X25519MLKEM768);
}

#[test]
fn a_client_that_comes_back_resumes_until_the_configuration_is_another() {
    let (_directory, authority, certificate) = authority(&[]);
    let client = client(&authority.certificate(), &[]);
    let server = serve(&certificate);
    let mut kinds = Vec::new();
    for server in [server.clone(), server, serve(&certificate)] {
        let (client, _) = connect(client.clone(), server, "localhost").unwrap();
        kinds.push(client.handshake_kind().unwrap());
    }
    assert_eq!(kinds, [HandshakeKind::Full, HandshakeKind::Resumed, HandshakeKind::Full]);
}

#[test]
fn each_name_has_its_certificate_and_the_first_is_for_all_others() {
    let (directory, _, certificate) = authority(&[]);
    let write = |file: &str, names: &[&str]| {
        let (cert, key) = (directory.path().join(format!("{file}.pem")), directory.path().join(file));
        let made =
            rcgen::generate_simple_self_signed(names.iter().map(ToString::to_string).collect::<Vec<_>>());
        let made = made.unwrap();
        fs::write(&cert, made.cert.pem()).unwrap();
        fs::write(&key, made.signing_key.serialize_pem()).unwrap();
        CertAndKey { cert, key }
    };
    let tls = ListenerTls {
        sni: vec![write("one", &["one.example", "*.many.example"]), write("two", &["two.example"])],
        ..ListenerTls::default()
    };
    let server = server_config(&certificate.cert, &certificate.key, ListenerKind::Tls, &tls).unwrap().config;
    let shown = |name: &str| {
        // Whom the client trusts does not matter here: what it is shown does.
        let ca = directory.path().join(match name {
            "two.example" => "two.pem",
            "one.example" | "x.many.example" => "one.pem",
            _ => "tls/ca.pem",
        });
        handshake(client(&ca, &[]), server.clone(), name)
    };
    for name in ["one.example", "ONE.example", "x.many.example", "two.example", "localhost", "127.0.0.1"] {
        assert_eq!(shown(&name.to_ascii_lowercase()).as_deref(), Ok("ping"), "{name}");
    }
    assert!(shown("y.example").is_err());
}
