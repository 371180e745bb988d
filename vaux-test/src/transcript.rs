//! What was exchanged in a run, kept for the report of a failure.

use std::fmt::Write as _;

use vaux_mqtt::explain::{Show, explain};
use vaux_mqtt::{Sender, Version};

/// Who did it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// The flow sent it.
    Sent,
    /// The broker sent it.
    Received,
    /// The flow closed the connection.
    Dropped,
    /// The broker closed the connection.
    Closed,
}

/// One thing that happened on a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The connection's name in the flow.
    pub connection: String,
    /// The connection's version.
    pub version: Version,
    /// Who did it.
    pub direction: Direction,
    /// The bytes; empty for a close.
    pub bytes: Vec<u8>,
}

/// Everything that happened in a run, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Transcript {
    /// The entries, the oldest first.
    pub entries: Vec<Entry>,
}

/// Longer packets and texts are cut when shown.
const MAX_BYTES_SHOWN: usize = 64;

impl Transcript {
    pub(crate) fn push(&mut self, connection: &str, version: Version, direction: Direction, bytes: &[u8]) {
        let entry = Entry { connection: connection.to_owned(), version, direction, bytes: bytes.to_vec() };
        self.entries.push(entry);
    }

    /// The exchange for people: each packet on a line with its bytes below, the last one byte by byte. Each line
    /// begins with `indent`.
    pub fn text(&self, indent: &str) -> String {
        let mut text = String::new();
        for (index, entry) in self.entries.iter().enumerate() {
            entry.write(indent, index + 1 == self.entries.len(), &mut text);
        }
        text
    }
}

impl Entry {
    fn write(&self, indent: &str, in_full: bool, text: &mut String) {
        let (arrow, sender) = match self.direction {
            Direction::Sent | Direction::Dropped => ('>', Sender::Client),
            Direction::Received | Direction::Closed => ('<', Sender::Server),
        };
        let mut line = |words: &str| {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{indent}{words}");
        };
        if matches!(self.direction, Direction::Dropped | Direction::Closed) {
            return line(&format!("{}{arrow} closes", self.connection));
        }
        let show = Show { limit: MAX_BYTES_SHOWN, ..Show::default() };
        let mut rest = self.bytes.as_slice();
        while !rest.is_empty() {
            let packet = explain(rest, self.version, sender);
            line(&format!("{}{arrow} {}", self.connection, packet.summary(show)));
            if in_full {
                for field in &packet.fields {
                    line(&format!("    {}  {}", hex(&rest[field.range()]), field.text(show)));
                }
            } else {
                line(&format!("    {}", hex(&rest[..packet.len])));
            }
            if let Some(fault) = &packet.fault {
                line(&format!("    {}: {}", fault.error, fault.found));
            }
            rest = &rest[packet.len.max(1)..];
        }
    }
}

/// Two hexadecimal digits a byte, and how many bytes are not shown.
fn hex(bytes: &[u8]) -> String {
    let shown = &bytes[..bytes.len().min(MAX_BYTES_SHOWN)];
    let mut digits: Vec<String> = shown.iter().map(|byte| format!("{byte:02x}")).collect();
    if bytes.len() > shown.len() {
        digits.push(format!("… {} more", bytes.len() - shown.len()));
    }
    digits.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exchange_is_explained_and_its_end_byte_by_byte() {
        let mut transcript = Transcript::default();
        transcript.push("c", Version::V311, Direction::Sent, &[0xc0, 0, 0xe0, 0]);
        transcript.push("c", Version::V311, Direction::Received, &[0x40, 2, 0, 10]);
        let text = transcript.text("  ");
        assert_eq!(text.lines().next(), Some("  c> PINGREQ · 2 bytes"));
        assert!(text.contains("  c> DISCONNECT · 2 bytes\n      e0 00\n"), "{text}");
        assert!(text.contains("  c< PUBACK · 4 bytes"), "{text}");
        assert!(text.ends_with("      00 0a  packet identifier 10\n"), "{text}");
    }

    #[test]
    fn every_exchange_can_be_shown() {
        for first in 0..=u8::MAX {
            for length in [0, 1, 2, 0x80, 0xff] {
                let mut transcript = Transcript::default();
                let bytes = [first, length, 0xff, 0xff, 0xff, 0xff, 0];
                transcript.push("c", Version::V5, Direction::Sent, &bytes);
                assert!(transcript.text("").starts_with("c> "));
            }
        }
    }
}
