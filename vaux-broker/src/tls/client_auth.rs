//! Certificates of clients: which are accepted, and the user that one stands for.

use std::path::Path;
use std::sync::Arc;

use rustls::RootCertStore;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use x509_parser::prelude::{FromDer as _, GeneralName, X509Certificate};

use super::server_config::{read_chain, unusable};
use super::{TlsError, files};
use crate::config::{ListenerTls, UsernameFrom};

/// What is asked of clients, if anything is.
///
/// A certificate that a list revokes is refused, and so is every one whose issuer has no list, or one that is out of
/// date: a list that was not renewed must not let in whom it should keep out.
pub(super) fn verifier(
    tls: &ListenerTls,
    provider: Arc<CryptoProvider>,
) -> Result<Option<Arc<dyn ClientCertVerifier>>, TlsError> {
    let Some(client_ca) = &tls.client_ca else { return Ok(None) };
    let mut roots = RootCertStore::empty();
    for certificate in read_chain(client_ca)? {
        roots.add(certificate).map_err(|error| unusable(client_ca, error.to_string()))?;
    }
    let mut builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
    if let Some(crl) = &tls.crl {
        builder = builder.with_crls(read_crls(crl)?).enforce_revocation_expiration();
    }
    if !tls.require_client_cert {
        builder = builder.allow_unauthenticated();
    }
    builder.build().map(Some).map_err(|error| match &tls.crl {
        // `openssl ca` makes those of version 1 when its configuration has no crlnumber.
        Some(crl) => unusable(crl, format!("{error}; a list has to be of version 2, with a number")),
        None => unusable(client_ca, error.to_string()),
    })
}

fn read_crls(path: &Path) -> Result<Vec<CertificateRevocationListDer<'static>>, TlsError> {
    let pem = files::read(path)?;
    let lists: Result<Vec<_>, _> = CertificateRevocationListDer::pem_slice_iter(pem.as_bytes()).collect();
    match lists {
        Ok(lists) if !lists.is_empty() => Ok(lists),
        Ok(_) => Err(unusable(path, "holds no certificate revocation list".into())),
        Err(error) => Err(unusable(path, format!("is no PEM file: {error}"))),
    }
}

/// Whether a certificate, with those that the client sent with it, would be accepted now.
pub(crate) fn is_accepted(verifier: &dyn ClientCertVerifier, chain: &[CertificateDer<'_>]) -> bool {
    let Some((own, others)) = chain.split_first() else { return false };
    verifier.verify_client_cert(own, others, UnixTime::now()).is_ok()
}

/// The longest user name that a certificate may give.
const MAX_NAME_BYTES: usize = 256;

/// The user that an accepted certificate stands for. `None`: it stands for nobody.
pub(crate) fn user_name(
    certificate: &CertificateDer<'_>,
    from: UsernameFrom,
) -> Result<Option<Box<str>>, &'static str> {
    let name = match from {
        UsernameFrom::None => return Ok(None),
        UsernameFrom::Fingerprint => fingerprint(certificate),
        UsernameFrom::Cn | UsernameFrom::SanDns => {
            let (_, certificate) =
                X509Certificate::from_der(certificate).map_err(|_| "the certificate cannot be read")?;
            match from {
                UsernameFrom::Cn => common_name(&certificate)?,
                _ => first_dns_name(&certificate)?,
            }
        }
    };
    // Names that begin with $ are the broker's own.
    if name.is_empty()
        || name.len() > MAX_NAME_BYTES
        || name.starts_with('$')
        || name.contains(char::is_control)
    {
        return Err("the name in the certificate is no user name");
    }
    Ok(Some(name.into()))
}

/// The common name in an accepted certificate, if it has one.
pub(crate) fn certificate_common_name(certificate: &CertificateDer<'_>) -> Option<Box<str>> {
    let (_, certificate) = X509Certificate::from_der(certificate).ok()?;
    common_name(&certificate).ok().map(Into::into)
}

fn common_name(certificate: &X509Certificate<'_>) -> Result<String, &'static str> {
    let mut names = certificate.subject().iter_common_name();
    match (names.next().map(|name| name.as_str()), names.next()) {
        (Some(Ok(name)), None) => Ok(name.to_owned()),
        _ => Err("the certificate has no common name, or more than one"),
    }
}

fn first_dns_name(certificate: &X509Certificate<'_>) -> Result<String, &'static str> {
    const NONE: &str = "the certificate has no DNS name";
    let names = certificate.subject_alternative_name().map_err(|_| NONE)?.ok_or(NONE)?;
    let dns = |name: &GeneralName<'_>| match name {
        GeneralName::DNSName(name) => Some((*name).to_owned()),
        _ => None,
    };
    names.value.general_names.iter().find_map(dns).ok_or(NONE)
}

/// SHA-256 of the certificate, in hexadecimal digits.
fn fingerprint(certificate: &CertificateDer<'_>) -> String {
    // The hash of this suite is SHA-256, and always there.
    let suite = aws_lc_rs::cipher_suite::TLS13_AES_128_GCM_SHA256;
    let hash = suite.tls13().map(|suite| suite.common.hash_provider.hash(certificate));
    let hash = hash.expect("it is a suite of TLS 1.3");
    hash.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests;
