//! Which certificate a client is shown: the first that is valid for the name that it asks for, else the first of all.

use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use x509_parser::prelude::{FromDer as _, GeneralName, X509Certificate};

use super::TlsError;
use super::server_config::unusable;

/// The certificates of a listener.
#[derive(Debug)]
pub(super) struct ByName {
    certificates: Vec<Served>,
}

#[derive(Debug)]
struct Served {
    /// In lower case; `*.` in front stands for one label.
    names: Vec<String>,
    key: Arc<CertifiedKey>,
}

impl ByName {
    /// The certificate for those who ask for no name, or for one that nothing is valid for.
    pub(super) fn new(path: &Path, key: CertifiedKey) -> Result<ByName, TlsError> {
        let mut by_name = ByName { certificates: Vec::new() };
        by_name.push(path, key)?;
        Ok(by_name)
    }

    /// One more, that was read from `path`.
    pub(super) fn push(&mut self, path: &Path, key: CertifiedKey) -> Result<(), TlsError> {
        let end_entity = key.end_entity_cert().map_err(|error| unusable(path, error.to_string()))?;
        let names = dns_names(end_entity).map_err(|problem| unusable(path, problem))?;
        self.certificates.push(Served { names, key: Arc::new(key) });
        Ok(())
    }

    fn find(&self, name: Option<&str>) -> Option<&Arc<CertifiedKey>> {
        let name = name.map(str::to_ascii_lowercase);
        let is_valid = |served: &&Served| match &name {
            Some(name) => served.names.iter().any(|pattern| is_match(pattern, name)),
            None => false,
        };
        self.certificates.iter().find(is_valid).or(self.certificates.first()).map(|served| &served.key)
    }
}

impl ResolvesServerCert for ByName {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.find(hello.server_name()).cloned()
    }
}

fn is_match(pattern: &str, name: &str) -> bool {
    match pattern.strip_prefix("*.") {
        Some(parent) => name.split_once('.').is_some_and(|(label, rest)| !label.is_empty() && rest == parent),
        None => pattern == name,
    }
}

fn dns_names(certificate: &CertificateDer<'_>) -> Result<Vec<String>, String> {
    let (_, certificate) = X509Certificate::from_der(certificate).map_err(|error| error.to_string())?;
    let names = certificate.subject_alternative_name().map_err(|error| error.to_string())?;
    let names = names.into_iter().flat_map(|names| &names.value.general_names);
    let dns = |name: &GeneralName<'_>| match name {
        GeneralName::DNSName(name) => Some(name.to_ascii_lowercase()),
        _ => None,
    };
    Ok(names.filter_map(dns).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wildcard_stands_for_one_label() {
        for (pattern, name, is_valid) in [
            ("a.example", "a.example", true),
            ("a.example", "b.example", false),
            ("*.example", "a.example", true),
            ("*.example", "example", false),
            ("*.example", ".example", false),
            ("*.example", "a.b.example", false),
        ] {
            assert_eq!(is_match(pattern, name), is_valid, "{pattern} {name}");
        }
    }
}
