//! AUTH: a step of enhanced authentication, in version 5.0 only.

use super::{PacketType, Sender};
use crate::error::{Error, Rule};
use crate::property::{Allowed, Properties, PropertySet};
use crate::reader::Reader;
use crate::reason::ReasonCode;
use crate::writer::Writer;

/// AUTH.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Auth<'a> {
    /// Success (from the server), continue, or re-authenticate (from the client).
    pub reason: ReasonCode,
    /// The authentication method, which must be there, its data, reason string, user properties.
    pub properties: Properties<'a>,
}

impl<'a> Auth<'a> {
    pub(super) fn decode(reader: &mut Reader<'a>, sender: Sender) -> Result<Self, Error> {
        let start = reader.at();
        // An empty AUTH means success without properties, and so lacks the method.
        if reader.is_empty() {
            return Err(reader.error(Rule::AuthenticationMethodMissing));
        }
        let reason = ReasonCode::from_u8(reader.u8()?)
            .filter(|reason| reason.is_allowed_in(PacketType::Auth, sender))
            .ok_or_else(|| reader.error_at(Rule::AuthReasonCode, start))?;
        if reader.is_empty() {
            return Err(reader.error(Rule::AuthenticationMethodMissing));
        }
        let properties = Properties::decode(reader, Allowed::only(PropertySet::AUTH))?;
        if properties.authentication_method().is_none() {
            return Err(reader.error_at(Rule::AuthenticationMethodMissing, start + 1));
        }
        Ok(Auth { reason, properties })
    }

    /// Appends the packet.
    pub fn encode(&self, out: &mut impl Writer) {
        super::write_header(PacketType::Auth.first_byte(), 1 + self.properties.encoded_len(), out);
        out.write_u8(self.reason.value());
        self.properties.encode(out);
    }

    /// The length of the whole packet.
    pub fn encoded_len(&self) -> usize {
        super::packet_len(1 + self.properties.encoded_len())
    }
}
