//! A packet explained byte by byte: for `vaux decode`, for failures of tests, for the dashboard.
//!
//! [`explain`] takes the bytes at the beginning of a packet and never fails: what cannot be read is explained too.
//! [`Packet::decode`] decides whether the packet is valid. The fields are found by a reader of their own, which goes
//! on after a broken rule as far as the structure allows, so that everything up to an error, and mostly beyond, has
//! its name.
//!
//! What a caller can rely on:
//!
//! - [`Explained::fields`] are in the order of the wire and tile the packet: each begins where the one before it
//!   ends, the first at 0, the last ends at [`Explained::len`]. Properties are fields with [`Field::depth`] 1 behind
//!   the field `properties` (or `will properties`), which is the property length. What could not be read is a field
//!   named [`Field::UNREAD`].
//! - [`Explained::status`] is `Ok` exactly when [`Explained::packet`] is there and `Malformed` exactly when
//!   [`Explained::fault`] is. `Truncated` means that the bytes end before the packet does; a first byte that no
//!   packet may begin with is `Malformed` even then.
//! - The next packet begins at [`Explained::len`].
//! - Texts are for people: a line without an end, control characters escaped, secrets masked unless
//!   [`Show::secrets`] asks for them. [`Field::value`] is for programs and is never masked: look at
//!   [`Field::is_secret`].
//!
//! ```
//! use vaux_mqtt::{Sender, Version};
//! use vaux_mqtt::explain::{Show, explain};
//!
//! let bytes = [0x10, 0x0c, 0, 4, b'M', b'Q', b'T', b'T', 4, 2, 0, 60, 0, 0, 0xc0, 0];
//! let connect = explain(&bytes, Version::V5, Sender::Any);
//! assert_eq!(connect.summary(Show::default()), "CONNECT v3.1.1 · 14 bytes · clean session · keep alive 60 s · client \"\"");
//! assert_eq!(connect.fields[5].text(Show::default()), "keep alive 60 s");
//! assert_eq!(connect.fields[5].range(), 10..12);
//!
//! let ping = explain(&bytes[connect.len..], connect.version, Sender::Any);
//! assert_eq!(ping.summary(Show::default()), "PINGREQ · 2 bytes");
//!
//! let invalid = explain(&[0x36, 0], Version::V5, Sender::Any);
//! let fault = invalid.fault.expect("QoS 3 does not exist");
//! assert_eq!(fault.found, "QoS bits are 11");
//! assert_eq!(fault.error.requirement(), "MQTT-3.3.1-4");
//! assert_eq!(fault.receiver, "v5 DISCONNECT 0x81, v3.1.1 closes");
//! ```

mod body;
mod fault;
mod field;
mod properties;
pub mod sparkplug;
mod summary;
#[cfg(test)]
mod tests;
mod walker;

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

pub use fault::{Bits, Fault};
pub use field::{Field, Show, Value};

use crate::error::Error;
use crate::frame::Frame;
use crate::packet::{self, Packet, PacketType, Sender};
use crate::version::Version;
use walker::Walker;

/// What some bytes are, as a packet.
#[derive(Clone, Debug)]
pub struct Explained<'a> {
    /// The type in the first byte; `None` when it is reserved or there is no byte.
    pub packet_type: Option<PacketType>,
    /// The version in force: what CONNECT says, else what the caller said.
    pub version: Version,
    /// Whether the packet told its version itself, as CONNECT does.
    pub tells_version: bool,
    /// Whether the packet is whole and valid.
    pub status: Status,
    /// How many bytes the fields cover: the packet as far as it is there. Everything when the remaining length
    /// cannot be read, for then nothing tells where the next packet begins.
    pub len: usize,
    /// How many bytes the packet has by its remaining length; `None` when that is not whole or cannot be read.
    pub promised_len: Option<usize>,
    /// The fields in the order of the wire.
    pub fields: Vec<Field<'a>>,
    /// The packet, when it is valid.
    pub packet: Option<Packet<'a>>,
    /// What is wrong with it, when it is not.
    pub fault: Option<Fault>,
}

