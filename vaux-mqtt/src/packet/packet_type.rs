//! The types of control packets, and who sends them.

use crate::version::Version;

/// Which side of a connection a packet comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sender {
    /// The client sent it; the reader is a server.
    Client,
    /// The server sent it; the reader is a client.
    Server,
    /// Not known, as for someone who reads a dump: what either side may send is accepted.
    Any,
}

impl Sender {
    /// Picks by sender, both when it is not known.
    pub(crate) const fn choose(self, client: u32, server: u32) -> u32 {
        match self {
            Sender::Client => client,
            Sender::Server => server,
            Sender::Any => client | server,
        }
    }
}

/// The type of a control packet, as the upper half of its first byte numbers it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum PacketType {
    /// CONNECT
    Connect = 1,
    /// CONNACK
    ConnAck = 2,
    /// PUBLISH
    Publish = 3,
    /// PUBACK
    PubAck = 4,
    /// PUBREC
    PubRec = 5,
    /// PUBREL
    PubRel = 6,
    /// PUBCOMP
    PubComp = 7,
    /// SUBSCRIBE
    Subscribe = 8,
    /// SUBACK
    SubAck = 9,
    /// UNSUBSCRIBE
    Unsubscribe = 10,
    /// UNSUBACK
    UnsubAck = 11,
    /// PINGREQ
    PingReq = 12,
    /// PINGRESP
    PingResp = 13,
    /// DISCONNECT
    Disconnect = 14,
    /// AUTH
    Auth = 15,
}

impl PacketType {
    /// All types, in their order.
    pub const ALL: [PacketType; 15] = [
        PacketType::Connect,
        PacketType::ConnAck,
        PacketType::Publish,
        PacketType::PubAck,
        PacketType::PubRec,
        PacketType::PubRel,
        PacketType::PubComp,
        PacketType::Subscribe,
        PacketType::SubAck,
        PacketType::Unsubscribe,
        PacketType::UnsubAck,
        PacketType::PingReq,
        PacketType::PingResp,
        PacketType::Disconnect,
        PacketType::Auth,
    ];

    /// The type that a first byte begins; type 0 is reserved.
    pub const fn from_first_byte(first_byte: u8) -> Option<PacketType> {
        match first_byte >> 4 {
            0 => None,
            number => Some(PacketType::ALL[number as usize - 1]),
        }
    }

    /// The name that the specification gives it.
    pub const fn name(self) -> &'static str {
        match self {
            PacketType::Connect => "CONNECT",
            PacketType::ConnAck => "CONNACK",
            PacketType::Publish => "PUBLISH",
            PacketType::PubAck => "PUBACK",
            PacketType::PubRec => "PUBREC",
            PacketType::PubRel => "PUBREL",
            PacketType::PubComp => "PUBCOMP",
            PacketType::Subscribe => "SUBSCRIBE",
            PacketType::SubAck => "SUBACK",
            PacketType::Unsubscribe => "UNSUBSCRIBE",
            PacketType::UnsubAck => "UNSUBACK",
            PacketType::PingReq => "PINGREQ",
            PacketType::PingResp => "PINGRESP",
            PacketType::Disconnect => "DISCONNECT",
            PacketType::Auth => "AUTH",
        }
    }

    /// Whether `sender` may send this type in `version`.
    pub const fn is_sent_by(self, sender: Sender, version: Version) -> bool {
        let (client, server) = match self {
            PacketType::Connect | PacketType::Subscribe | PacketType::Unsubscribe | PacketType::PingReq => {
                (1, 0)
            }
            PacketType::ConnAck | PacketType::SubAck | PacketType::UnsubAck | PacketType::PingResp => (0, 1),
            PacketType::Disconnect => (1, version.has_properties() as u32),
            PacketType::Auth => (version.has_properties() as u32, version.has_properties() as u32),
            PacketType::Publish
            | PacketType::PubAck
            | PacketType::PubRec
            | PacketType::PubRel
            | PacketType::PubComp => (1, 1),
        };
        sender.choose(client, server) != 0
    }

    /// The first byte of a packet of this type whose flags are fixed. PUBLISH sets its own.
    pub const fn first_byte(self) -> u8 {
        (self as u8) << 4
            | match self {
                PacketType::PubRel | PacketType::Subscribe | PacketType::Unsubscribe => 0b0010,
                _ => 0,
            }
    }
}
