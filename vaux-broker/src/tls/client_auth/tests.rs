//! Clients with certificates, good ones and bad ones.

use std::fs;
use std::time::{Duration, SystemTime};

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, DnType, IsCa, Issuer, KeyIdMethod,
    KeyPair, KeyUsagePurpose, RevokedCertParams, SerialNumber,
};
use rustls::pki_types::PrivateKeyDer;
use rustls::{ClientConfig, HandshakeKind, ServerConfig};
use tempfile::TempDir;

use super::*;
use crate::config::ListenerKind;
use crate::tls::tests::{authority, connect, handshake};
use crate::tls::{Authority, ServerCertificate, provider, server_config};

/// A broker, and an authority for its clients.
struct World {
    directory: TempDir,
    broker: Authority,
    certificate: ServerCertificate,
    issuer: Issuer<'static, KeyPair>,
}

impl World {
    fn new() -> World {
        let (directory, broker, certificate) = authority(&[]);
        let (pem, issuer) = client_authority();
        fs::write(directory.path().join("clients.pem"), pem).unwrap();
        World { directory, broker, certificate, issuer }
    }

    fn tls(&self, require_client_cert: bool) -> ListenerTls {
        let client_ca = Some(self.directory.path().join("clients.pem"));
        ListenerTls { client_ca, require_client_cert, ..ListenerTls::default() }
    }

    fn serve(&self, tls: &ListenerTls) -> Arc<ServerConfig> {
        server_config(&self.certificate.cert, &self.certificate.key, ListenerKind::Tls, tls).unwrap().config
    }