/// Whether a packet is whole and valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// It is.
    Ok,
    /// It breaks a rule of the protocol.
    Malformed,
    /// The bytes end before the packet does.
    Truncated,
}

/// Explains the packet at the beginning of `bytes`, which `sender` sent on a connection of `version`. More packets
/// may follow.
pub fn explain(bytes: &[u8], version: Version, sender: Sender) -> Explained<'_> {
    let packet_type = bytes.first().and_then(|&byte| PacketType::from_first_byte(byte));
    let promised_len = Frame::promised_len(bytes);
    let len = match promised_len {
        Ok(Some(promised)) => promised.min(bytes.len()),
        Ok(None) | Err(_) => bytes.len(),
    };
    let is_truncated = promised_len.is_ok_and(|promised| promised.is_none_or(|promised| promised > len));
    let mut walker = Walker::new(&bytes[..len], version, is_truncated);
    body::walk(&mut walker, packet_type);
    let tells_version = walker.tells_version();
    let version = walker.version();
    let fields = walker.finish();
    let (status, packet, fault) = match decode(bytes, version, sender) {
        Some(Ok(packet)) => (Status::Ok, Some(packet), None),
        Some(Err(error)) => {
            let receiver = fault::receiver(error, bytes, sender, tells_version);
            (Status::Malformed, None, Some(Fault::new(error, receiver, &bytes[..len], &fields)))
        }
        None => (Status::Truncated, None, None),
    };
    Explained {
        packet_type,
        version,
        tells_version,
        status,
        len,
        promised_len: promised_len.unwrap_or(None),
        fields,
        packet,
        fault,
    }
}

/// What the codec says; `None` when the packet is not whole and may yet turn out to be valid.
fn decode(bytes: &[u8], version: Version, sender: Sender) -> Option<Result<Packet<'_>, Error>> {
    match Frame::split(bytes) {
        Ok(Some(frame)) => Some(Packet::decode(&frame, version, sender)),
        Ok(None) => packet::check_first_byte(*bytes.first()?, version, sender).err().map(Err),
        Err(error) => Some(Err(Error::new(error.rule(), version, error.at()))),
    }
}

impl Explained<'_> {
    /// The name of the packet's type, such as `CONNECT`.
    pub fn name(&self) -> &'static str {
        self.packet_type.map_or("reserved packet type", PacketType::name)
    }

    /// One line about the packet: [`Explained::title`], its size, [`Explained::parts`].
    pub fn summary(&self, show: Show) -> String {
        let mut line = self.title();
        line.push_str(" · ");
        line.push_str(&self.size());
        for part in self.parts(show) {
            line.push_str(" · ");
            line.push_str(&part);
        }
        line
    }

    /// The name of the packet's type, for CONNECT with the version: `CONNECT v5`.
    pub fn title(&self) -> String {
        match self.packet_type {
            Some(PacketType::Connect) => format!("CONNECT {}", version_name(self.version)),
            _ => String::from(self.name()),
        }
    }

    /// The size of the packet: `25 bytes`, or `10 of 25 bytes`.
    pub fn size(&self) -> String {
        match self.promised_len {
            Some(promised) if promised > self.len => format!("{} of {promised} bytes", self.len),
            _ => count(self.len, "byte"),
        }
    }

    /// What a valid packet says, in a few words each: `clean start`, `keep alive 60 s`.
    pub fn parts(&self, show: Show) -> Vec<String> {
        self.packet.as_ref().map_or_else(Vec::new, |packet| summary::parts(packet, self.version, show))
    }
}

/// How the version is called in explanations: `v3.1`, `v3.1.1`, `v5`.
fn version_name(version: Version) -> &'static str {
    match version {
        Version::V31 => "v3.1",
        Version::V311 => "v3.1.1",
        Version::V5 => "v5",
    }
}

/// `1 byte`, `2 bytes`.
fn count(number: usize, unit: &str) -> String {
    format!("{number} {unit}{}", if number == 1 { "" } else { "s" })
}
