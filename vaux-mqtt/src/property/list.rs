//! Lists of properties, read from a packet or to be written into one.

use super::{Allowed, Form, Property, PropertyId, PropertySet};
use crate::error::{Error, Rule};
use crate::reader::Reader;
use crate::varint;
use crate::version::Version;
use crate::writer::Writer;

/// A list of properties that borrows the bytes of a packet or a slice of values.
///
/// Two lists are equal when they hold the same properties in the same order, wherever they come from.
///
/// ```
/// use vaux_mqtt::property::{Properties, Property};
///
/// let list = [Property::MessageExpiryInterval(60), Property::UserProperty("unit", "°C")];
/// let properties = Properties::from_slice(&list);
/// assert_eq!(properties.message_expiry_interval(), Some(60));
/// assert_eq!(properties.user_properties().next(), Some(("unit", "°C")));
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Properties<'a> {
    list: &'a [Property<'a>],
    /// Checked bytes, without the length in front of them. They come after `list`.
    wire: &'a [u8],
    /// Which properties there are in `wire`; all, when nobody has looked.
    in_wire: PropertySet,
}

impl Default for Properties<'_> {
    fn default() -> Self {
        Properties::EMPTY
    }
}

impl<'a> Properties<'a> {
    /// The list without a property.
    pub const EMPTY: Properties<'static> = Properties { list: &[], wire: &[], in_wire: PropertySet::EMPTY };

    /// A list to be encoded. Which properties fit which packet is up to the caller; see [`PropertySet`].
    pub const fn from_slice(list: &'a [Property<'a>]) -> Self {
        Properties { list, ..Properties::EMPTY }
    }

    /// A list from bytes as they stand on the wire after the property length, such as [`Properties::as_wire`] gave.
    ///
    /// # Errors
    ///
    /// Bytes that are no list of properties out of `allowed`, or a repeated property. Offsets in the error count
    /// from the first byte of `wire`.
    pub fn from_wire(wire: &'a [u8], allowed: PropertySet) -> Result<Self, Error> {
        let in_wire = check(Reader::new(wire, 0, Version::V5), Allowed::only(allowed))?;
        Ok(Properties { list: &[], wire, in_wire })
    }

    /// A list from bytes that were checked before: what [`Properties::as_wire`] gave, or whole properties cut from
    /// it. Bytes that are no properties end the iteration early.
    #[inline]
    pub const fn from_checked_wire(wire: &'a [u8]) -> Self {
        Properties { list: &[], wire, in_wire: PropertySet::ALL }
    }

    /// Reads the property length and the properties.
    #[inline]
    pub(crate) fn decode(reader: &mut Reader<'a>, allowed: Allowed) -> Result<Self, Error> {
        // Most packets have none.
        if reader.skip_zero() {
            return Ok(Properties::EMPTY);
        }
        Properties::decode_some(reader, allowed)
    }

    fn decode_some(reader: &mut Reader<'a>, allowed: Allowed) -> Result<Self, Error> {
        let start = reader.at();
        let len = varint::to_usize(reader.varint()?);
        let mut inner = reader.clone();
        let wire = reader.take(len).map_err(|_| reader.error_at(Rule::FieldPastEnd, start))?;
        inner.limit(len);
        let in_wire = check(inner, allowed)?;
        Ok(Properties { list: &[], wire, in_wire })
    }

    /// The same properties behind those of `list`: a server adds its own to those that it forwards.
    ///
    /// A list in front of a list cannot be had: `self` must come from a packet, or its own list is replaced.
    #[inline]
    pub const fn with_list_before(self, list: &'a [Property<'a>]) -> Self {
        Properties { list, ..self }
    }

    /// The bytes behind the property length, when the list came from a packet.
    pub const fn as_wire(&self) -> Option<&'a [u8]> {
        if self.list.is_empty() { Some(self.wire) } else { None }
    }

    /// Whether there is no property.
    #[inline]
    pub const fn is_empty(&self) -> bool {
        self.list.is_empty() && self.wire.is_empty()
    }

    /// The properties in their order.
    pub fn iter(&self) -> PropertyIter<'a> {
        PropertyIter { list: self.list.iter(), wire: Reader::new(self.wire, 0, Version::V5) }
    }

    /// Whether the properties may stand together where `allowed` says which may, and all can be written. Of those that
    /// came from a packet the values are known to be valid.
    pub(crate) fn check(&self, allowed: Allowed) -> Result<(), Rule> {
        let mut seen = PropertySet::EMPTY;
        match self.iter().find_map(|property| allowed.rule_against(property.id(), &mut seen)) {
            Some(rule) => Err(rule),
            None => self.list.iter().try_for_each(Property::check),
        }
    }

    /// The first property with the given identifier.
    fn find(&self, id: PropertyId) -> Option<Property<'a>> {
        if let Some(property) = self.list.iter().find(|property| property.id() == id) {
            return Some(*property);
        }
        read(&mut self.seek(id)?).ok()
    }

    /// Whether there is a property with the given identifier. Of a list that came from a packet this is known at once.
    #[inline]
    pub fn contains(&self, id: PropertyId) -> bool {
        self.list.iter().any(|property| property.id() == id) || self.seek(id).is_some()
    }

    /// Where in the checked bytes the first property with the given identifier begins.
    #[cfg(feature = "server")]
    pub(crate) fn position(&self, id: PropertyId) -> Option<usize> {
        Some(self.seek(id)?.at())
    }

    /// The checked bytes from the first property with the given identifier on.
    #[inline]
    fn seek(&self, id: PropertyId) -> Option<Reader<'a>> {
        if self.in_wire.contains(id) { seek(Reader::new(self.wire, 0, Version::V5), id) } else { None }
    }

    /// The length of the properties alone, without the property length in front.
    pub fn body_len(&self) -> usize {
        self.list.iter().map(Property::encoded_len).sum::<usize>() + self.wire.len()
    }

    /// The length on the wire, with the property length in front.
    pub fn encoded_len(&self) -> usize {
        let body_len = self.body_len();
        varint::len(body_len as u32) + body_len
    }

    /// Appends the property length and the properties.
    pub fn encode(&self, out: &mut impl Writer) {
        varint::write(self.body_len() as u32, out);
        self.encode_body(out);
    }

    /// Appends the properties without the property length in front.
    pub fn encode_body(&self, out: &mut impl Writer) {
        self.list.iter().for_each(|property| property.encode(out));
        out.write(self.wire);
    }

    /// The user properties in their order.
    pub fn user_properties(&self) -> impl Iterator<Item = (&'a str, &'a str)> + use<'a> {
        self.iter().filter_map(|property| match property {
            Property::UserProperty(name, value) => Some((name, value)),
            _ => None,
        })
    }

    /// The subscription identifiers in their order.
    pub fn subscription_identifiers(&self) -> impl Iterator<Item = u32> + use<'a> {
        self.iter().filter_map(|property| match property {
            Property::SubscriptionIdentifier(value) => Some(value),
            _ => None,
        })
    }
}