    /// Writes a list that revokes `serials`, and ends after `life`.
    fn revoke(&self, serials: &[u64], life: Duration) -> ListenerTls {
        let now = SystemTime::now();
        let revoked = serials.iter().map(|serial| RevokedCertParams {
            serial_number: SerialNumber::from(*serial),
            revocation_time: (now - 3 * HOUR).into(),
            reason_code: None,
            invalidity_date: None,
        });
        let list = CertificateRevocationListParams {
            this_update: (now - 2 * HOUR).into(),
            next_update: (now - 2 * HOUR + life).into(),
            crl_number: SerialNumber::from(1),
            issuing_distribution_point: None,
            revoked_certs: revoked.collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        let path = self.directory.path().join("crl.pem");
        fs::write(&path, list.signed_by(&self.issuer).unwrap().pem().unwrap()).unwrap();
        ListenerTls { crl: Some(path), ..self.tls(true) }
    }

    fn client(&self, identity: Option<(CertificateDer<'static>, KeyPair)>) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(self.broker.certificate()).unwrap()).unwrap();
        let builder = ClientConfig::builder_with_provider(Arc::new(provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots);
        Arc::new(match identity {
            None => builder.with_no_client_auth(),
            Some((certificate, key)) => {
                let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
                builder.with_client_auth_cert(vec![certificate], key).unwrap()
            }
        })
    }
}

const HOUR: Duration = Duration::from_secs(3600);

fn client_authority() -> (String, Issuer<'static, KeyPair>) {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let pem = params.self_signed(&key).unwrap().pem();
    (pem, Issuer::new(params, key))
}

/// A certificate of a client with these common names and DNS names.
fn issue(
    issuer: &Issuer<'static, KeyPair>,
    serial: u64,
    common_names: &[&str],
    dns_names: &[&str],
) -> (CertificateDer<'static>, KeyPair) {
    let key = KeyPair::generate().unwrap();
    let names: Vec<_> = dns_names.iter().map(ToString::to_string).collect();
    let mut params = CertificateParams::new(names).unwrap();
    params.distinguished_name = rcgen::DistinguishedName::new();
    for name in common_names {
        params.distinguished_name.push(DnType::CommonName, *name);
    }
    params.serial_number = Some(SerialNumber::from(serial));
    let certificate = params.signed_by(&key, issuer).unwrap();
    (certificate.der().clone(), key)
}

#[test]
fn a_client_needs_a_certificate_only_where_it_is_required() {
    let world = World::new();
    for (is_required, without) in [(false, true), (true, false)] {
        let server = world.serve(&world.tls(is_required));
        assert_eq!(handshake(world.client(None), server.clone(), "localhost").is_ok(), without);
        let known = world.client(Some(issue(&world.issuer, 1, &["dev"], &[])));
        let (_, server) = connect(known, server, "localhost").unwrap();
        let certificate = &server.peer_certificates().unwrap()[0];
        assert_eq!(user_name(certificate, UsernameFrom::Cn).unwrap().as_deref(), Some("dev"));
    }
}

#[test]
fn a_certificate_of_another_authority_is_refused_even_where_none_is_required() {
    let world = World::new();
    let (_, stranger) = client_authority();
    let forged = world.client(Some(issue(&stranger, 1, &["dev"], &[])));
    assert!(handshake(forged, world.serve(&world.tls(false)), "localhost").is_err());
}

#[test]
fn a_revoked_certificate_is_refused_and_so_are_all_when_the_list_is_out_of_date() {
    let world = World::new();
    let client = |serial| world.client(Some(issue(&world.issuer, serial, &["dev"], &[])));
    let server = world.serve(&world.revoke(&[7], 24 * HOUR));
    assert!(handshake(client(8), server.clone(), "localhost").is_ok());
    let error = handshake(client(7), server, "localhost").unwrap_err().to_string();
    assert!(error.contains("Revoked"), "{error}");
    let outdated = world.serve(&world.revoke(&[7], HOUR));
    let error = handshake(client(8), outdated, "localhost").unwrap_err().to_string();
    assert!(error.contains("revocation list expired"), "{error}");
}

#[test]
fn clients_with_certificates_prove_themselves_each_time() {
    let world = World::new();
    let server = world.serve(&world.tls(false));
    let client = world.client(Some(issue(&world.issuer, 1, &["dev"], &[])));
    for _ in 0..3 {
        let (client, _) = connect(client.clone(), server.clone(), "localhost").unwrap();
        assert_eq!(client.handshake_kind(), Some(HandshakeKind::Full));
    }
}

#[test]
fn files_that_are_missing_empty_or_something_else_are_named() {
    let world = World::new();
    let path = world.directory.path().join("broken.pem");
    let problem = |tls: &ListenerTls| {
        let result = server_config(&world.certificate.cert, &world.certificate.key, ListenerKind::Tls, tls);
        result.unwrap_err().to_string()
    };
    let ca = ListenerTls { client_ca: Some(path.clone()), ..world.tls(true) };
    let crl = ListenerTls { crl: Some(path.clone()), ..world.tls(true) };
    for tls in [&ca, &crl] {
        let _ = fs::remove_file(&path);
        assert!(problem(tls).starts_with("cannot read "), "{}", problem(tls));
        for contents in [
            "",
            "no PEM",
            "-----BEGIN X509 CRL-----\nAAAA",
            &fs::read_to_string(&world.certificate.key).unwrap(),
        ] {
            fs::write(&path, contents).unwrap();
            assert!(problem(tls).contains("broken.pem: "), "{contents:?}: {}", problem(tls));
        }
    }
}

#[test]
fn users_are_named_by_what_the_listener_goes_by() {
    let (_, issuer) = client_authority();
    let name = |common_names: &[&str], dns_names: &[&str], from| {
        user_name(&issue(&issuer, 1, common_names, dns_names).0, from)
    };
    let is = |name: &str| Ok(Some(name.into()));
    assert_eq!(name(&["dev"], &["a.example", "b.example"], UsernameFrom::None), Ok(None));
    assert_eq!(name(&["dev"], &["a.example", "b.example"], UsernameFrom::Cn), is("dev"));
    assert_eq!(name(&["dev"], &["a.example", "b.example"], UsernameFrom::SanDns), is("a.example"));
    let fingerprint = name(&["dev"], &[], UsernameFrom::Fingerprint).unwrap().unwrap();
    assert!(fingerprint.len() == 64 && fingerprint.bytes().all(|digit| digit.is_ascii_hexdigit()));
    for common_names in [&[][..], &["$operator"], &["a\0b"], &[""], &["x".repeat(300).as_str()]] {
        assert!(name(common_names, &[], UsernameFrom::Cn).is_err(), "{common_names:?}");
    }
    assert!(name(&["dev"], &[], UsernameFrom::SanDns).is_err());
}
