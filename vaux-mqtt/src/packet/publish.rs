//! PUBLISH: a message on its way.

use super::{PacketId, Sender};
use crate::error::{Error, Rule};
use crate::frame::Frame;
use crate::property::{Allowed, Properties, PropertyId, PropertySet};
use crate::reader::Reader;
use crate::topic;
use crate::version::{QoS, Version};
use crate::writer::{Writer, binary_len, write_binary};

/// PUBLISH.
///
/// ```
/// use vaux_mqtt::{QoS, Version, packet::Publish, writer::SliceWriter};
///
/// let publish = Publish { payload: b"x", ..Publish::new("a/b") };
/// let mut buffer = [0; 16];
/// let mut writer = SliceWriter::new(&mut buffer);
/// publish.encode(Version::V311, &mut writer);
/// assert_eq!(writer.finish(), Some(&[0x30, 6, 0, 3, b'a', b'/', b'b', b'x'][..]));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Publish<'a> {
    /// Whether the packet was sent before.
    pub dup: bool,
    /// The quality of service.
    pub qos: QoS,
    /// Whether the server is to keep the message, or kept it.
    pub retain: bool,
    /// The topic name. Empty only in version 5.0, when a topic alias stands for it.
    pub topic: &'a str,
    /// The packet identifier, present exactly when the QoS is above 0.
    pub packet_id: Option<PacketId>,
    /// Properties of the message and of this transmission.
    pub properties: Properties<'a>,
    /// The payload.
    pub payload: &'a [u8],
}

const DUP: u8 = 1 << 3;
const RETAIN: u8 = 1;

impl<'a> Publish<'a> {
    /// A message with QoS 0 and without payload.
    pub const fn new(topic: &'a str) -> Self {
        Publish {
            dup: false,
            qos: QoS::AtMostOnce,
            retain: false,
            topic,
            packet_id: None,
            properties: Properties::EMPTY,
            payload: &[],
        }
    }

    #[inline]
    pub(super) fn decode(
        frame: &Frame<'a>,
        version: Version,
        sender: Sender,
        last_topic: &'a str,
    ) -> Result<Self, Error> {
        let flags = frame.first_byte();
        let qos = check_flags(flags, version)?;
        super::check_overlong(frame, version)?;
        let mut reader = Reader::new(frame.bytes(), frame.header_len(), version);
        let topic_at = reader.at();
        let (topic, has_wildcard) = reader.topic(last_topic)?;
        if has_wildcard {
            let at = topic::wildcard(topic).unwrap_or(0);
            return Err(reader.error_at(Rule::TopicWildcard, topic_at + 2 + at));
        }
        let packet_id = if qos == QoS::AtMostOnce { None } else { Some(reader.packet_id()?) };
        let properties = if version.has_properties() {
            decode_properties(&mut reader, sender)?
        } else {
            Properties::EMPTY
        };
        if topic.is_empty() && properties.topic_alias().is_none() {
            return Err(reader.error_at(Rule::TopicEmpty, topic_at));
        }
        Ok(Publish {
            dup: flags & DUP != 0,
            qos,
            retain: flags & RETAIN != 0,
            topic,
            packet_id,
            properties,
            payload: reader.rest(),
        })
    }

    /// Appends the packet, which is trusted; see [`Publish::check`]. Properties are left out in versions 3.1 and 3.1.1,
    /// and the packet identifier when the QoS is 0. A QoS above 0 needs a packet identifier: without one 1 is written.
    pub fn encode(&self, version: Version, out: &mut impl Writer) {
        let remaining_len = self.remaining_len(version);
        match (remaining_len, self.topic.len()) {
            // Most packets are small: all that is before their topic is written in one go.
            (0..128, topic_len @ 0..128) => {
                out.write(&[self.first_byte(), remaining_len as u8, 0, topic_len as u8]);
                out.write(self.topic.as_bytes());
            }
            _ => {
                super::write_header(self.first_byte(), remaining_len, out);
                write_binary(self.topic.as_bytes(), out);
            }
        }
        if self.qos != QoS::AtMostOnce {
            out.write_u16(self.packet_id.unwrap_or(PacketId::FIRST).value());
        }
        if version.has_properties() {
            self.properties.encode(out);
        }
        out.write(self.payload);
    }

    /// The length of the whole packet.
    pub fn encoded_len(&self, version: Version) -> usize {
        super::packet_len(self.remaining_len(version))
    }

    #[inline]
    fn first_byte(&self) -> u8 {
        let dup = if self.dup && self.qos != QoS::AtMostOnce { DUP } else { 0 };
        super::PacketType::Publish.first_byte() | dup | self.qos.bits() << 1 | u8::from(self.retain)
    }

    #[inline]
    fn remaining_len(&self, version: Version) -> usize {
        binary_len(self.topic.as_bytes())
            + if self.qos == QoS::AtMostOnce { 0 } else { 2 }
            + if version.has_properties() { self.properties.encoded_len() } else { 0 }
            + self.payload.len()
    }
}

/// The QoS that the first byte says, once its flags are found to go together.
pub(super) fn check_flags(first_byte: u8, version: Version) -> Result<QoS, Error> {
    let qos = QoS::from_bits(first_byte >> 1 & 0b11).ok_or(Error::new(Rule::QosBits, version, 0))?;
    if first_byte & DUP != 0 && qos == QoS::AtMostOnce {
        return Err(Error::new(Rule::DupOnQos0, version, 0));
    }
    Ok(qos)
}

fn decode_properties<'a>(reader: &mut Reader<'a>, sender: Sender) -> Result<Properties<'a>, Error> {
    let unfit = match sender {
        Sender::Client => Some((PropertyId::SubscriptionIdentifier, Rule::SubscriptionIdentifierFromClient)),
        Sender::Server | Sender::Any => None,
    };
    let allowed =
        Allowed::only(PropertySet::PUBLISH).repeating(PropertyId::SubscriptionIdentifier).except(unfit);
    Properties::decode(reader, allowed)
}