macro_rules! accessors {
    ($($(#[$doc:meta])* $name:ident $variant:ident $type:ty;)*) => {
        impl<'a> Properties<'a> {
            $(
                $(#[$doc])*
                pub fn $name(&self) -> Option<$type> {
                    match self.find(PropertyId::$variant)? {
                        Property::$variant(value) => Some(value),
                        _ => None,
                    }
                }
            )*
        }
    };
}

accessors! {
    /// The payload format indicator, 0 or 1.
    payload_format_indicator PayloadFormatIndicator u8;
    /// Seconds until the message expires.
    message_expiry_interval MessageExpiryInterval u32;
    /// The content type.
    content_type ContentType &'a str;
    /// The response topic.
    response_topic ResponseTopic &'a str;
    /// The correlation data.
    correlation_data CorrelationData &'a [u8];
    /// Seconds that the session outlives its connection.
    session_expiry_interval SessionExpiryInterval u32;
    /// The client identifier that the server chose.
    assigned_client_identifier AssignedClientIdentifier &'a str;
    /// The server's keep alive in seconds.
    server_keep_alive ServerKeepAlive u16;
    /// The authentication method.
    authentication_method AuthenticationMethod &'a str;
    /// The authentication data.
    authentication_data AuthenticationData &'a [u8];
    /// Whether problem information is wanted, 0 or 1.
    request_problem_information RequestProblemInformation u8;
    /// Seconds to wait before the will is published.
    will_delay_interval WillDelayInterval u32;
    /// Whether response information is wanted, 0 or 1.
    request_response_information RequestResponseInformation u8;
    /// The response information.
    response_information ResponseInformation &'a str;
    /// The server reference.
    server_reference ServerReference &'a str;
    /// The reason string.
    reason_string ReasonString &'a str;
    /// The receive maximum.
    receive_maximum ReceiveMaximum u16;
    /// The topic alias maximum.
    topic_alias_maximum TopicAliasMaximum u16;
    /// The topic alias.
    topic_alias TopicAlias u16;
    /// The maximum QoS, 0 or 1.
    maximum_qos MaximumQos u8;
    /// Whether messages are retained, 0 or 1.
    retain_available RetainAvailable u8;
    /// The maximum packet size in bytes.
    maximum_packet_size MaximumPacketSize u32;
    /// Whether wildcard subscriptions are taken, 0 or 1.
    wildcard_subscription_available WildcardSubscriptionAvailable u8;
    /// Whether subscription identifiers are taken, 0 or 1.
    subscription_identifier_available SubscriptionIdentifierAvailable u8;
    /// Whether shared subscriptions are taken, 0 or 1.
    shared_subscription_available SharedSubscriptionAvailable u8;
}

impl PartialEq for Properties<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for Properties<'_> {}

impl<'a> IntoIterator for Properties<'a> {
    type Item = Property<'a>;
    type IntoIter = PropertyIter<'a>;

    fn into_iter(self) -> PropertyIter<'a> {
        self.iter()
    }
}

/// Iterates over the properties of a list.
#[derive(Clone, Debug)]
pub struct PropertyIter<'a> {
    list: core::slice::Iter<'a, Property<'a>>,
    wire: Reader<'a>,
}

impl<'a> Iterator for PropertyIter<'a> {
    type Item = Property<'a>;

    fn next(&mut self) -> Option<Property<'a>> {
        match self.list.next() {
            Some(property) => Some(*property),
            None if self.wire.is_empty() => None,
            // The bytes were checked when the list was made: reading them again cannot fail.
            None => read(&mut self.wire).ok(),
        }
    }
}

