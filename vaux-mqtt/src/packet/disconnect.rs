//! DISCONNECT: the last packet of a connection.

use super::{PacketType, Sender};
use crate::error::{Error, Rule};
use crate::property::{Properties, PropertyId, PropertySet};
use crate::reader::Reader;
use crate::reason::ReasonCode;
use crate::version::Version;
use crate::writer::Writer;

/// DISCONNECT. Before version 5.0 only clients send it, and it holds nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Disconnect<'a> {
    /// Why the connection ends.
    pub reason: ReasonCode,
    /// Session expiry interval, server reference, reason string, user properties.
    pub properties: Properties<'a>,
}

impl<'a> Disconnect<'a> {
    /// A DISCONNECT without properties.
    pub const fn new(reason: ReasonCode) -> Self {
        Disconnect { reason, properties: Properties::EMPTY }
    }

    pub(super) fn decode(reader: &mut Reader<'a>, sender: Sender) -> Result<Self, Error> {
        if !reader.version().has_properties() || reader.is_empty() {
            return Ok(Disconnect::default());
        }
        let reason_at = reader.at();
        let reason = ReasonCode::from_u8(reader.u8()?)
            .filter(|reason| reason.is_allowed_in(PacketType::Disconnect, sender))
            .ok_or_else(|| reader.error_at(Rule::DisconnectReasonCode, reason_at))?;
        if reader.is_empty() {
            return Ok(Disconnect::new(reason));
        }
        let properties = Properties::decode(reader, PropertySet::DISCONNECT, PropertySet::EMPTY)?;
        for property in properties.iter() {
            let rule = match (property.id(), sender) {
                (PropertyId::SessionExpiryInterval, Sender::Server) => Rule::SessionExpiryFromServer,
                (PropertyId::ServerReference, Sender::Client) => Rule::ServerReferenceFromClient,
                _ => continue,
            };
            return Err(reader.error_at(rule, reason_at + 1));
        }
        Ok(Disconnect { reason, properties })
    }

    /// Appends the packet in its shortest form.
    pub fn encode(&self, version: Version, out: &mut impl Writer) {
        let remaining_len = self.remaining_len(version);
        super::write_header(PacketType::Disconnect.first_byte(), remaining_len, out);
        if remaining_len > 0 {
            out.write_u8(self.reason.value());
        }
        if remaining_len > 1 {
            self.properties.encode(out);
        }
    }

    /// The length of the whole packet.
    pub fn encoded_len(&self, version: Version) -> usize {
        super::packet_len(self.remaining_len(version))
    }

    fn remaining_len(&self, version: Version) -> usize {
        if !version.has_properties() {
            return 0;
        }
        match (self.properties.is_empty(), self.reason) {
            (true, ReasonCode::Success) => 0,
            (true, _) => 1,
            (false, _) => 1 + self.properties.encoded_len(),
        }
    }
}
