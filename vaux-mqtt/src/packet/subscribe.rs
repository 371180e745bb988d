//! SUBSCRIBE: a client asks for messages.

use super::PacketId;
#[cfg(feature = "server")]
use crate::error::{Error, Rule};
use crate::property::Properties;
#[cfg(feature = "server")]
use crate::property::{Allowed, PropertySet};
use crate::reader::Reader;
use crate::version::{QoS, Version};
#[cfg(feature = "client")]
use crate::writer::{Writer, binary_len, write_binary};

/// SUBSCRIBE.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscribe<'a> {
    /// What SUBACK will repeat.
    pub packet_id: PacketId,
    /// Subscription identifier and user properties.
    pub properties: Properties<'a>,
    /// The subscriptions asked for, at least one.
    pub subscriptions: Subscriptions<'a>,
}

/// One subscription asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Subscription<'a> {
    /// The filter, checked to be valid when decoded. See [`crate::topic::TopicFilter`].
    pub filter: &'a str,
    /// How messages are to be delivered.
    pub options: SubscriptionOptions,
}

/// How messages of a subscription are to be delivered. Versions 3.1 and 3.1.1 know the QoS only.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct SubscriptionOptions {
    /// The highest QoS wanted.
    pub qos: QoS,
    /// Whether messages that this client published itself are left out.
    pub no_local: bool,
    /// Whether messages keep the RETAIN flag they were published with.
    pub retain_as_published: bool,
    /// Which retained messages are wanted.
    pub retain_handling: RetainHandling,
}

/// Which retained messages a subscription brings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum RetainHandling {
    /// All that match.
    #[default]
    Send = 0,
    /// All that match, if the subscription did not exist.
    SendIfNew = 1,
    /// None.
    DoNotSend = 2,
}

impl SubscriptionOptions {
    /// Options with the given QoS and nothing else.
    pub const fn with_qos(qos: QoS) -> Self {
        SubscriptionOptions {
            qos,
            no_local: false,
            retain_as_published: false,
            retain_handling: RetainHandling::Send,
        }
    }

    /// The byte on the wire.
    pub const fn bits(self) -> u8 {
        self.qos.bits()
            | (self.no_local as u8) << 2
            | (self.retain_as_published as u8) << 3
            | (self.retain_handling as u8) << 4
    }

    /// Reads the byte of a version 5.0 packet, `None` when a field of it has no meaning.
    pub const fn from_bits(bits: u8) -> Option<Self> {
        let Some(qos) = QoS::from_bits(bits & 0b11) else { return None };
        let retain_handling = match bits >> 4 {
            0 => RetainHandling::Send,
            1 => RetainHandling::SendIfNew,
            2 => RetainHandling::DoNotSend,
            _ => return None,
        };
        Some(SubscriptionOptions {
            qos,
            no_local: bits & 1 << 2 != 0,
            retain_as_published: bits & 1 << 3 != 0,
            retain_handling,
        })
    }
}

/// A list of subscriptions that borrows the bytes of a packet or a slice of values.
#[derive(Clone, Copy, Debug)]
pub struct Subscriptions<'a>(Source<'a>);

#[derive(Clone, Copy, Debug)]
enum Source<'a> {
    /// Checked bytes.
    #[cfg_attr(not(feature = "server"), expect(dead_code, reason = "only a server reads them"))]
    Wire(&'a [u8]),
    List(&'a [Subscription<'a>]),
}

impl<'a> Subscriptions<'a> {
    /// A list to be encoded.
    pub const fn from_slice(list: &'a [Subscription<'a>]) -> Self {
        Subscriptions(Source::List(list))
    }

    /// The subscriptions in their order.
    pub fn iter(&self) -> impl Iterator<Item = Subscription<'a>> + use<'a> {
        let (wire, list) = match self.0 {
            Source::Wire(wire) => (wire, &[][..]),
            Source::List(list) => (&[][..], list),
        };
        let mut reader = Reader::new(wire, 0, Version::V5);
        // The bytes were checked when the packet was decoded: reading them again cannot fail.
        let from_wire = core::iter::from_fn(move || {
            if reader.is_empty() {
                return None;
            }
            let filter = reader.string().ok()?;
            let options = SubscriptionOptions::from_bits(reader.u8().ok()?)?;
            Some(Subscription { filter, options })
        });
        from_wire.chain(list.iter().copied())
    }
}

impl PartialEq for Subscriptions<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for Subscriptions<'_> {}

#[cfg(feature = "server")]
impl<'a> Subscribe<'a> {
    pub(super) fn decode(reader: &mut Reader<'a>) -> Result<Self, Error> {
        let version = reader.version();
        let packet_id = reader.packet_id()?;
        let properties = if version.has_properties() {
            Properties::decode(reader, Allowed::only(PropertySet::SUBSCRIBE))?
        } else {
            Properties::EMPTY
        };
        if reader.is_empty() {
            return Err(reader.error(Rule::SubscribeEmpty));
        }
        let mut check = reader.clone();
        while !check.is_empty() {
            check_subscription(&mut check)?;
        }
        Ok(Subscribe { packet_id, properties, subscriptions: Subscriptions(Source::Wire(reader.rest())) })
    }
}

#[cfg(feature = "server")]
fn check_subscription(reader: &mut Reader<'_>) -> Result<(), Error> {
    let is_shared = reader.filter()?.shared().is_some();
    let options_at = reader.at();
    let bits = reader.u8()?;
    let has_properties = reader.version().has_properties();
    let rule = match (has_properties, bits) {
        (true, bits) if bits & 0b1100_0000 != 0 => Rule::SubscribeOptionsReserved,
        (false, bits) if bits & 0b1111_1100 != 0 => Rule::SubscribeOptionsReserved,
        (_, bits) if bits & 0b11 == 0b11 => Rule::SubscribeQosBits,
        (true, bits) if bits >> 4 == 0b11 => Rule::RetainHandlingBits,
        (true, bits) if is_shared && bits & 1 << 2 != 0 => Rule::NoLocalShared,
        _ => return Ok(()),
    };
    Err(reader.error_at(rule, options_at))
}

#[cfg(feature = "client")]
impl Subscribe<'_> {
    /// Appends the packet, which is trusted; see [`Subscribe::check`].
    pub fn encode(&self, version: Version, out: &mut impl Writer) {
        super::write_header(super::PacketType::Subscribe.first_byte(), self.remaining_len(version), out);
        out.write_u16(self.packet_id.value());
        if version.has_properties() {
            self.properties.encode(out);
        }
        for subscription in self.subscriptions.iter() {
            write_binary(subscription.filter.as_bytes(), out);
            let options = subscription.options;
            out.write_u8(if version.has_properties() { options.bits() } else { options.qos.bits() });
        }
    }

    /// The length of the whole packet.
    pub fn encoded_len(&self, version: Version) -> usize {
        super::packet_len(self.remaining_len(version))
    }

    fn remaining_len(&self, version: Version) -> usize {
        let subscriptions_len: usize = self
            .subscriptions
            .iter()
            .map(|subscription| binary_len(subscription.filter.as_bytes()) + 1)
            .sum();
        2 + if version.has_properties() { self.properties.encoded_len() } else { 0 } + subscriptions_len
    }
}
