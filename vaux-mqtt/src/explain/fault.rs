//! What is wrong with a packet: the bits, what they are, what a receiver does about it.

use alloc::format;
use alloc::string::String;

use super::field::{Field, Show};
use super::version_name;
use crate::error::{Error, Rule};
use crate::packet::{PacketType, Sender};
use crate::version::Version;

/// What is wrong with a packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The rule that is broken, with its statement and its byte.
    pub error: Error,
    /// Which of the fields holds the byte; `None` when the packet ends where a field should begin.
    pub field: Option<usize>,
    /// The bits of the byte that are wrong; `None` when it is the byte or the field as a whole.
    pub bits: Option<Bits>,
    /// What stands there, such as `QoS bits are 11`.
    pub found: String,
    /// What a receiver does, such as `v5 DISCONNECT 0x81, v3.1.1 closes`; for each version in which the packet breaks
    /// this rule.
    pub receiver: String,
}

/// Some bits of a byte, counted from 0, the lowest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bits {
    /// The highest of them.
    pub high: u8,
    /// The lowest of them.
    pub low: u8,
}

impl Bits {
    /// The bits of `byte`, as digits.
    fn of(self, byte: u8) -> String {
        let width = usize::from(self.high - self.low + 1);
        let value = u16::from(byte) >> self.low & ((1 << width) - 1);
        format!("{value:0width$b}")
    }
}

impl Fault {
    /// `bytes` is the packet, as far as it is there, and `fields` are its fields.
    pub(super) fn new(error: Error, receiver: String, bytes: &[u8], fields: &[Field<'_>]) -> Fault {
        let field = fields.iter().position(|field| field.range().contains(&error.at()));
        let byte = bytes.get(error.at()).copied();
        let bits = bits(error.rule(), error.version());
        let found = match (byte, bits, field) {
            (Some(byte), Some((bits, name)), _) => found_bits(bits, name, byte),
            (_, _, Some(field)) => found_field(&fields[field], bytes),
            _ => String::from("the packet ends here"),
        };
        Fault { error, field, bits: bits.map(|(bits, _)| bits), found, receiver }
    }
}

/// Which bits of the byte a rule is about, and their name.
fn bits(rule: Rule, version: Version) -> Option<(Bits, &'static str)> {
    let (high, low, name) = match rule {
        Rule::PacketTypeReserved => (7, 4, "packet type"),
        Rule::FixedHeaderFlags
        | Rule::PubRelFlags
        | Rule::SubscribeFlags
        | Rule::UnsubscribeFlags
        | Rule::DisconnectFlags
        | Rule::AuthFlags => (3, 0, "flags"),
        Rule::QosBits => (2, 1, "QoS bits"),
        Rule::DupOnQos0 => (3, 3, "DUP"),
        Rule::ConnectFlagsReserved => (0, 0, "reserved bit"),
        Rule::WillQosBits | Rule::WillQosWithoutWill => (4, 3, "will QoS bits"),
        Rule::WillRetainWithoutWill => (5, 5, "will retain"),
        Rule::PasswordWithoutUserName => (7, 6, "user name and password flags"),
        Rule::ConnAckFlags => (7, 1, "reserved bits"),
        Rule::SessionPresentOnRefusal => (0, 0, "session present"),
        Rule::SubscribeOptionsReserved if version.has_properties() => (7, 6, "reserved bits"),
        Rule::SubscribeOptionsReserved => (7, 2, "reserved bits"),
        Rule::SubscribeQosBits => (1, 0, "QoS bits"),
        Rule::RetainHandlingBits => (5, 4, "retain handling bits"),
        Rule::NoLocalShared => (2, 2, "no local"),
        _ => return None,
    };
    Some((Bits { high, low }, name))
}

fn found_bits(bits: Bits, name: &str, byte: u8) -> String {
    let verb = if name.ends_with('s') { "are" } else { "is" };
    format!("{name} {verb} {}", bits.of(byte))
}

/// The field's text without secrets; of long fields the beginning.
fn found_field(field: &Field<'_>, bytes: &[u8]) -> String {
    let text = field.text(Show { secrets: false, limit: 32 });
    if field.name != Field::UNREAD || field.is_secret {
        return text;
    }
    match bytes.get(field.at) {
        Some(byte) => format!("{text}, the first is 0x{byte:02x}"),
        None => text,
    }
}

/// What a receiver of `bytes` does about `error`.
///
/// Unless the packet tells its version, it is read as one of the other version too: a receiver of that version is
/// named when it finds the same.
pub(super) fn receiver(error: Error, bytes: &[u8], sender: Sender, tells_version: bool) -> String {
    if tells_version {
        return reaction(error, bytes, error.version());
    }
    let finds_the_same = |version: Version| match super::decode(bytes, version, sender) {
        Some(Err(other)) => {
            other.version() == version && (other.rule(), other.at()) == (error.rule(), error.at())
        }
        _ => false,
    };
    let reacts = |version: Version| reaction(error, bytes, version);
    let before = if error.version() == Version::V31 { Version::V31 } else { Version::V311 };
    match (finds_the_same(Version::V5), finds_the_same(before)) {
        (true, true) => format!("{}, {}", reacts(Version::V5), reacts(before)),
        (true, false) => reacts(Version::V5),
        (false, true) => reacts(before),
        // Decoding is a function of the bytes, the version and the sender, so that one of them found it.
        (false, false) => reacts(error.version()),
    }
}

fn reaction(error: Error, bytes: &[u8], version: Version) -> String {
    let is_connect =
        bytes.first().is_some_and(|&byte| PacketType::from_first_byte(byte) == Some(PacketType::Connect));
    let name = version_name(version);
    match (version.has_properties(), error.rule()) {
        (true, _) => {
            let answer = if is_connect { "CONNACK" } else { "DISCONNECT" };
            format!("{name} {answer} 0x{:02x}", error.reason_code().value())
        }
        (false, Rule::ProtocolVersion) => format!("{name} CONNACK 0x01"),
        (false, _) => format!("{name} closes"),
    }
}
