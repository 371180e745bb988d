//! JSON Web Tokens as passwords (RFC 7519, 7515): signed by somebody whose key is in a file.
//!
//! The kind of key decides the algorithm, never the token: a public key is not taken for a secret. A token without an
//! end is not taken at all, and a client is disconnected at that end.

#[cfg(test)]
mod samples;
#[cfg(test)]
mod tests;

use std::path::Path;

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ED25519, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, VerificationAlgorithm,
};
use aws_lc_rs::{constant_time, digest, hmac};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rustls::pki_types::SubjectPublicKeyInfoDer;
use rustls::pki_types::pem::PemObject as _;
use serde_json::{Map, Value};

use super::file::{FileError, read_lines};
use super::password_file::check_user_name;
use crate::config::{JwtAlgorithm, JwtConfig};

/// Checks tokens.
#[derive(Debug)]
pub(super) struct Tokens {
    key: Key,
    algorithm: JwtAlgorithm,
    audience: String,
    username_claim: String,
    /// Stands for all of this.
    pub(super) fingerprint: [u8; 32],
}

/// Whom a good token names, and until when.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Named {
    pub(super) user: String,
    /// In seconds since 1970.
    pub(super) until_s: f64,
}

enum Key {
    Public(ParsedPublicKey),
    Secret(Box<hmac::Key>),
}

/// Clocks differ by so much.
const CLOCK_SKEW_S: f64 = 60.0;

/// A shorter secret can be guessed: RFC 7518 asks for as many bytes as the hash has.
const MIN_SECRET_BYTES: usize = 32;

impl Tokens {
    /// Reads the key. `None` when no file is configured.
    pub(super) fn read(config: &JwtConfig) -> Result<Option<Tokens>, FileError> {
        let Some(path) = &config.key_file else { return Ok(None) };
        let text = read_lines(path)?;
        let (key, algorithm) = read_key(path, &text)?;
        if !config.algorithms.contains(&algorithm) {
            let name = algorithm.name();
            let message = format!("holds a key for {name}, which is not among the algorithms of [auth.jwt]");
            return Err(FileError::new(path, None, message));
        }
        let (audience, username_claim) = (config.audience.clone(), config.username_claim.clone());
        let mut context = digest::Context::new(&digest::SHA256);
        for part in [&text, &audience, &username_claim] {
            // The length keeps them apart.
            context.update(&(part.len() as u64).to_be_bytes());
            context.update(part.as_bytes());
        }
        let fingerprint = context.finish().as_ref().try_into().expect("SHA-256 has 32 bytes");
        Ok(Some(Tokens { key, algorithm, audience, username_claim, fingerprint }))
    }

    /// Whom a token names, if it is good at this time, in seconds since 1970.
    pub(super) fn read_token(&self, token: &str, now_s: f64) -> Option<Named> {
        let (signed, signature) = token.rsplit_once('.')?;
        let (header, claims) = signed.split_once('.')?;
        let header = decode(header)?;
        // Whoever marks something as critical wants it understood.
        if header.get("alg")?.as_str()? != self.algorithm.name() || header.contains_key("crit") {
            return None;
        }
        let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
        if !self.key.verify(signed.as_bytes(), &signature) {
            return None;
        }
        let claims = decode(claims)?;
        let ends_at = claims.get("exp")?.as_f64()?;
        let begins_at = claims.get("nbf").map_or(Some(f64::NEG_INFINITY), Value::as_f64)?;
        if now_s >= ends_at || now_s + CLOCK_SKEW_S < begins_at || !self.is_for_us(&claims) {
            return None;
        }
        let user = claims.get(&self.username_claim)?.as_str()?;
        check_user_name(user).ok().map(|()| Named { user: user.to_owned(), until_s: ends_at })
    }

    fn is_for_us(&self, claims: &Map<String, Value>) -> bool {
        let is_us = |value: &Value| value.as_str() == Some(&*self.audience);
        self.audience.is_empty()
            || match claims.get("aud") {
                Some(Value::Array(audiences)) => audiences.iter().any(is_us),
                Some(audience) => is_us(audience),
                None => false,
            }
    }
}

/// Whether a password is shaped like a token: then it is one, and no password.
pub(super) fn is_token(password: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(password).ok()?;
    let header = text.split('.').next()?;
    (text.bytes().filter(|byte| *byte == b'.').count() == 2 && decode(header)?.contains_key("alg"))
        .then_some(text)
}

fn decode(part: &str) -> Option<Map<String, Value>> {
    match serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).ok()?).ok()? {
        Value::Object(object) => Some(object),
        _ => None,
    }
}

impl Key {
    fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        match self {
            Key::Public(key) => key.verify_sig(message, signature).is_ok(),
            Key::Secret(key) => {
                let tag = hmac::sign(key, message);
                constant_time::verify_slices_are_equal(tag.as_ref(), signature).is_ok()
            }
        }
    }
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Key::Public(_) => "Public",
            Key::Secret(_) => "Secret",
        })
    }
}

/// A public key in PEM, or else a secret: the first line.
fn read_key(path: &Path, text: &str) -> Result<(Key, JwtAlgorithm), FileError> {
    if text.contains("-----BEGIN") {
        let wrong = || FileError::new(path, None, "holds no public key of RSA, P-256 or Ed25519 in PEM");
        let key = SubjectPublicKeyInfoDer::from_pem_slice(text.as_bytes()).map_err(|_| wrong())?;
        let kinds: [(&'static dyn VerificationAlgorithm, JwtAlgorithm); 3] = [
            (&RSA_PKCS1_2048_8192_SHA256, JwtAlgorithm::Rs256),
            (&ECDSA_P256_SHA256_FIXED, JwtAlgorithm::Es256),
            (&ED25519, JwtAlgorithm::EdDsa),
        ];
        let fitting = kinds.into_iter().find_map(|(kind, algorithm)| {
            let key = ParsedPublicKey::new(kind, key.as_ref()).ok()?;
            Some((Key::Public(key), algorithm))
        });
        return fitting.ok_or_else(wrong);
    }
    let secret = text.lines().next().unwrap_or_default();
    if secret.len() < MIN_SECRET_BYTES {
        return Err(FileError::new(path, None, "holds neither a PEM key nor a secret of at least 32 bytes"));
    }
    Ok((Key::Secret(Box::new(hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes()))), JwtAlgorithm::Hs256))
}
