//! DISCONNECT: the last packet of a connection.

use super::{PacketType, Sender};
use crate::error::{Error, Rule};
use crate::property::{Allowed, Properties, PropertyId, PropertySet};
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
            .filter(|&reason| may_be_received(reason, sender))
            .ok_or_else(|| reader.error_at(Rule::DisconnectReasonCode, reason_at))?;
        if reader.is_empty() {
            return Ok(Disconnect::new(reason));
        }
        let unfit = match sender {
            Sender::Client => Some((PropertyId::ServerReference, Rule::ServerReferenceFromClient)),
            Sender::Server => Some((PropertyId::SessionExpiryInterval, Rule::SessionExpiryFromServer)),
            Sender::Any => None,
        };
        let properties = Properties::decode(reader, Allowed::only(PropertySet::DISCONNECT).except(unfit))?;
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

/// The tables of the specification disagree about 0x8C, bad authentication method: it is not sent, but read.
fn may_be_received(reason: ReasonCode, sender: Sender) -> bool {
    reason.is_allowed_in(PacketType::Disconnect, sender) || reason == ReasonCode::BadAuthenticationMethod
}
