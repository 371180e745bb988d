//! What the payload of every message begins with.

/// Whose message it is, which one, and when it was due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    /// The run that it belongs to, so that what an earlier one left behind is told apart.
    pub(super) run: u32,
    /// Which publisher of the run it is from.
    pub(super) publisher: u32,
    /// Which of that publisher's messages it is, from 0.
    pub(super) number: u64,
    /// When it was due, in nanoseconds since 1970, so that other processes can tell how long it took.
    pub(super) due_ns: u64,
}

/// The length of a [`Stamp`].
pub(super) const STAMP_BYTES: usize = 28;

/// So that messages of others are hardly taken for ours.
const MARK: [u8; 4] = *b"vxB1";

impl Stamp {
    /// What the payload is to begin with.
    pub(super) fn to_bytes(self) -> [u8; STAMP_BYTES] {
        let mut bytes = [0; STAMP_BYTES];
        bytes[..4].copy_from_slice(&MARK);
        bytes[4..8].copy_from_slice(&self.run.to_be_bytes());
        bytes[8..12].copy_from_slice(&self.publisher.to_be_bytes());
        bytes[12..20].copy_from_slice(&self.number.to_be_bytes());
        bytes[20..].copy_from_slice(&self.due_ns.to_be_bytes());
        bytes
    }

    /// What a payload begins with, if it is a message of a benchmark.
    pub(super) fn from_payload(payload: &[u8]) -> Option<Stamp> {
        let (mark, rest) = payload.split_first_chunk()?;
        let (run, rest) = rest.split_first_chunk()?;
        let (publisher, rest) = rest.split_first_chunk()?;
        let (number, rest) = rest.split_first_chunk()?;
        let due_ns = rest.first_chunk()?;
        (*mark == MARK).then(|| Stamp {
            run: u32::from_be_bytes(*run),
            publisher: u32::from_be_bytes(*publisher),
            number: u64::from_be_bytes(*number),
            due_ns: u64::from_be_bytes(*due_ns),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_reads_as_it_was_written() {
        let stamp = Stamp { run: 9, publisher: 7, number: u64::MAX - 1, due_ns: 1 << 60 };
        let payload = [&stamp.to_bytes()[..], b"..."].concat();
        assert_eq!(Stamp::from_payload(&payload), Some(stamp));
        assert_eq!(Stamp::from_payload(&payload[..STAMP_BYTES - 1]), None);
        assert_eq!(Stamp::from_payload(&[0; 64]), None);
    }
}
