//! The packets in the bytes of one direction of a connection.

use vaux_mqtt::explain::{Status, explain};
use vaux_mqtt::frame::Frame;
use vaux_mqtt::packet::PacketType;
use vaux_mqtt::{Sender, Version};

use super::MAX_PACKET_BYTES;
use super::content::packets_begin;

/// How far the beginning of a packet is looked for before what was looked at is dropped.
const MAX_LOST_BYTES: usize = 64 << 10;

/// Cuts bytes into packets.
#[derive(Debug)]
pub(super) struct Packets {
    /// Bytes that are no whole packet yet.
    bytes: Vec<u8>,
    /// Where `bytes` begin, counted from the beginning of the direction.
    at: u64,
    /// Whether a packet begins there. Behind a gap nobody knows.
    is_aligned: bool,
    /// So many bytes belong to a packet that was told already.
    skip: u64,
    /// With fewer bytes the beginning of a packet is not looked for again.
    worth_looking: usize,
}

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// A packet, as far as it is there.
    Packet { at: u64, bytes: Vec<u8> },
    /// Something that people should know.
    Note(String),
}

impl Packets {
    /// `is_start` says that the first byte is the first of a packet.
    pub(super) fn new(is_start: bool) -> Packets {
        Packets { bytes: Vec::new(), at: 0, is_aligned: is_start, skip: 0, worth_looking: 0 }
    }

    /// How many bytes of a packet wait for the others.
    pub(super) fn held_bytes(&self) -> usize {
        self.bytes.len()
    }

    /// Takes the next bytes.
    pub(super) fn push(&mut self, data: &[u8], out: &mut Vec<Found>) {
        let skipped = usize::try_from(self.skip).unwrap_or(usize::MAX).min(data.len());
        self.skip -= skipped as u64;
        self.at += skipped as u64;
        self.bytes.extend_from_slice(&data[skipped..]);
        let mut taken = 0;
        while let Some(len) = self.next_len(taken, out) {
            let bytes = self.bytes[taken..taken + len].to_vec();
            out.push(Found::Packet { at: self.at + taken as u64, bytes });
            taken += len;
        }
        self.bytes.drain(..taken.min(self.bytes.len()));
        self.at += taken as u64;
    }

    /// Takes that `len` bytes are missing.
    pub(super) fn gap(&mut self, len: u64, out: &mut Vec<Found>) {
        let promised = match Frame::promised_len(&self.bytes) {
            Ok(Some(promised)) if self.is_aligned => promised.saturating_sub(self.bytes.len()) as u64,
            _ => 0,
        };
        // What is left of the packet in which the gap begins.
        let left = promised.max(self.skip);
        self.flush(out);
        out.push(Found::Note(format!("{} missing in the capture", count(len))));
        self.at += len;
        self.skip = left.saturating_sub(len);
        self.is_aligned &= left >= len;
        self.worth_looking = 0;
    }

    /// Takes that nothing more comes.
    pub(super) fn end(&mut self, out: &mut Vec<Found>) {
        self.flush(out);
    }

    /// The length of the packet at `taken` bytes, if it is whole.
    fn next_len(&mut self, taken: usize, out: &mut Vec<Found>) -> Option<usize> {
        self.bytes.get(taken..).filter(|rest| !rest.is_empty())?;
        if !self.is_aligned && !self.align(out) {
            return None;
        }
        let rest = self.bytes.get(taken..)?;
        match Frame::promised_len(rest) {
            Ok(None) => None,
            Ok(Some(len)) if len <= rest.len() => Some(len),
            Ok(Some(len)) if len > MAX_PACKET_BYTES => {
                self.skip = (len - rest.len()) as u64;
                out.push(Found::Note(format!(
                    "a packet of {}: only its beginning is read",
                    count(len as u64)
                )));
                Some(rest.len())
            }
            Ok(Some(_)) => None,
            // Nothing tells where the next packet begins.
            Err(_) => {
                let len = rest.len();
                self.is_aligned = false;
                Some(len)
            }
        }
    }

    /// Looks for the beginning of a packet.
    fn align(&mut self, out: &mut Vec<Found>) -> bool {
        if self.bytes.len() < self.worth_looking {
            return false;
        }
        let found = packets_begin(&self.bytes);
        // Where bytes come one by one, to look each time would take for ever.
        self.worth_looking = self.bytes.len() + self.bytes.len() / 4 + 1;
        let lost = match found {
            Some(start) => start,
            None if self.bytes.len() > MAX_LOST_BYTES => self.bytes.len(),
            None => return false,
        };
        self.worth_looking = 0;
        self.lose(lost, out);
        self.is_aligned = found.is_some();
        self.is_aligned
    }

    /// Gives what there is of a packet that will never be whole.
    fn flush(&mut self, out: &mut Vec<Found>) {
        if !self.is_aligned {
            self.lose(self.bytes.len(), out);
        } else if !self.bytes.is_empty() {
            let (at, bytes) = (self.at, std::mem::take(&mut self.bytes));
            self.at += bytes.len() as u64;
            out.push(Found::Packet { at, bytes });
        }
    }

