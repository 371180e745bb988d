//! What stands in memory for the secrets that clients log in with: keyed hashes, whose key is random and never leaves the
//! process.

use aws_lc_rs::hmac;

/// Makes digests.
#[derive(Debug)]
pub(super) struct Digester(hmac::Key);

/// What stands for something that a client said.
pub(super) type Digest = [u8; 16];

impl Digester {
    pub(super) fn new() -> Digester {
        Digester(hmac::Key::new(hmac::HMAC_SHA256, &super::random::<32>()))
    }

    /// What stands for all of these together, in their order.
    pub(super) fn digest<'a>(&self, parts: impl IntoIterator<Item = Option<&'a [u8]>>) -> Digest {
        let mut context = hmac::Context::with_key(&self.0);
        for part in parts {
            // The length keeps them apart; what is absent is as long as nothing can be.
            let len = part.map_or(u64::MAX, |part| part.len() as u64);
            context.update(&len.to_be_bytes());
            context.update(part.unwrap_or_default());
        }
        let mut digest = [0; 16];
        digest.copy_from_slice(&context.sign().as_ref()[..16]);
        digest
    }

    /// A secret that belongs to a name, the same for the same name.
    pub(super) fn secret(&self, name: &str) -> [u8; 32] {
        hmac::sign(&self.0, name.as_bytes()).as_ref().try_into().expect("HMAC-SHA-256 has 32 bytes")
    }
}
