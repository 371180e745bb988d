//! SCRAM-SHA-256 (RFC 7677), the client's side: the password is not sent, and the server proves that it knows it.

use std::fmt;
use std::num::NonZeroU32;

use aws_lc_rs::{constant_time, digest, hmac, pbkdf2, rand};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;

use crate::authenticator::Authenticator;

/// Logs in by SCRAM-SHA-256, for [`crate::ConnectOptions::authenticator`].
///
/// Name and password are used as they are, without SASLprep: what is not ASCII has to be written as the server's
/// administrator wrote it.
///
/// ```
/// use vaux_client::{ConnectOptions, ScramSha256};
///
/// let options =
///     ConnectOptions::new("localhost", 1883).authenticator(|| ScramSha256::new("alice", "secret"));
/// ```
pub struct ScramSha256 {
    user_name: String,
    password: Vec<u8>,
    /// What has been said so far.
    said: String,
    nonce: String,
    /// What the server has to say in the end.
    expected: Option<[u8; KEY_BYTES]>,
}

const KEY_BYTES: usize = 32;
/// No channel is bound.
const GS2_HEADER: &str = "n,,";
/// Fewer make it cheap for a false server to guess the password.
const MIN_ITERATIONS: u32 = 4096;
/// More would keep the client busy for minutes.
const MAX_ITERATIONS: u32 = 1_000_000;

impl ScramSha256 {
    /// An exchange that is about to begin.
    pub fn new(user_name: impl Into<String>, password: impl Into<Vec<u8>>) -> ScramSha256 {
        let (user_name, password) = (user_name.into(), password.into());
        ScramSha256 { user_name, password, said: String::new(), nonce: String::new(), expected: None }
    }

    fn begin_with(&mut self, nonce: String) -> Bytes {
        let name = self.user_name.replace('=', "=3D").replace(',', "=2C");
        self.said = format!("n={name},r={nonce}");
        self.nonce = nonce;
        self.expected = None;
        format!("{GS2_HEADER}{}", self.said).into()
    }

    fn answer(&mut self, challenge: &str) -> Option<Bytes> {
        let mut parts = challenge.split(',');
        let nonce = parts.next()?.strip_prefix("r=")?;
        let salt = STANDARD.decode(parts.next()?.strip_prefix("s=")?).ok()?;
        let iterations: NonZeroU32 = parts.next()?.strip_prefix("i=")?.parse().ok()?;
        let is_longer = nonce.len() > self.nonce.len() && nonce.starts_with(&self.nonce);
        if !is_longer || !(MIN_ITERATIONS..=MAX_ITERATIONS).contains(&iterations.get()) {
            return None;
        }
        let mut salted = [0; KEY_BYTES];
        pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, iterations, &salt, &self.password, &mut salted);
        let mut client_key = sign(&salted, b"Client Key");
        let without_proof = format!("c={},r={nonce}", STANDARD.encode(GS2_HEADER));
        let message = format!("{},{challenge},{without_proof}", self.said);
        let signature = sign(digest::digest(&digest::SHA256, &client_key).as_ref(), message.as_bytes());
        client_key.iter_mut().zip(signature).for_each(|(byte, mask)| *byte ^= mask);
        self.expected = Some(sign(&sign(&salted, b"Server Key"), message.as_bytes()));
        Some(format!("{without_proof},p={}", STANDARD.encode(client_key)).into())
    }
}

impl Authenticator for ScramSha256 {
    fn method(&self) -> &str {
        "SCRAM-SHA-256"
    }

    fn begin(&mut self) -> Result<Option<Bytes>, String> {
        let mut random = [0; 18];
        rand::fill(&mut random).map_err(|_| "the system has no random numbers")?;
        Ok(Some(self.begin_with(STANDARD.encode(random))))
    }

    fn step(&mut self, data: Option<&[u8]>) -> Result<Option<Bytes>, String> {
        let challenge = data.and_then(|data| std::str::from_utf8(data).ok());
        let answer =
            challenge.filter(|_| self.expected.is_none()).and_then(|challenge| self.answer(challenge));
        answer.map(Some).ok_or_else(|| "the server's challenge makes no sense".into())
    }

    fn finish(&mut self, data: Option<&[u8]>) -> Result<(), String> {
        let proof =
            data.and_then(|data| data.strip_prefix(b"v=")).and_then(|proof| STANDARD.decode(proof).ok());
        match (self.expected.take(), proof) {
            (Some(expected), Some(proof))
                if constant_time::verify_slices_are_equal(&expected, &proof).is_ok() =>
            {
                Ok(())
            }
            _ => Err("the server did not prove that it knows the password".into()),
        }
    }
}

impl fmt::Debug for ScramSha256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScramSha256").field("user_name", &self.user_name).finish_non_exhaustive()
    }
}

fn sign(key: &[u8], message: &[u8]) -> [u8; KEY_BYTES] {
    let key = hmac::Key::new(hmac::HMAC_SHA256, key);
    hmac::sign(&key, message).as_ref().try_into().expect("HMAC-SHA-256 has 32 bytes")
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHALLENGE: &[u8] =
        b"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";

    fn begun() -> ScramSha256 {
        let mut scram = ScramSha256::new("user", "pencil");
        assert_eq!(scram.begin_with("rOprNGfwEbeRWgbNEkqO".into()), "n,,n=user,r=rOprNGfwEbeRWgbNEkqO");
        scram
    }

    #[test]
    fn the_example_of_the_rfc() {
        let mut scram = begun();
        let answer = scram.step(Some(CHALLENGE)).unwrap().unwrap();
        let expected = "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
                        p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";
        assert_eq!(answer, expected);
        assert_eq!(scram.finish(Some(b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=")), Ok(()));
    }

    #[test]
    fn a_server_that_does_not_know_the_password_is_not_believed() {
        for proof in
            [None, Some(&b""[..]), Some(b"v="), Some(b"v=7rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=")]
        {
            let mut scram = begun();
            scram.step(Some(CHALLENGE)).unwrap();
            assert!(scram.finish(proof).is_err(), "{proof:?}");
        }
        assert!(begun().finish(Some(b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=")).is_err());
    }

    #[test]
    fn a_challenge_that_helps_to_guess_is_not_answered() {
        let text = std::str::from_utf8(CHALLENGE).unwrap();
        for wrong in [
            text.replace("rOpr", "xxxx"),
            text.replace("%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0", ""),
            text.replace("4096", "1"),
            text.replace("4096", "4294967295"),
            text.replace("s=", "x="),
            String::new(),
        ] {
            assert!(begun().step(Some(wrong.as_bytes())).is_err(), "{wrong}");
        }
        let mut scram = begun();
        scram.step(Some(CHALLENGE)).unwrap();
        assert!(scram.step(Some(CHALLENGE)).is_err(), "once is enough");
    }
}
