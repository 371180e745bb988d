//! Making and verifying certificates: a name-constrained authority and the server certificates that it issues.

use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rcgen::string::Ia5String;
use rcgen::{
    BasicConstraints, CertificateParams, CidrSubnet, DistinguishedName, DnType, ExtendedKeyUsagePurpose,
    GeneralSubtree, IsCa, Issuer, KeyPair, KeyUsagePurpose, NameConstraints, SanType, SerialNumber,
    date_time_ymd,
};
use rustls::RootCertStore;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier as _;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};

use super::TlsError;

/// 1 January 2026, since 1970. No machine runs this earlier, whatever its clock says.
const WRITTEN: Duration = Duration::from_secs(1_767_225_600);
const DAY: Duration = Duration::from_secs(86_400);
const AUTHORITY_LIFE: Duration = Duration::from_secs(20 * 365 * 86_400);
const SERVER_LIFE: Duration = Duration::from_secs(90 * 86_400);
/// A server certificate that ends sooner is renewed.
pub(super) const RENEW_BEFORE: Duration = Duration::from_secs(30 * 86_400);

/// A certificate and its private key, as PEM.
pub(super) struct Pair {
    pub(super) certificate: String,
    pub(super) key: String,
}

/// Makes an authority that may vouch for these names and for nothing else, not even for another authority.
pub(super) fn make_authority<'a>(
    names: impl Iterator<Item = &'a ServerName<'static>>,
    now: SystemTime,
) -> Result<Pair, TlsError> {
    let key = KeyPair::generate()?;
    let serial = random_serial()?;
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    // The number keeps apart authorities that were made one after the other on the same machine.
    let number: String = serial.to_bytes().iter().take(4).map(|byte| format!("{byte:02x}")).collect();
    params.distinguished_name.push(DnType::CommonName, format!("vaux local authority {number}"));
    params.serial_number = Some(serial);
    params.not_before = date_time_ymd(1970, 1, 1) + since_epoch(now - DAY);
    // A clock without a battery may start in 1970; the authority must not have expired when the clock is set.
    let end = now.max(UNIX_EPOCH + WRITTEN) + AUTHORITY_LIFE;
    params.not_after = date_time_ymd(1970, 1, 1) + since_epoch(end);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.name_constraints = Some(NameConstraints {
        permitted_subtrees: names.filter_map(subtree).collect(),
        excluded_subtrees: Vec::new(),
    });
    let certificate = params.self_signed(&key)?;
    Ok(Pair { certificate: certificate.pem(), key: key.serialize_pem() })
}

/// An authority that can issue.
pub(super) struct Issuing {
    issuer: Issuer<'static, KeyPair>,
    certificate: CertificateDer<'static>,
    not_after: SystemTime,
}

impl Issuing {
    /// Reads an authority. The paths are for messages.
    pub(super) fn read(pair: &Pair, certificate_path: &Path, key_path: &Path) -> Result<Issuing, TlsError> {
        let unusable = |path: &Path, problem: &str| TlsError::Unusable {
            path: path.to_owned(),
            problem: problem.to_owned(),
        };
        let certificate = read_certificate(&pair.certificate, certificate_path)?;
        let (_, parsed) = x509_parser::parse_x509_certificate(&certificate)
            .map_err(|_| unusable(certificate_path, "the certificate cannot be read"))?;
        let seconds = u64::try_from(parsed.validity().not_after.timestamp()).unwrap_or(0);
        let key = KeyPair::from_pem(&pair.key).map_err(|_| unusable(key_path, "holds no private key"))?;
        if parsed.public_key().subject_public_key.data.as_ref() != key.public_key_raw() {
            return Err(unusable(key_path, "is not the key of ca.pem"));
        }
        let issuer = Issuer::from_ca_cert_der(&certificate, key)
            .map_err(|_| unusable(certificate_path, "the certificate cannot be read"))?;
        Ok(Issuing { issuer, certificate, not_after: UNIX_EPOCH + Duration::from_secs(seconds) })
    }

    /// Until when the authority is valid.
    pub(super) fn not_after(&self) -> SystemTime {
        self.not_after
    }

