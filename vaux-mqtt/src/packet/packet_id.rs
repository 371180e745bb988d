//! The number that ties an acknowledgement to its packet.

use core::fmt;
use core::num::NonZeroU16;

/// A packet identifier, never 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PacketId(NonZeroU16);

impl PacketId {
    /// The identifier 1, which a session begins with.
    pub const FIRST: PacketId = PacketId(NonZeroU16::MIN);

    /// The identifier `value`, `None` for 0.
    pub const fn new(value: u16) -> Option<PacketId> {
        match NonZeroU16::new(value) {
            Some(value) => Some(PacketId(value)),
            None => None,
        }
    }

    /// The number.
    pub const fn value(self) -> u16 {
        self.0.get()
    }

    /// The identifier after this one: 1 follows 65,535.
    pub const fn next(self) -> PacketId {
        match self.0.checked_add(1) {
            Some(value) => PacketId(value),
            None => PacketId::FIRST,
        }
    }
}

impl fmt::Display for PacketId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zero_is_no_identifier_and_follows_none() {
        assert_eq!(PacketId::new(0), None);
        let last = PacketId::new(u16::MAX).unwrap();
        assert_eq!(last.next(), PacketId::FIRST);
        assert_eq!(PacketId::FIRST.next().value(), 2);
    }
}
