//! Private keys in PEM files, as they are or encrypted.

use std::fmt;
use std::path::Path;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use pkcs8::EncryptedPrivateKeyInfo;
use rustls::pki_types::pem::{Error as PemError, PemObject as _};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

/// What a key is encrypted with. It does not show in logs.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Password(pub(super) Vec<u8>);

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(…)")
    }
}

const BEGIN: &str = "-----BEGIN ENCRYPTED PRIVATE KEY-----";
const END: &str = "-----END ENCRYPTED PRIVATE KEY-----";
/// A line in keys that OpenSSL encrypted by itself, before PKCS #8: with MD5, and without a salt worth the name.
const LEGACY: &str = "Proc-Type: 4,ENCRYPTED";

/// Whether a key needs a password.
pub(super) fn is_encrypted(path: &Path) -> bool {
    std::fs::read_to_string(path).is_ok_and(|pem| pem.contains(BEGIN))
}

/// Reads a key, or says what is wrong with it.
pub(super) fn read(path: &Path, password: Option<&Password>) -> Result<PrivateKeyDer<'static>, String> {
    let pem = std::fs::read_to_string(path).map_err(|error| error.to_string())?;
    if pem.contains(LEGACY) {
        return Err(format!("is encrypted in OpenSSL's old way; {AGAIN}"));
    }
    if let Some(encrypted) = section(&pem) {
        let password = password.ok_or("is encrypted, and there is no password for it")?;
        return decrypt(encrypted, password);
    }
    PrivateKeyDer::from_pem_slice(pem.as_bytes()).map_err(|error| match error {
        PemError::NoItemsFound => "holds no private key in PEM form".into(),
        error => error.to_string(),
    })
}

const AGAIN: &str =
    "`openssl pkcs8 -topk8 -v2 aes-256-cbc -in OLD -out NEW` encrypts it so that it can be read";

/// What stands between the first line of an encrypted key and its last.
fn section(pem: &str) -> Option<&str> {
    let (_, rest) = pem.split_once(BEGIN)?;
    rest.split_once(END).map(|(section, _)| section)
}

fn decrypt(section: &str, password: &Password) -> Result<PrivateKeyDer<'static>, String> {
    let text: String = section.split_whitespace().collect();
    let der = BASE64_STANDARD.decode(text).map_err(|error| format!("is no PEM file: {error}"))?;
    let encrypted = EncryptedPrivateKeyInfo::try_from(der.as_slice())
        .map_err(|_| format!("is encrypted in a way that is not supported; {AGAIN}"))?;
    match encrypted.decrypt(&password.0) {
        Ok(key) => Ok(PrivatePkcs8KeyDer::from(key.as_bytes().to_vec()).into()),
        Err(pkcs8::Error::EncryptedPrivateKey(
            pkcs8::pkcs5::Error::NoPbes1CryptSupport | pkcs8::pkcs5::Error::UnsupportedAlgorithm { .. },
        )) => Err(format!("is encrypted in a way that is not supported; {AGAIN}")),
        Err(_) => Err("the password of the key is wrong".into()),
    }
}