    fn lose(&mut self, len: usize, out: &mut Vec<Found>) {
        if len > 0 {
            out.push(Found::Note(format!("{} of a packet that began before", count(len as u64))));
            self.bytes.drain(..len);
            self.at += len as u64;
        }
    }
}

/// Which version the packets of a connection are of.
#[derive(Clone, Copy, Debug)]
pub(super) struct Versions {
    version: Version,
    from: VersionFrom,
    /// How many packets are malformed as version 5 and as 3.1.1.
    malformed: [usize; 2],
}

/// Where the version of a packet is known from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum VersionFrom {
    /// The user named it.
    Flag,
    /// CONNECT says it.
    Connect,
    /// Both were tried.
    Trial,
}

impl VersionFrom {
    /// Its name in JSON.
    pub(crate) fn name(self) -> &'static str {
        match self {
            VersionFrom::Flag => "flag",
            VersionFrom::Connect => "connect",
            VersionFrom::Trial => "trial",
        }
    }
}

impl Versions {
    /// What the user named counts for all packets.
    pub(super) fn new(named: Option<Version>) -> Versions {
        let (version, from) =
            named.map_or((Version::V5, VersionFrom::Trial), |version| (version, VersionFrom::Flag));
        Versions { version, from, malformed: [0; 2] }
    }

    /// The version of a packet, learnt from CONNECT, else the one in which fewer packets so far are malformed.
    pub(super) fn of(&mut self, bytes: &[u8]) -> (Version, VersionFrom) {
        if self.from == VersionFrom::Flag {
            return (self.version, self.from);
        }
        let explained = explain(bytes, self.version, Sender::Any);
        if explained.packet_type == Some(PacketType::Connect) && explained.tells_version {
            (self.version, self.from) = (explained.version, VersionFrom::Connect);
        } else if self.from == VersionFrom::Trial {
            for (version, malformed) in [Version::V5, Version::V311].into_iter().zip(&mut self.malformed) {
                let status = explain(bytes, version, Sender::Any).status;
                *malformed += usize::from(status == Status::Malformed);
            }
            self.version = if self.malformed[1] < self.malformed[0] { Version::V311 } else { Version::V5 };
        }
        (self.version, self.from)
    }
}

/// `1 byte`, `2 bytes`.
fn count(bytes: u64) -> String {
    format!("{bytes} byte{}", if bytes == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(found: &[Found]) -> Vec<String> {
        let told = found.iter().map(|found| match found {
            Found::Packet { at, bytes } => format!("{at}+{}", bytes.len()),
            Found::Note(note) => note.clone(),
        });
        told.collect()
    }

    /// PUBLISH of ten bytes, PINGREQ, and PUBLISH again.
    const STREAM: &[u8] = b"\x30\x08\x00\x03a/bhi!\xc0\x00\x30\x08\x00\x03a/bhi!";

    #[test]
    fn packets_are_whole_however_the_bytes_come() {
        for size in 1..STREAM.len() {
            let (mut packets, mut found) = (Packets::new(true), Vec::new());
            STREAM.chunks(size).for_each(|chunk| packets.push(chunk, &mut found));
            packets.end(&mut found);
            assert_eq!(told(&found), ["0+10", "10+2", "12+10"], "{size}");
        }
    }

    #[test]
    fn behind_a_gap_within_a_packet_the_next_one_is_known() {
        let (mut packets, mut found) = (Packets::new(true), Vec::new());
        packets.push(&STREAM[..5], &mut found);
        packets.gap(3, &mut found);
        packets.push(&STREAM[8..], &mut found);
        assert_eq!(told(&found), ["0+5", "3 bytes missing in the capture", "10+2", "12+10"]);
    }

    #[test]
    fn behind_a_gap_over_the_end_of_a_packet_the_next_one_is_looked_for() {
        let (mut packets, mut found) = (Packets::new(true), Vec::new());
        packets.push(&STREAM[..5], &mut found);
        packets.gap(9, &mut found);
        packets.push(&STREAM[14..], &mut found);
        packets.push(STREAM, &mut found);
        let expected = ["0+5", "9 bytes missing in the capture", "8 bytes of a packet that began before"];
        assert_eq!(told(&found), [&expected[..], &["22+10", "32+2", "34+10"]].concat());
    }

    #[test]
    fn the_version_is_that_of_connect_or_the_one_that_fits() {
        let mut versions = Versions::new(None);
        let publish = b"\x30\x07\x00\x01a21.5";
        assert_eq!(versions.of(b"\xc0\x00"), (Version::V5, VersionFrom::Trial));
        assert_eq!(versions.of(publish), (Version::V311, VersionFrom::Trial));
        let connect = b"\x10\x0d\x00\x04MQTT\x05\x02\x00\x3c\x00\x00\x00";
        assert_eq!(versions.of(connect), (Version::V5, VersionFrom::Connect));
        assert_eq!(versions.of(publish), (Version::V5, VersionFrom::Connect));
    }
}
