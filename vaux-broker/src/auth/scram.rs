//! SCRAM-SHA-256 (RFC 7677), the server's side: the password never comes here, and the file does not hold it.
//!
//! Names and passwords are compared as bytes, without SASLprep: what is not ASCII has to be written the same way on both
//! sides. Channel binding is not offered.

use std::fmt;
use std::num::NonZeroU32;

use aws_lc_rs::{constant_time, digest, hmac, pbkdf2};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// The method as it is named in CONNECT.
pub(super) const METHOD: &str = "SCRAM-SHA-256";

/// What a password file holds of a user: `SCRAM-SHA-256$iterations:salt$StoredKey:ServerKey`, as PostgreSQL writes it.
#[derive(Clone, PartialEq, Eq)]
pub struct ScramKeys {
    iterations: NonZeroU32,
    salt: Box<[u8]>,
    stored_key: [u8; KEY_BYTES],
    server_key: [u8; KEY_BYTES],
}

/// What is remembered between the client's first message and its last.
pub(super) struct Exchange {
    pub(super) user: Box<str>,
    keys: ScramKeys,
    /// Whether the keys are those of a user, and not made up.
    is_known: bool,
    gs2_header: Box<str>,
    nonce: Box<str>,
    /// The client's first message without its header, and the server's first.
    said: String,
}

const KEY_BYTES: usize = 32;
const SALT_BYTES: usize = 16;
/// What RFC 7677 asks for at least. The client does the work.
const ITERATIONS: NonZeroU32 = NonZeroU32::new(4096).expect("it is not 0");
const MAX_NONCE_BYTES: usize = 256;

impl ScramKeys {
    /// The keys of a password, with a salt of their own.
    pub fn new(password: &[u8]) -> ScramKeys {
        let salt = super::random::<SALT_BYTES>();
        let mut salted = [0; KEY_BYTES];
        pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, ITERATIONS, &salt, password, &mut salted);
        let stored_key = sha256(&sign(&salted, b"Client Key"));
        let server_key = sign(&salted, b"Server Key");
        ScramKeys { iterations: ITERATIONS, salt: salt.into(), stored_key, server_key }
    }

    /// Reads keys as they stand in a password file. `None` when they are not understood.
    pub(super) fn parse(text: &str) -> Option<ScramKeys> {
        let (costs, keys) = text.strip_prefix("SCRAM-SHA-256$")?.split_once('$')?;
        let ((iterations, salt), (stored_key, server_key)) = (costs.split_once(':')?, keys.split_once(':')?);
        let key = |text: &str| <[u8; KEY_BYTES]>::try_from(STANDARD.decode(text).ok()?).ok();
        let iterations = iterations.parse().ok().filter(|count: &NonZeroU32| count.get() <= 10_000_000)?;
        let salt: Box<[u8]> = STANDARD.decode(salt).ok()?.into();
        let has_salt = !salt.is_empty();
        let (stored_key, server_key) = (key(stored_key)?, key(server_key)?);
        has_salt.then_some(ScramKeys { iterations, salt, stored_key, server_key })
    }

    /// Keys that nobody can have, the same whenever the same user is asked for.
    fn made_up(secret: &[u8; 32]) -> ScramKeys {
        let salt = secret[..SALT_BYTES].into();
        ScramKeys { iterations: ITERATIONS, salt, stored_key: *secret, server_key: *secret }
    }
}

impl fmt::Display for ScramKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ScramKeys { iterations, salt, stored_key, server_key } = self;
        let [salt, stored_key, server_key] =
            [&**salt, stored_key, server_key].map(|part| STANDARD.encode(part));
        write!(f, "SCRAM-SHA-256${iterations}:{salt}${stored_key}:{server_key}")
    }
}

impl fmt::Debug for ScramKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScramKeys").finish_non_exhaustive()
    }
}

/// The user that the client's first message names.
pub(super) fn named_user(first: &[u8]) -> Option<String> {
    read_first(first).map(|first| first.user)
}

impl Exchange {
    /// Answers the client's first message. Without keys, of a user that is not known, they are made up from a secret, so
    /// that the answer does not tell.
    pub(super) fn begin(first: &[u8], keys: Result<ScramKeys, [u8; 32]>) -> Option<(Exchange, Vec<u8>)> {
        let First { gs2_header, bare, user, nonce } = read_first(first)?;
        let (keys, is_known) = match keys {
            Ok(keys) => (keys, true),
            Err(secret) => (ScramKeys::made_up(&secret), false),
        };
        let nonce = format!("{nonce}{}", STANDARD.encode(super::random::<18>()));
        let answer = format!("r={nonce},s={},i={}", STANDARD.encode(&keys.salt), keys.iterations);
        let said = format!("{bare},{answer}");
        let (user, gs2_header, nonce) = (user.into(), gs2_header.into(), nonce.into());
        let exchange = Exchange { user, keys, is_known, gs2_header, nonce, said };
        Some((exchange, answer.into_bytes()))
    }

    /// Checks the client's last message. The answer proves to the client that the server knows it, too.
    pub(super) fn finish(&self, last: &[u8]) -> Option<Vec<u8>> {
        let last = std::str::from_utf8(last).ok()?;
        let (without_proof, proof) = last.rsplit_once(",p=")?;
        let (binding, nonce) = without_proof.strip_prefix("c=")?.split_once(",r=")?;
        if STANDARD.decode(binding).ok()? != self.gs2_header.as_bytes() || nonce != &*self.nonce {
            return None;
        }
        let message = format!("{},{without_proof}", self.said);
        let mut client_key: [u8; KEY_BYTES] = STANDARD.decode(proof).ok()?.try_into().ok()?;
        let signature = sign(&self.keys.stored_key, message.as_bytes());
        client_key.iter_mut().zip(signature).for_each(|(byte, mask)| *byte ^= mask);
        let is_right =
            constant_time::verify_slices_are_equal(&sha256(&client_key), &self.keys.stored_key).is_ok();
        let server = sign(&self.keys.server_key, message.as_bytes());
        (is_right && self.is_known).then(|| format!("v={}", STANDARD.encode(server)).into_bytes())
    }
}

