//! The control packets: one type each, for all versions and both directions.
//!
//! A packet borrows what it was decoded from, or what it is to be encoded from. What has no meaning in versions 3.1
//! and 3.1.1 (properties, reason codes) is left out when encoding for them and empty when decoding.

mod ack;
mod auth;
mod check;
mod connack;
mod connect;
mod disconnect;
mod packet_id;
mod packet_type;
mod publish;
mod suback;
mod subscribe;
mod unsuback;
mod unsubscribe;

pub use ack::Ack;
pub use auth::Auth;
#[cfg(all(feature = "alloc", feature = "client"))]
pub(crate) use check::PACKET_MAX;
pub use connack::ConnAck;
pub use connect::{Connect, Will};
pub use disconnect::Disconnect;
pub use packet_id::PacketId;
pub use packet_type::{PacketType, Sender};
pub use publish::Publish;
pub use suback::SubAck;
pub use subscribe::{RetainHandling, Subscribe, Subscription, SubscriptionOptions, Subscriptions};
pub use unsuback::UnsubAck;
pub use unsubscribe::{Filters, Unsubscribe};

use crate::error::{Error, Rule};
use crate::frame::Frame;
use crate::reader::Reader;
use crate::varint;
use crate::version::Version;
use crate::writer::Writer;

