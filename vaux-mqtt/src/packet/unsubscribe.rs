//! UNSUBSCRIBE: a client ends subscriptions.

use super::PacketId;
#[cfg(feature = "server")]
use crate::error::{Error, Rule};
use crate::property::Properties;
#[cfg(feature = "server")]
use crate::property::{Allowed, PropertySet};
use crate::reader::Reader;
use crate::version::Version;
#[cfg(feature = "client")]
use crate::writer::{Writer, binary_len, write_binary};

/// UNSUBSCRIBE.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unsubscribe<'a> {
    /// What UNSUBACK will repeat.
    pub packet_id: PacketId,
    /// User properties.
    pub properties: Properties<'a>,
    /// The filters of the subscriptions to end, at least one.
    pub filters: Filters<'a>,
}

/// A list of filters that borrows the bytes of a packet or a slice of values.
#[derive(Clone, Copy, Debug)]
pub struct Filters<'a>(Source<'a>);

#[derive(Clone, Copy, Debug)]
enum Source<'a> {
    /// Checked bytes.
    #[cfg_attr(not(feature = "server"), expect(dead_code, reason = "only a server reads them"))]
    Wire(&'a [u8]),
    List(&'a [&'a str]),
}

impl<'a> Filters<'a> {
    /// A list to be encoded.
    pub const fn from_slice(list: &'a [&'a str]) -> Self {
        Filters(Source::List(list))
    }

    /// The filters in their order.
    pub fn iter(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        let (wire, list) = match self.0 {
            Source::Wire(wire) => (wire, &[][..]),
            Source::List(list) => (&[][..], list),
        };
        let mut reader = Reader::new(wire, 0, Version::V5);
        // The bytes were checked when the packet was decoded: reading them again cannot fail.
        let from_wire =
            core::iter::from_fn(move || if reader.is_empty() { None } else { reader.string().ok() });
        from_wire.chain(list.iter().copied())
    }
}

impl PartialEq for Filters<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for Filters<'_> {}

#[cfg(feature = "server")]
impl<'a> Unsubscribe<'a> {
    pub(super) fn decode(reader: &mut Reader<'a>) -> Result<Self, Error> {
        let packet_id = reader.packet_id()?;
        let properties = if reader.version().has_properties() {
            Properties::decode(reader, Allowed::only(PropertySet::UNSUBSCRIBE))?
        } else {
            Properties::EMPTY
        };
        if reader.is_empty() {
            return Err(reader.error(Rule::UnsubscribeEmpty));
        }
        let mut check = reader.clone();
        while !check.is_empty() {
            check.filter()?;
        }
        Ok(Unsubscribe { packet_id, properties, filters: Filters(Source::Wire(reader.rest())) })
    }
}

#[cfg(feature = "client")]
impl Unsubscribe<'_> {
    /// Appends the packet, which is trusted; see [`Unsubscribe::check`].
    pub fn encode(&self, version: Version, out: &mut impl Writer) {
        super::write_header(super::PacketType::Unsubscribe.first_byte(), self.remaining_len(version), out);
        out.write_u16(self.packet_id.value());
        if version.has_properties() {
            self.properties.encode(out);
        }
        self.filters.iter().for_each(|filter| write_binary(filter.as_bytes(), out));
    }

    /// The length of the whole packet.
    pub fn encoded_len(&self, version: Version) -> usize {
        super::packet_len(self.remaining_len(version))
    }

    fn remaining_len(&self, version: Version) -> usize {
        2 + if version.has_properties() { self.properties.encoded_len() } else { 0 }
            + self.filters.iter().map(|filter| binary_len(filter.as_bytes())).sum::<usize>()
    }
}
