//! SUBACK: the server answers SUBSCRIBE.

use super::PacketId;
#[cfg(feature = "client")]
use super::{PacketType, Sender};
#[cfg(feature = "client")]
use crate::error::{Error, Rule};
use crate::property::Properties;
#[cfg(feature = "client")]
use crate::property::{Allowed, PropertySet};
#[cfg(feature = "client")]
use crate::reader::Reader;
use crate::reason::ReasonCode;
#[cfg(feature = "server")]
use crate::version::Version;
#[cfg(feature = "server")]
use crate::writer::Writer;

/// SUBACK.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubAck<'a> {
    /// The identifier of the SUBSCRIBE.
    pub packet_id: PacketId,
    /// Reason string and user properties.
    pub properties: Properties<'a>,
    /// One code for each filter, in their order: the granted QoS or a failure. In versions 3.1 and 3.1.1 every
    /// failure is 0x80.
    pub reason_codes: &'a [u8],
}

impl SubAck<'_> {
    /// The codes as reason codes. In versions 3.1 and 3.1.1, 0x80 is "Unspecified error".
    pub fn reasons(&self) -> impl Iterator<Item = ReasonCode> + '_ {
        self.reason_codes
            .iter()
            .map(|&code| ReasonCode::from_u8(code).unwrap_or(ReasonCode::UnspecifiedError))
    }
}

#[cfg(feature = "client")]
impl<'a> SubAck<'a> {
    pub(super) fn decode(reader: &mut Reader<'a>) -> Result<Self, Error> {
        let version = reader.version();
        let packet_id = reader.packet_id()?;
        let properties = if version.has_properties() {
            Properties::decode(reader, Allowed::only(PropertySet::ACKNOWLEDGEMENT))?
        } else {
            Properties::EMPTY
        };
        if reader.is_empty() {
            return Err(reader.error(Rule::SubAckEmpty));
        }
        let codes_at = reader.at();
        let reason_codes = reader.rest();
        let is_valid = |&code: &u8| match version.has_properties() {
            true => ReasonCode::from_u8(code)
                .is_some_and(|reason| reason.is_allowed_in(PacketType::SubAck, Sender::Server)),
            false => matches!(code, 0..=2 | 0x80),
        };
        match reason_codes.iter().position(|code| !is_valid(code)) {
            Some(index) => Err(reader.error_at(Rule::SubAckReasonCode, codes_at + index)),
            None => Ok(SubAck { packet_id, properties, reason_codes }),
        }
    }
}

#[cfg(feature = "server")]
impl SubAck<'_> {
    /// Appends the packet. Version 3.1 knows no failure: there a refused filter is granted QoS 0.
    pub fn encode(&self, version: Version, out: &mut impl Writer) {
        super::write_header(super::PacketType::SubAck.first_byte(), self.remaining_len(version), out);
        out.write_u16(self.packet_id.value());
        if version.has_properties() {
            self.properties.encode(out);
            out.write(self.reason_codes);
        } else {
            self.reasons().for_each(|reason| out.write_u8(return_code(reason, version)));
        }
    }

    /// The length of the whole packet.
    pub fn encoded_len(&self, version: Version) -> usize {
        super::packet_len(self.remaining_len(version))
    }

    fn remaining_len(&self, version: Version) -> usize {
        2 + if version.has_properties() { self.properties.encoded_len() } else { 0 } + self.reason_codes.len()
    }
}

#[cfg(feature = "server")]
fn return_code(reason: ReasonCode, version: Version) -> u8 {
    match version {
        Version::V31 if reason.is_error() => 0,
        _ => reason.suback_return_code(),
    }
}