fn read<'a>(reader: &mut Reader<'a>) -> Result<Property<'a>, Error> {
    let id = read_id(reader)?;
    Property::decode_value(id, reader)
}

fn read_id(reader: &mut Reader<'_>) -> Result<PropertyId, Error> {
    let start = reader.at();
    let number = reader.varint()?;
    PropertyId::from_u32(number).ok_or_else(|| reader.error_at(Rule::PropertyNotAllowed, start))
}

/// Passes the properties before the first one with the given identifier, without looking into them.
fn seek(mut reader: Reader<'_>, id: PropertyId) -> Option<Reader<'_>> {
    while !reader.is_empty() {
        let mut ahead = reader.clone();
        let found = read_id(&mut ahead).ok()?;
        if found == id {
            return Some(reader);
        }
        match found.form() {
            Form::Fixed(len) => ahead.take(len).map(drop),
            Form::Varint => ahead.varint().map(drop),
            Form::Text | Form::Binary => ahead.binary().map(drop),
            Form::Pair => ahead.binary().and_then(|_| ahead.binary()).map(drop),
        }
        .ok()?;
        reader = ahead;
    }
    None
}

/// Says which properties there are.
fn check(mut reader: Reader<'_>, allowed: Allowed) -> Result<PropertySet, Error> {
    let mut seen = PropertySet::EMPTY;
    while !reader.is_empty() {
        let start = reader.at();
        let id = read_id(&mut reader)?;
        if let Some(rule) = allowed.rule_against(id, &mut seen) {
            return Err(reader.error_at(rule, start));
        }
        Property::decode_value(id, &mut reader)?;
    }
    Ok(seen)
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::*;

    #[test]
    fn property_is_found_behind_properties_of_every_form() {
        let before = [
            Property::PayloadFormatIndicator(1),
            Property::ServerKeepAlive(7),
            Property::MessageExpiryInterval(7),
            Property::SubscriptionIdentifier(300),
            Property::ContentType("text"),
            Property::CorrelationData(&[0xff]),
            Property::UserProperty("name", "value"),
        ];
        for count in 0..=before.len() {
            let mut list = Vec::from(&before[..count]);
            list.push(Property::TopicAlias(9));
            let mut wire = Vec::new();
            Properties::from_slice(&list).encode_body(&mut wire);
            let properties = Properties::from_checked_wire(&wire);
            assert_eq!(properties.topic_alias(), Some(9), "behind {count}");
            assert_eq!(properties.reason_string(), None);
            assert_eq!(properties, Properties::from_slice(&list));
        }
    }

    #[test]
    fn list_in_front_of_the_wire_is_written_and_found_first() {
        let mut wire = Vec::new();
        Property::UserProperty("a", "1").encode(&mut wire);
        let list = [Property::SubscriptionIdentifier(5)];
        let properties = Properties::from_checked_wire(&wire).with_list_before(&list);
        assert_eq!(properties.subscription_identifiers().next(), Some(5));
        assert_eq!(properties.user_properties().next(), Some(("a", "1")));
        let mut bytes = Vec::new();
        properties.encode(&mut bytes);
        assert_eq!(bytes, [9, 0x0b, 5, 0x26, 0, 1, b'a', 0, 1, b'1']);
        assert_eq!(properties.encoded_len(), bytes.len());
    }

    #[test]
    fn wire_with_a_property_of_another_packet_is_refused_with_its_byte() {
        let wire = [0x02, 0, 0, 0, 1, 0x24, 0];
        let error = Properties::from_wire(&wire, PropertySet::PUBLISH).unwrap_err();
        assert_eq!((error.rule(), error.at()), (Rule::PropertyNotAllowed, 5));
    }
}
