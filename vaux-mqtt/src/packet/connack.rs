//! CONNACK: the server accepts or refuses a session.

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

/// CONNACK. In versions 3.1 and 3.1.1 the reason stands for the return code.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConnAck<'a> {
    /// Whether the server has state of the session from before. 3.1 does not say.
    pub session_present: bool,
    /// Success, or why not.
    pub reason: ReasonCode,
    /// What the server offers and wants.
    pub properties: Properties<'a>,
}

#[cfg(feature = "client")]
impl<'a> ConnAck<'a> {
    pub(super) fn decode(reader: &mut Reader<'a>) -> Result<Self, Error> {
        let version = reader.version();
        let flags_at = reader.at();
        let flags = reader.u8()?;
        // In 3.1 the byte is reserved and nobody looks at it.
        let session_present = version != crate::Version::V31 && flags & 1 != 0;
        if flags > 1 && version != crate::Version::V31 {
            return Err(reader.error_at(Rule::ConnAckFlags, flags_at));
        }
        let code = reader.u8()?;
        let reason = if version.has_properties() {
            ReasonCode::from_u8(code)
                .filter(|reason| reason.is_allowed_in(PacketType::ConnAck, Sender::Server))
        } else {
            ReasonCode::from_connect_return_code(code)
        };
        let reason = reason.ok_or_else(|| reader.error_at(Rule::ConnAckReasonCode, flags_at + 1))?;
        if session_present && reason != ReasonCode::Success {
            return Err(reader.error_at(Rule::SessionPresentOnRefusal, flags_at));
        }
        let properties = if version.has_properties() {
            Properties::decode(reader, Allowed::only(PropertySet::CONNACK))?
        } else {
            Properties::EMPTY
        };
        Ok(ConnAck { session_present, reason, properties })
    }
}

#[cfg(feature = "server")]
impl ConnAck<'_> {
    /// Appends the packet.
    ///
    /// In versions 3.1 and 3.1.1 a reason that has no return code is written as 3, server unavailable; callers
    /// close without CONNACK instead (see [`ReasonCode::connect_return_code`]).
    pub fn encode(&self, version: Version, out: &mut impl Writer) {
        super::write_header(super::PacketType::ConnAck.first_byte(), self.remaining_len(version), out);
        out.write_u8(u8::from(self.session_present && version != Version::V31));
        if version.has_properties() {
            out.write_u8(self.reason.value());
            self.properties.encode(out);
        } else {
            out.write_u8(self.reason.connect_return_code().unwrap_or(3));
        }
    }

    /// The length of the whole packet.
    pub fn encoded_len(&self, version: Version) -> usize {
        super::packet_len(self.remaining_len(version))
    }

    fn remaining_len(&self, version: Version) -> usize {
        2 + if version.has_properties() { self.properties.encoded_len() } else { 0 }
    }
}