struct First<'a> {
    gs2_header: &'a str,
    bare: &'a str,
    user: String,
    nonce: &'a str,
}

/// Reads `n,,n=user,r=nonce`.
fn read_first(first: &[u8]) -> Option<First<'_>> {
    let first = std::str::from_utf8(first).ok()?;
    let bare = first.strip_prefix("n,,").or_else(|| first.strip_prefix("y,,"))?;
    let (user, nonce) = bare.strip_prefix("n=")?.split_once(",r=")?;
    let is_nonce = (1..=MAX_NONCE_BYTES).contains(&nonce.len())
        && nonce.bytes().all(|byte| byte.is_ascii_graphic() && byte != b',');
    let user = unescape(user)?;
    is_nonce.then(|| First { gs2_header: &first[..3], bare, user, nonce })
}

/// Comma and equals sign are written as `=2C` and `=3D`.
fn unescape(text: &str) -> Option<String> {
    let mut parts = text.split('=');
    let mut name = parts.next()?.to_owned();
    for part in parts {
        let (character, rest) = match part.get(..2)? {
            "2C" => (',', &part[2..]),
            "3D" => ('=', &part[2..]),
            _ => return None,
        };
        name.push(character);
        name.push_str(rest);
    }
    (!name.is_empty() && !name.contains(['\0'])).then_some(name)
}

fn sha256(bytes: &[u8]) -> [u8; KEY_BYTES] {
    digest::digest(&digest::SHA256, bytes).as_ref().try_into().expect("SHA-256 has 32 bytes")
}

fn sign(key: &[u8], message: &[u8]) -> [u8; KEY_BYTES] {
    let key = hmac::Key::new(hmac::HMAC_SHA256, key);
    hmac::sign(&key, message).as_ref().try_into().expect("HMAC-SHA-256 has 32 bytes")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The exchange that RFC 7677 prints: user "user", password "pencil".
    #[test]
    fn the_example_of_the_rfc() {
        let salt = STANDARD.decode("W22ZaJ0SNY7soEsUEjb6gQ==").unwrap();
        let mut salted = [0; KEY_BYTES];
        pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, ITERATIONS, &salt, b"pencil", &mut salted);
        let keys = ScramKeys {
            iterations: ITERATIONS,
            salt: salt.into(),
            stored_key: sha256(&sign(&salted, b"Client Key")),
            server_key: sign(&salted, b"Server Key"),
        };
        let (mut exchange, _) = Exchange::begin(b"n,,n=user,r=rOprNGfwEbeRWgbNEkqO", Ok(keys)).unwrap();
        let nonce = "rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
        exchange.nonce = nonce.into();
        exchange.said = format!("n=user,r=rOprNGfwEbeRWgbNEkqO,r={nonce},s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096");
        let last = format!("c=biws,r={nonce},p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=");
        let answer = exchange.finish(last.as_bytes()).unwrap();
        assert_eq!(answer, b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=");
        for wrong in [last.replace("dHzb", "dHzc"), last.replace("biws", "eSws"), last.replace("k0,", "k1,")]
        {
            assert_eq!(exchange.finish(wrong.as_bytes()), None, "{wrong}");
        }
    }

    #[test]
    fn keys_read_back_and_half_of_them_do_not() {
        let text = ScramKeys::new(b"pw").to_string();
        assert_eq!(ScramKeys::parse(&text).unwrap().to_string(), text);
        for len in 0..text.len() {
            assert!(ScramKeys::parse(&text[..len]).is_none(), "{}", &text[..len]);
        }
    }

    #[test]
    fn an_unknown_user_is_asked_like_any_other_and_never_believed() {
        let begin = || Exchange::begin(b"n,,n=nobody,r=abc", Err([7; 32])).unwrap();
        let ((exchange, one), (_, other)) = (begin(), begin());
        let salt =
            |answer: &[u8]| String::from_utf8(answer.to_vec()).unwrap().split(',').nth(1).unwrap().to_owned();
        assert_eq!(salt(&one), salt(&other), "the salt stays the same");
        // A proof that fits the keys that were made up.
        let without_proof = format!("c=biws,r={}", exchange.nonce);
        let message = format!("{},{without_proof}", exchange.said);
        let proof = STANDARD.encode(sign(&exchange.keys.stored_key, message.as_bytes()));
        assert_eq!(exchange.finish(format!("{without_proof},p={proof}").as_bytes()), None);
    }

    #[test]
    fn first_messages_that_are_not_understood_are_refused() {
        assert_eq!(named_user(b"n,,n=a=2Cb=3D,r=x").as_deref(), Some("a,b="));
        assert_eq!(named_user(b"y,,n=user,r=x").as_deref(), Some("user"));
        for first in [
            &b""[..],
            b"n,,",
            b"n,,n=,r=x",
            b"n,,n=user,r=",
            b"n,,n=user",
            b"p=tls-unique,,n=user,r=x",
            b"n,a=admin,n=user,r=x",
            b"n,,m=ext,n=user,r=x",
            b"n,,n=u=2,r=x",
            b"n,,n=u=XX,r=x",
            b"n,,n=\xff,r=x",
            b"n,,n=user,r=a b",
            b"n,,n=user,r=x,ext=1",
        ] {
            assert_eq!(named_user(first), None, "{first:?}");
        }
    }
}
