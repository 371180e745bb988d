//! Hashes of passwords, as they stand in a password file: made as argon2id, and read as mosquitto writes them, too.

use std::fmt;
use std::num::NonZeroU32;

use argon2::{Algorithm, Argon2, Params, Version};
use aws_lc_rs::{constant_time, digest, pbkdf2};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};

/// The hash of a password.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash {
    scheme: Scheme,
    salt: Box<[u8]>,
    hash: Box<[u8]>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scheme {
    /// `$argon2id$v=19$m=…,t=…,p=…$salt$hash`
    Argon2id { memory_kib: u32, passes: u32, lanes: u32 },
    /// `$7$iterations$salt$hash`, mosquitto's PBKDF2-HMAC-SHA512.
    Pbkdf2 { iterations: NonZeroU32 },
    /// `$6$salt$hash`, mosquitto's SHA-512 of password and salt.
    Sha512,
}

/// OWASP's lower bound: about 20 ms on a small machine, which a broker can afford for each of many clients.
const ARGON2ID: Scheme = Scheme::Argon2id { memory_kib: 19 * 1024, passes: 2, lanes: 1 };

const SALT_BYTES: usize = 16;
const HASH_BYTES: usize = 32;
const SHA512_BYTES: usize = 64;

/// More would let one line of the file take the machine's memory at each login.
const MAX_MEMORY_KIB: u32 = 1 << 20;
const MAX_PASSES: u32 = 1_000;
const MAX_ITERATIONS: u32 = 10_000_000;

impl PasswordHash {
    /// Hashes a password with argon2id and a salt of its own.
    pub fn new(password: &[u8]) -> PasswordHash {
        let salt = super::random::<SALT_BYTES>();
        let mut hash = PasswordHash { scheme: ARGON2ID, salt: salt.into(), hash: [0; HASH_BYTES].into() };
        hash.hash = hash.compute(password);
        hash
    }

    /// Whether this is the hash of `password`. Takes as long as it takes to make one.
    pub fn verify(&self, password: &[u8]) -> bool {
        constant_time::verify_slices_are_equal(&self.compute(password), &self.hash).is_ok()
    }

    /// Reads a hash as it stands in a password file.
    ///
    /// # Errors
    ///
    /// What is wrong with it, as words that follow "the hash".
    pub fn parse(text: &str) -> Result<PasswordHash, &'static str> {
        if let Some(rest) = text.strip_prefix("$argon2id$") {
            return parse_argon2id(rest).ok_or("is not what $argon2id$ begins");
        }
        if let Some(rest) = text.strip_prefix("$7$") {
            return parse_pbkdf2(rest).ok_or("is not what $7$ begins");
        }
        if let Some(rest) = text.strip_prefix("$6$") {
            return parse_sha512(rest).ok_or("is not what $6$ begins");
        }
        Err("begins with none of $argon2id$, $7$ and $6$; `vaux passwd` makes one")
    }

    fn compute(&self, password: &[u8]) -> Box<[u8]> {
        let mut hash = vec![0; self.hash.len()];
        match self.scheme {
            Scheme::Argon2id { memory_kib, passes, lanes } => {
                let params = Params::new(memory_kib, passes, lanes, Some(hash.len()))
                    .expect("the parameters were checked when they were read");
                Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
                    .hash_password_into(password, &self.salt, &mut hash)
                    .expect("a password has at most 65535 bytes, and the salt was checked");
            }
            Scheme::Pbkdf2 { iterations } => {
                pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA512, iterations, &self.salt, password, &mut hash);
            }
            Scheme::Sha512 => {
                let mut context = digest::Context::new(&digest::SHA512);
                context.update(password);
                context.update(&self.salt);
                hash.copy_from_slice(context.finish().as_ref());
            }
        }
        hash.into()
    }
}

fn parse_argon2id(text: &str) -> Option<PasswordHash> {
    let mut parts = text.split('$');
    let (version, costs, salt, hash) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    if version != "v=19" || parts.next().is_some() {
        return None;
    }
    let mut costs = costs.split(',');
    let mut cost = |name: &str| costs.next()?.strip_prefix(name)?.parse::<u32>().ok();
    let (memory_kib, passes, lanes) = (cost("m=")?, cost("t=")?, cost("p=")?);
    if costs.next().is_some() || memory_kib > MAX_MEMORY_KIB || passes > MAX_PASSES {
        return None;
    }
    let (salt, hash) = (STANDARD_NO_PAD.decode(salt).ok()?, STANDARD_NO_PAD.decode(hash).ok()?);
    if !(argon2::MIN_SALT_LEN..=64).contains(&salt.len()) || !(16..=64).contains(&hash.len()) {
        return None;
    }
    Params::new(memory_kib, passes, lanes, Some(hash.len())).ok()?;
    let scheme = Scheme::Argon2id { memory_kib, passes, lanes };
    Some(PasswordHash { scheme, salt: salt.into(), hash: hash.into() })
}

