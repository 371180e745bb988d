//! PUBACK, PUBREC, PUBREL and PUBCOMP: four types of packet of one form.

use super::{PacketId, PacketType, Sender};
use crate::error::{Error, Rule};
use crate::property::{Allowed, Properties, PropertySet};
use crate::reader::Reader;
use crate::reason::ReasonCode;
use crate::version::Version;
use crate::writer::Writer;

/// What PUBACK, PUBREC, PUBREL and PUBCOMP hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ack<'a> {
    /// The identifier of the PUBLISH that it belongs to.
    pub packet_id: PacketId,
    /// The outcome. Always success in versions 3.1 and 3.1.1.
    pub reason: ReasonCode,
    /// Reason string and user properties.
    pub properties: Properties<'a>,
}

impl<'a> Ack<'a> {
    /// An acknowledgement without properties.
    pub const fn new(packet_id: PacketId, reason: ReasonCode) -> Self {
        Ack { packet_id, reason, properties: Properties::EMPTY }
    }

    pub(super) fn decode(
        reader: &mut Reader<'a>,
        packet_type: PacketType,
        sender: Sender,
    ) -> Result<Self, Error> {
        let packet_id = reader.packet_id()?;
        if !reader.version().has_properties() || reader.is_empty() {
            return Ok(Ack::new(packet_id, ReasonCode::Success));
        }
        let reason_at = reader.at();
        let reason = ReasonCode::from_u8(reader.u8()?)
            .filter(|reason| reason.is_allowed_in(packet_type, sender))
            .ok_or_else(|| reader.error_at(reason_rule(packet_type), reason_at))?;
        let properties = if reader.is_empty() {
            Properties::EMPTY
        } else {
            Properties::decode(reader, Allowed::only(PropertySet::ACKNOWLEDGEMENT))?
        };
        Ok(Ack { packet_id, reason, properties })
    }

    /// A packet in its shortest form, which nearly all are: `None` if it is not one of these types, or in another form.
    #[inline]
    pub(super) fn decode_short(frame: &[u8]) -> Option<(PacketType, Self)> {
        let [first_byte, 2, high, low] = *frame else { return None };
        let of_type = |packet_type: &PacketType| packet_type.first_byte() == first_byte;
        let types = [PacketType::PubAck, PacketType::PubRec, PacketType::PubRel, PacketType::PubComp];
        let packet_type = types.into_iter().find(of_type)?;
        let packet_id = PacketId::new(u16::from_be_bytes([high, low]))?;
        Some((packet_type, Ack::new(packet_id, ReasonCode::Success)))
    }

    /// Appends the packet as one of type `packet_type`, in its shortest form.
    pub fn encode(&self, packet_type: PacketType, version: Version, out: &mut impl Writer) {
        let remaining_len = self.remaining_len(version);
        if remaining_len == 2 {
            let [high, low] = self.packet_id.value().to_be_bytes();
            return out.write(&[packet_type.first_byte(), 2, high, low]);
        }
        super::write_header(packet_type.first_byte(), remaining_len, out);
        out.write_u16(self.packet_id.value());
        out.write_u8(self.reason.value());
        if remaining_len > 3 {
            self.properties.encode(out);
        }
    }

    /// The length of the whole packet.
    pub fn encoded_len(&self, version: Version) -> usize {
        super::packet_len(self.remaining_len(version))
    }

    fn remaining_len(&self, version: Version) -> usize {
        if !version.has_properties() {
            return 2;
        }
        match (self.properties.is_empty(), self.reason) {
            (true, ReasonCode::Success) => 2,
            (true, _) => 3,
            (false, _) => 3 + self.properties.encoded_len(),
        }
    }
}

pub(super) fn reason_rule(packet_type: PacketType) -> Rule {
    match packet_type {
        PacketType::PubRec => Rule::PubRecReasonCode,
        PacketType::PubRel => Rule::PubRelReasonCode,
        PacketType::PubComp => Rule::PubCompReasonCode,
        _ => Rule::PubAckReasonCode,
    }
}
