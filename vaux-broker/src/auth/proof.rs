//! What a client logged in with, as a number that goes with its connection: after a reload it tells whether the client
//! could log in by the same again.

use std::hash::{BuildHasher as _, RandomState};

/// Makes the numbers. They mean something to this process only.
#[derive(Debug, Default)]
pub(super) struct Proofs(RandomState);

/// By what a client was let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum By<'a> {
    /// A user of a password file with this hash, or these keys for SCRAM.
    Secret(&'a str, &'a str),
    /// A token, checked by what this stands for.
    Token(&'a [u8]),
    /// A service at this URL.
    Service(&'a str),
}

/// The kind is in the number, so that one comparison is enough.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Password = 1,
    Scram,
    Token,
    Service,
}

impl Kind {
    const BITS: u32 = 3;

    /// The kind of a number. `None`: it is none of these.
    pub(super) fn of(proof: u64) -> Option<Kind> {
        let kinds = [Kind::Password, Kind::Scram, Kind::Token, Kind::Service];
        kinds.into_iter().find(|kind| *kind as u64 == proof & ((1 << Kind::BITS) - 1))
    }
}

impl Proofs {
    pub(super) fn number(&self, kind: Kind, by: By<'_>) -> u64 {
        self.0.hash_one(by) << Kind::BITS | kind as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_tells_its_kind_and_is_of_one_user_with_one_secret() {
        let proofs = Proofs::default();
        for kind in [Kind::Password, Kind::Scram, Kind::Token, Kind::Service] {
            assert_eq!(Kind::of(proofs.number(kind, By::Service("x"))), Some(kind));
        }
        assert_eq!(Kind::of(0), None);
        let number = |name, secret| proofs.number(Kind::Password, By::Secret(name, secret));
        assert_eq!(number("a", "bc"), number("a", "bc"));
        for (name, secret) in [("ab", "c"), ("a", "bd"), ("", "abc")] {
            assert_ne!(number("a", "bc"), number(name, secret));
        }
    }
}