    /// Issues a server certificate, which never outlives the authority.
    pub(super) fn issue(
        &self,
        names: &[ServerName<'static>],
        key: &KeyPair,
        now: SystemTime,
    ) -> Result<rcgen::Certificate, TlsError> {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, "vaux-broker");
        // The key stays the same when a certificate is renewed, so the serial number cannot be derived from it.
        params.serial_number = Some(random_serial()?);
        params.not_before = date_time_ymd(1970, 1, 1) + since_epoch(now - DAY);
        params.not_after = date_time_ymd(1970, 1, 1) + since_epoch((now + SERVER_LIFE).min(self.not_after));
        params.subject_alt_names = names.iter().map(alternative_name).collect::<Result<_, _>>()?;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        Ok(params.signed_by(key, &self.issuer)?)
    }

    /// Whether the authority's name constraints let it vouch for `name`: tried on a certificate for it alone.
    pub(super) fn may_vouch_for(
        &self,
        name: &ServerName<'static>,
        now: SystemTime,
    ) -> Result<bool, TlsError> {
        let trial = self.issue(std::slice::from_ref(name), &KeyPair::generate()?, now)?;
        Ok(self.is_good(trial.der(), name, now))
    }

    /// Whether a client that trusts the authority accepts `server` as `name` at that time.
    pub(super) fn is_good(&self, server: &CertificateDer<'_>, name: &ServerName<'_>, at: SystemTime) -> bool {
        let mut roots = RootCertStore::empty();
        if roots.add(self.certificate.clone()).is_err() {
            return false;
        }
        let verifier =
            WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::new(provider())).build();
        verifier.is_ok_and(|verifier| {
            verifier
                .verify_server_cert(server, &[], name, &[], UnixTime::since_unix_epoch(since_epoch(at)))
                .is_ok()
        })
    }
}

/// The cryptography that vaux uses, whatever else the program links.
pub(crate) fn provider() -> CryptoProvider {
    aws_lc_rs::default_provider()
}

/// Reads the first certificate of a PEM file.
pub(super) fn read_certificate(pem: &str, path: &Path) -> Result<CertificateDer<'static>, TlsError> {
    CertificateDer::from_pem_slice(pem.as_bytes())
        .map_err(|_| TlsError::Unusable { path: path.to_owned(), problem: "holds no certificate".into() })
}

fn random_serial() -> Result<SerialNumber, TlsError> {
    let mut bytes = [0; 16];
    let filled = provider().secure_random.fill(&mut bytes);
    filled.map_err(|_| TlsError::Crypto("the system gave no random numbers".into()))?;
    // A serial number is positive and has no leading zero.
    bytes[0] = bytes[0] & 0x7f | 0x40;
    Ok(SerialNumber::from_slice(&bytes))
}

fn subtree(name: &ServerName<'static>) -> Option<GeneralSubtree> {
    match name {
        ServerName::DnsName(name) => Some(GeneralSubtree::DnsName(name.as_ref().to_owned())),
        ServerName::IpAddress(ip) => {
            let ip = IpAddr::from(*ip);
            let prefix = if ip.is_ipv4() { 32 } else { 128 };
            Some(GeneralSubtree::IpAddress(CidrSubnet::from_addr_prefix(ip, prefix)))
        }
        _ => None,
    }
}

fn alternative_name(name: &ServerName<'static>) -> Result<SanType, TlsError> {
    match name {
        ServerName::DnsName(name) => Ok(SanType::DnsName(Ia5String::try_from(name.as_ref().to_owned())?)),
        ServerName::IpAddress(ip) => Ok(SanType::IpAddress(IpAddr::from(*ip))),
        other => Err(TlsError::NotAName { host: other.to_str().into_owned() }),
    }
}

/// A clock before 1970 counts as 1970, and one past the year 9800 as 9800: certificates know no later times.
fn since_epoch(at: SystemTime) -> Duration {
    const YEAR_9800: Duration = Duration::from_secs(247_000_000_000);
    at.duration_since(UNIX_EPOCH).unwrap_or_default().min(YEAR_9800)
}