fn parse_pbkdf2(text: &str) -> Option<PasswordHash> {
    let (iterations, rest) = text.split_once('$')?;
    let iterations = iterations.parse::<NonZeroU32>().ok().filter(|count| count.get() <= MAX_ITERATIONS)?;
    Some(PasswordHash { scheme: Scheme::Pbkdf2 { iterations }, ..parse_sha512(rest)? })
}

fn parse_sha512(text: &str) -> Option<PasswordHash> {
    let (salt, hash) = text.split_once('$')?;
    let (salt, hash) = (STANDARD.decode(salt).ok()?, STANDARD.decode(hash).ok()?);
    let is_whole = !salt.is_empty() && hash.len() == SHA512_BYTES;
    is_whole.then(|| PasswordHash { scheme: Scheme::Sha512, salt: salt.into(), hash: hash.into() })
}

impl fmt::Display for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.scheme {
            Scheme::Argon2id { memory_kib, passes, lanes } => {
                let (salt, hash) = (STANDARD_NO_PAD.encode(&self.salt), STANDARD_NO_PAD.encode(&self.hash));
                write!(f, "$argon2id$v=19$m={memory_kib},t={passes},p={lanes}${salt}${hash}")
            }
            Scheme::Pbkdf2 { iterations } => {
                write!(f, "$7${iterations}${}${}", STANDARD.encode(&self.salt), STANDARD.encode(&self.hash))
            }
            Scheme::Sha512 => write!(f, "$6${}${}", STANDARD.encode(&self.salt), STANDARD.encode(&self.hash)),
        }
    }
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // What could be guessed at offline does not belong in a log.
        f.debug_struct("PasswordHash").field("scheme", &self.scheme).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As `mosquitto_passwd` 2.0.11 wrote them for "secret", with and without `-H sha512`, and as the argon2 tool did.
    const WRITTEN_BY_OTHERS: [&str; 3] = [
        "$7$101$QctRUPUlZtad+acJ$eATIzjxWhURXe/9GDEsXr7HhWBW+rmpdXj8I3iVz9kZw1A/5ttnNGINzpgAzt/mvIvyeX5Mcvg6LAPBV2ZowNA==",
        "$6$kwXXnbibvmLh2G6b$D1JwjQPQM9K3QC+DCPrGGyWV90wx/ukZ1oo6cZUPkWkq9FXlU0o08rpLBogy+yd77UZAzRAklB5eUW8L//i7KA==",
        "$argon2id$v=19$m=4096,t=2,p=1$c2FsdHNhbHRzYWx0c2FsdA$+4VTfKyB1+nk3wCtQ/F8R4Bccg6o60PDIHcvqVChXWY",
    ];

    #[test]
    fn hashes_of_others_are_read() {
        for text in WRITTEN_BY_OTHERS {
            let hash = PasswordHash::parse(text).unwrap();
            assert!(hash.verify(b"secret"), "{text}");
            assert!(!hash.verify(b"Secret") && !hash.verify(b""), "{text}");
            assert_eq!(hash.to_string(), text);
        }
    }

    #[test]
    fn what_is_made_is_salted_and_reads_back() {
        let (one, other) = (PasswordHash::new(b"pw"), PasswordHash::new(b"pw"));
        assert_ne!(one.to_string(), other.to_string());
        let read = PasswordHash::parse(&one.to_string()).unwrap();
        assert!(read == one && read.verify(b"pw") && !read.verify(b"pw "));
        assert!(!format!("{one:?}").contains(&one.to_string()[40..]));
    }

    #[test]
    fn a_hash_that_is_cut_off_anywhere_is_refused_or_fails() {
        for text in WRITTEN_BY_OTHERS {
            for len in 0..text.len() {
                if let Ok(hash) = PasswordHash::parse(&text[..len]) {
                    // Shorter outputs of argon2 are hashes of their own.
                    assert!(text.starts_with("$argon2id$") && !hash.verify(b"secret"), "{}", &text[..len]);
                }
            }
        }
    }

    #[test]
    fn costs_that_would_stop_the_broker_are_refused() {
        let salt_and_hash = "c2FsdHNhbHQ$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
        assert!(PasswordHash::parse(&format!("$argon2id$v=19$m=64,t=1,p=1${salt_and_hash}")).is_ok());
        for costs in ["m=4194304,t=1,p=1", "m=64,t=100000,p=1", "m=64,t=0,p=1", "m=64,t=1,p=0", "m=1,t=1,p=9"]
        {
            assert!(
                PasswordHash::parse(&format!("$argon2id$v=19${costs}${salt_and_hash}")).is_err(),
                "{costs}"
            );
        }
        let (_, rest) = WRITTEN_BY_OTHERS[0].rsplit_once("101$").unwrap();
        for iterations in ["0", "10000001", "4294967296", "-1", ""] {
            assert!(PasswordHash::parse(&format!("$7${iterations}${rest}")).is_err(), "{iterations}");
        }
    }
}
