//! Passwords that were found right, so that a client that comes back costs no hashing.
//!
//! What is kept is a keyed hash of user, password and the hash in the file; the key is random and never leaves the
//! process. Who could read the memory learns no more than from the file, and a changed password is a miss.

use std::sync::{Mutex, PoisonError};

use hashbrown::HashSet;

use super::digest::{Digest, Digester};
use super::hash::PasswordHash;

/// The passwords that were found right lately.
#[derive(Debug)]
pub(super) struct Cache {
    digester: Digester,
    generations: Mutex<Generations>,
}

/// What stands for a user with a password and the hash that it was found to fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Proof(Digest);

/// When the new is full it becomes the old, and what was the old is forgotten.
#[derive(Debug, Default)]
struct Generations {
    new: HashSet<Proof>,
    old: HashSet<Proof>,
}

/// A few MiB at most.
const MAX_PROOFS: usize = 1 << 16;

impl Cache {
    pub(super) fn new() -> Cache {
        Cache { digester: Digester::new(), generations: Mutex::default() }
    }

    pub(super) fn proof(&self, name: &str, password: &[u8], hash: &PasswordHash) -> Proof {
        let hash = hash.to_string();
        Proof(self.digester.digest([name.as_bytes(), password, hash.as_bytes()].map(Some)))
    }

    /// A number that nobody can foresee, the same for the same name.
    pub(super) fn number(&self, name: &str) -> u64 {
        let mut number = [0; 8];
        number.copy_from_slice(&self.secret(name)[..8]);
        u64::from_be_bytes(number)
    }

    /// A secret that belongs to a name, the same for the same name.
    pub(super) fn secret(&self, name: &str) -> [u8; 32] {
        self.digester.secret(name)
    }

    pub(super) fn contains(&self, proof: Proof) -> bool {
        let mut generations = self.generations.lock().unwrap_or_else(PoisonError::into_inner);
        if generations.new.contains(&proof) {
            return true;
        }
        // What is used stays.
        let is_known = generations.old.remove(&proof);
        if is_known {
            generations.insert(proof);
        }
        is_known
    }

    pub(super) fn insert(&self, proof: Proof) {
        self.generations.lock().unwrap_or_else(PoisonError::into_inner).insert(proof);
    }
}

impl Generations {
    fn insert(&mut self, proof: Proof) {
        if self.new.len() >= MAX_PROOFS / 2 {
            self.old = std::mem::take(&mut self.new);
        }
        self.new.insert(proof);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HASH: &str = "$6$kwXXnbibvmLh2G6b$D1JwjQPQM9K3QC+DCPrGGyWV90wx/ukZ1oo6cZUPkWkq9FXlU0o08rpLBogy+yd77UZAzRAklB5eUW8L//i7KA==";

    #[test]
    fn a_proof_is_of_one_user_one_password_and_one_hash() {
        let (cache, other) = (Cache::new(), Cache::new());
        let hash = PasswordHash::parse(HASH).unwrap();
        let changed = PasswordHash::new(b"secret");
        let proof = cache.proof("alice", b"secret", &hash);
        cache.insert(proof);
        assert!(cache.contains(cache.proof("alice", b"secret", &hash)));
        for (name, password, hash) in [
            ("alic", &b"esecret"[..], &hash),
            ("bob", b"secret", &hash),
            ("alice", b"secret2", &hash),
            ("alice", b"secret", &changed),
        ] {
            assert!(!cache.contains(cache.proof(name, password, hash)), "{name}");
        }
        assert_ne!(other.proof("alice", b"secret", &hash), proof, "each process has a key of its own");
    }

    #[test]
    fn it_stays_within_its_bounds_and_keeps_what_is_used() {
        let cache = Cache::new();
        let proof = |number: u128| Proof(number.to_be_bytes());
        cache.insert(proof(0));
        for number in 1..(4 * MAX_PROOFS as u128) {
            cache.insert(proof(number));
            assert!(cache.contains(proof(0)), "{number}");
        }
        let generations = cache.generations.lock().unwrap();
        assert!(generations.new.len() + generations.old.len() <= MAX_PROOFS);
    }
}