/// A control packet.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Packet<'a> {
    /// A client asks for a session.
    Connect(Connect<'a>),
    /// The server accepts or refuses it.
    ConnAck(ConnAck<'a>),
    /// A message.
    Publish(Publish<'a>),
    /// Acknowledges a message with QoS 1.
    PubAck(Ack<'a>),
    /// Says that a message with QoS 2 was received.
    PubRec(Ack<'a>),
    /// Releases the packet identifier of a message with QoS 2.
    PubRel(Ack<'a>),
    /// Ends the exchange of a message with QoS 2.
    PubComp(Ack<'a>),
    /// Asks for subscriptions.
    Subscribe(Subscribe<'a>),
    /// Answers SUBSCRIBE.
    SubAck(SubAck<'a>),
    /// Ends subscriptions.
    Unsubscribe(Unsubscribe<'a>),
    /// Answers UNSUBSCRIBE.
    UnsubAck(UnsubAck<'a>),
    /// Asks for a sign of life.
    PingReq,
    /// Gives one.
    PingResp,
    /// The last packet of a connection.
    Disconnect(Disconnect<'a>),
    /// A step of enhanced authentication.
    Auth(Auth<'a>),
}

impl<'a> Packet<'a> {
    /// Reads a packet that `sender` sent on a connection of `version`. CONNECT says its own version, which is used
    /// instead.
    ///
    /// # Errors
    ///
    /// The first rule of the protocol that the packet breaks, with its byte.
    #[inline]
    pub fn decode(frame: &Frame<'a>, version: Version, sender: Sender) -> Result<Packet<'a>, Error> {
        Packet::decode_after(frame, version, sender, "")
    }

    /// Reads a packet as [`Packet::decode`] does, for those who have read a PUBLISH before: when this one has the same
    /// topic, its bytes are not checked again, and `last_topic` itself is its topic. That is faster, since those who
    /// publish much at a time mostly do so under one topic. Empty: there was none.
    ///
    /// # Errors
    ///
    /// The first rule of the protocol that the packet breaks, with its byte.
    #[inline]
    pub fn decode_after(
        frame: &Frame<'a>,
        version: Version,
        sender: Sender,
        last_topic: &'a str,
    ) -> Result<Packet<'a>, Error> {
        // PUBLISH and acknowledgements are what a broker reads all day: they go past the checks and the reader of all
        // others.
        if frame.first_byte() >> 4 == PacketType::Publish as u8 {
            return Publish::decode(frame, version, sender, last_topic).map(Packet::Publish);
        }
        if let Some((packet_type, ack)) = Ack::decode_short(frame.bytes()) {
            return Ok(match packet_type {
                PacketType::PubRec => Packet::PubRec(ack),
                PacketType::PubRel => Packet::PubRel(ack),
                PacketType::PubComp => Packet::PubComp(ack),
                _ => Packet::PubAck(ack),
            });
        }
        Packet::decode_other(frame, version, sender)
    }

    /// Everything but PUBLISH.
    fn decode_other(frame: &Frame<'a>, version: Version, sender: Sender) -> Result<Packet<'a>, Error> {
        let packet_type = check_first_byte(frame.first_byte(), version, sender)?;
        if packet_type != PacketType::Connect {
            check_overlong(frame, version)?;
        }
        let mut reader = Reader::new(frame.bytes(), frame.header_len(), version);
        let packet = decode_body(packet_type, &mut reader, sender)?;
        reader.finish()?;
        // CONNECT tells its version, which decides about an over-long header, only now.
        check_overlong(frame, reader.version())?;
        Ok(packet)
    }

    /// Whether [`Packet::encode`] writes all that is in the packet, so that its reader finds the same: no field is too
    /// long, no value is out of its range, and nothing is missing. Properties and reasons that `version` does not have
    /// are left out and not looked at.
    ///
    /// # Errors
    ///
    /// The first rule that the packet would break.
    #[cfg(all(feature = "client", feature = "server"))]
    pub fn check(&self, version: Version) -> Result<(), Rule> {
        match self {
            Packet::Connect(connect) => connect.check(),
            Packet::ConnAck(connack) => connack.check(version),
            Packet::Publish(publish) => publish.check(version),
            Packet::PubAck(ack) | Packet::PubRec(ack) | Packet::PubRel(ack) | Packet::PubComp(ack) => {
                ack.check(self.packet_type(), version)
            }
            Packet::Subscribe(subscribe) => subscribe.check(version),
            Packet::SubAck(suback) => suback.check(version),
            Packet::Unsubscribe(unsubscribe) => unsubscribe.check(version),
            Packet::UnsubAck(unsuback) => unsuback.check(version),
            Packet::PingReq | Packet::PingResp => Ok(()),
            Packet::Disconnect(disconnect) => disconnect.check(version),
            Packet::Auth(auth) if version.has_properties() => auth.check(),
            Packet::Auth(_) => Err(Rule::PacketTypeReserved),
        }
    }

    /// Appends the packet. CONNECT is encoded for the version that it names itself, everything else for `version`.
    ///
    /// The packet is trusted: of one that [`Packet::check`] refuses, nobody can say what its reader finds.
    ///
    /// Only builds for both sides have this, since a packet may be of either side; others encode the packet inside.
    #[cfg(all(feature = "client", feature = "server"))]
    pub fn encode(&self, version: Version, out: &mut impl Writer) {
        match self {
            Packet::Connect(connect) => connect.encode(out),
            Packet::ConnAck(connack) => connack.encode(version, out),
            Packet::Publish(publish) => publish.encode(version, out),
            Packet::PubAck(ack) | Packet::PubRec(ack) | Packet::PubRel(ack) | Packet::PubComp(ack) => {
                ack.encode(self.packet_type(), version, out);
            }
            Packet::Subscribe(subscribe) => subscribe.encode(version, out),
            Packet::SubAck(suback) => suback.encode(version, out),
            Packet::Unsubscribe(unsubscribe) => unsubscribe.encode(version, out),
            Packet::UnsubAck(unsuback) => unsuback.encode(version, out),
            Packet::PingReq => out.write(&PINGREQ),
            Packet::PingResp => out.write(&PINGRESP),
            Packet::Disconnect(disconnect) => disconnect.encode(version, out),
            Packet::Auth(auth) => auth.encode(out),
        }
    }

    /// The length of the whole packet as [`Packet::encode`] writes it.
    #[cfg(all(feature = "client", feature = "server"))]
    pub fn encoded_len(&self, version: Version) -> usize {
        match self {
            Packet::Connect(connect) => connect.encoded_len(),
            Packet::ConnAck(connack) => connack.encoded_len(version),
            Packet::Publish(publish) => publish.encoded_len(version),
            Packet::PubAck(ack) | Packet::PubRec(ack) | Packet::PubRel(ack) | Packet::PubComp(ack) => {
                ack.encoded_len(version)
            }
            Packet::Subscribe(subscribe) => subscribe.encoded_len(version),
            Packet::SubAck(suback) => suback.encoded_len(version),
            Packet::Unsubscribe(unsubscribe) => unsubscribe.encoded_len(version),
            Packet::UnsubAck(unsuback) => unsuback.encoded_len(version),
            Packet::PingReq => PINGREQ.len(),
            Packet::PingResp => PINGRESP.len(),
            Packet::Disconnect(disconnect) => disconnect.encoded_len(version),
            Packet::Auth(auth) => auth.encoded_len(),
        }
    }

    /// The type of the packet.
    pub const fn packet_type(&self) -> PacketType {
        match self {
            Packet::Connect(_) => PacketType::Connect,
            Packet::ConnAck(_) => PacketType::ConnAck,
            Packet::Publish(_) => PacketType::Publish,
            Packet::PubAck(_) => PacketType::PubAck,
            Packet::PubRec(_) => PacketType::PubRec,
            Packet::PubRel(_) => PacketType::PubRel,
            Packet::PubComp(_) => PacketType::PubComp,
            Packet::Subscribe(_) => PacketType::Subscribe,
            Packet::SubAck(_) => PacketType::SubAck,
            Packet::Unsubscribe(_) => PacketType::Unsubscribe,
            Packet::UnsubAck(_) => PacketType::UnsubAck,
            Packet::PingReq => PacketType::PingReq,
            Packet::PingResp => PacketType::PingResp,
            Packet::Disconnect(_) => PacketType::Disconnect,
            Packet::Auth(_) => PacketType::Auth,
        }
    }
}

/// PINGREQ as bytes.
#[cfg(feature = "client")]
pub const PINGREQ: [u8; 2] = [0xc0, 0];

/// PINGRESP as bytes.
#[cfg(feature = "server")]
pub const PINGRESP: [u8; 2] = [0xd0, 0];

/// What a side alone reads is not known to a build for the other side: such a packet is one that nobody should have
/// sent there.
fn decode_body<'a>(
    packet_type: PacketType,
    reader: &mut Reader<'a>,
    sender: Sender,
) -> Result<Packet<'a>, Error> {
    match packet_type {
        PacketType::PubAck => Ack::decode(reader, packet_type, sender).map(Packet::PubAck),
        PacketType::PubRec => Ack::decode(reader, packet_type, sender).map(Packet::PubRec),
        PacketType::PubRel => Ack::decode(reader, packet_type, sender).map(Packet::PubRel),
        PacketType::PubComp => Ack::decode(reader, packet_type, sender).map(Packet::PubComp),
        PacketType::Disconnect => Disconnect::decode(reader, sender).map(Packet::Disconnect),
        PacketType::Auth => Auth::decode(reader, sender).map(Packet::Auth),
        #[cfg(feature = "server")]
        PacketType::Connect => Connect::decode(reader).map(Packet::Connect),
        #[cfg(feature = "server")]
        PacketType::Subscribe => Subscribe::decode(reader).map(Packet::Subscribe),
        #[cfg(feature = "server")]
        PacketType::Unsubscribe => Unsubscribe::decode(reader).map(Packet::Unsubscribe),
        #[cfg(feature = "server")]
        PacketType::PingReq => Ok(Packet::PingReq),
        #[cfg(feature = "client")]
        PacketType::ConnAck => ConnAck::decode(reader).map(Packet::ConnAck),
        #[cfg(feature = "client")]
        PacketType::SubAck => SubAck::decode(reader).map(Packet::SubAck),
        #[cfg(feature = "client")]
        PacketType::UnsubAck => UnsubAck::decode(reader).map(Packet::UnsubAck),
        #[cfg(feature = "client")]
        PacketType::PingResp => Ok(Packet::PingResp),
        _ => Err(Error::new(Rule::UnexpectedPacket, reader.version(), 0)),
    }
}

/// What the first byte of a packet says by itself: its type, unless no packet may begin with it.
pub(crate) fn check_first_byte(
    first_byte: u8,
    version: Version,
    sender: Sender,
) -> Result<PacketType, Error> {
    let packet_type = PacketType::from_first_byte(first_byte)
        .filter(|packet_type| *packet_type != PacketType::Auth || version.has_properties())
        .ok_or(Error::new(Rule::PacketTypeReserved, version, 0))?;
    if packet_type == PacketType::Publish {
        publish::check_flags(first_byte, version)?;
        return Ok(packet_type);
    }
    if !packet_type.is_sent_by(sender, version) {
        return Err(Error::new(Rule::UnexpectedPacket, version, 0));
    }
    check_flags(packet_type, first_byte, version)?;
    Ok(packet_type)
}

fn check_flags(packet_type: PacketType, first_byte: u8, version: Version) -> Result<(), Error> {
    // Version 3.1 lets requests that are sent again carry DUP.
    let ignored = match packet_type {
        PacketType::PubRel | PacketType::Subscribe | PacketType::Unsubscribe if version == Version::V31 => {
            0b1000
        }
        _ => 0,
    };
    if first_byte & !ignored == packet_type.first_byte() {
        return Ok(());
    }
    let rule = match packet_type {
        PacketType::PubRel => Rule::PubRelFlags,
        PacketType::Subscribe => Rule::SubscribeFlags,
        PacketType::Unsubscribe => Rule::UnsubscribeFlags,
        PacketType::Disconnect => Rule::DisconnectFlags,
        PacketType::Auth => Rule::AuthFlags,
        _ => Rule::FixedHeaderFlags,
    };
    Err(Error::new(rule, version, 0))
}

fn check_overlong(frame: &Frame<'_>, version: Version) -> Result<(), Error> {
    if frame.is_overlong() && version.has_properties() {
        return Err(Error::new(Rule::VarintOverlong, version, 1));
    }
    Ok(())
}

/// Appends the fixed header.
fn write_header(first_byte: u8, remaining_len: usize, out: &mut impl Writer) {
    out.write_u8(first_byte);
    varint::write(remaining_len as u32, out);
}

/// The length of a packet whose fixed header says `remaining_len`.
fn packet_len(remaining_len: usize) -> usize {
    1 + varint::len(remaining_len as u32) + remaining_len
}
