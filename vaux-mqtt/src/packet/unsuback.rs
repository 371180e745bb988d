//! UNSUBACK: the server answers UNSUBSCRIBE.

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

/// UNSUBACK. Versions 3.1 and 3.1.1 carry the packet identifier alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnsubAck<'a> {
    /// The identifier of the UNSUBSCRIBE.
    pub packet_id: PacketId,
    /// Reason string and user properties.
    pub properties: Properties<'a>,
    /// One code for each filter, in their order.
    pub reason_codes: &'a [u8],
}

impl UnsubAck<'_> {
    /// The codes as reason codes.
    pub fn reasons(&self) -> impl Iterator<Item = ReasonCode> + '_ {
        self.reason_codes
            .iter()
            .map(|&code| ReasonCode::from_u8(code).unwrap_or(ReasonCode::UnspecifiedError))
    }
}

#[cfg(feature = "client")]
impl<'a> UnsubAck<'a> {
    pub(super) fn decode(reader: &mut Reader<'a>) -> Result<Self, Error> {
        let packet_id = reader.packet_id()?;
        if !reader.version().has_properties() {
            return Ok(UnsubAck { packet_id, properties: Properties::EMPTY, reason_codes: &[] });
        }
        let properties = Properties::decode(reader, Allowed::only(PropertySet::ACKNOWLEDGEMENT))?;
        if reader.is_empty() {
            return Err(reader.error(Rule::UnsubAckEmpty));
        }
        let codes_at = reader.at();
        let reason_codes = reader.rest();
        let is_valid = |&code: &u8| {
            ReasonCode::from_u8(code)
                .is_some_and(|reason| reason.is_allowed_in(PacketType::UnsubAck, Sender::Server))
        };
        match reason_codes.iter().position(|code| !is_valid(code)) {
            Some(index) => Err(reader.error_at(Rule::UnsubAckReasonCode, codes_at + index)),
            None => Ok(UnsubAck { packet_id, properties, reason_codes }),
        }
    }
}

#[cfg(feature = "server")]
impl UnsubAck<'_> {
    /// Appends the packet.
    pub fn encode(&self, version: Version, out: &mut impl Writer) {
        super::write_header(super::PacketType::UnsubAck.first_byte(), self.remaining_len(version), out);
        out.write_u16(self.packet_id.value());
        if version.has_properties() {
            self.properties.encode(out);
            out.write(self.reason_codes);
        }
    }

    /// The length of the whole packet.
    pub fn encoded_len(&self, version: Version) -> usize {
        super::packet_len(self.remaining_len(version))
    }

    fn remaining_len(&self, version: Version) -> usize {
        2 + if version.has_properties() { self.properties.encoded_len() + self.reason_codes.len() } else { 0 }
    }
}
