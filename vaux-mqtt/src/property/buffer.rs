//! Lists of properties that own their bytes.

use alloc::vec::Vec;

use super::{Properties, Property, PropertySet};
use crate::error::Error;
use crate::version::Version;

/// A list of properties that owns its bytes, to be built up or to be kept after the packet is gone.
///
/// It holds the properties as they stand on the wire; an empty one takes no memory.
///
/// ```
/// use vaux_mqtt::property::{Property, PropertyBuffer};
///
/// let mut properties = PropertyBuffer::new();
/// properties.push(Property::ContentType("text/plain"))?;
/// properties.push(Property::UserProperty("unit", "°C"))?;
/// assert_eq!(properties.list().content_type(), Some("text/plain"));
/// # Ok::<(), vaux_mqtt::Error>(())
/// ```
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub struct PropertyBuffer {
    /// Checked bytes.
    wire: Vec<u8>,
}

impl PropertyBuffer {
    /// An empty list.
    pub const fn new() -> Self {
        PropertyBuffer { wire: Vec::new() }
    }

    /// Appends a property.
    ///
    /// # Errors
    ///
    /// A value that the protocol does not allow, such as a string with U+0000 or of more than 65,535 bytes. The list
    /// is then as it was. Which packet the property may stand in is not looked at here.
    pub fn push(&mut self, property: Property<'_>) -> Result<(), Error> {
        property.check().map_err(|rule| Error::new(rule, Version::V5, 0))?;
        property.encode(&mut self.wire);
        Ok(())
    }

    /// The list.
    pub fn list(&self) -> Properties<'_> {
        Properties::from_checked_wire(&self.wire)
    }

    /// Whether there is no property.
    pub fn is_empty(&self) -> bool {
        self.wire.is_empty()
    }

    /// Checks that all properties may stand together in a packet that allows `allowed`.
    ///
    /// # Errors
    ///
    /// The first property that may not, or that is repeated.
    pub fn check(&self, allowed: PropertySet) -> Result<(), Error> {
        Properties::from_wire(&self.wire, allowed).map(|_| ())
    }
}

impl From<Properties<'_>> for PropertyBuffer {
    fn from(properties: Properties<'_>) -> Self {
        if properties.is_empty() {
            return PropertyBuffer::new();
        }
        let mut wire = Vec::with_capacity(properties.body_len());
        properties.encode_body(&mut wire);
        PropertyBuffer { wire }
    }
}

impl core::fmt::Debug for PropertyBuffer {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_list().entries(self.list()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Rule;

    #[test]
    fn properties_keep_their_order() {
        let list =
            [Property::UserProperty("b", "1"), Property::ContentType("x"), Property::UserProperty("b", "1")];
        let mut buffer = PropertyBuffer::new();
        list.iter().for_each(|property| buffer.push(*property).unwrap());
        assert!(buffer.list().iter().eq(list));
        assert_eq!(PropertyBuffer::from(Properties::from_slice(&list)), buffer);
    }

    #[test]
    fn values_that_the_protocol_forbids_are_refused_and_leave_the_list_alone() {
        let mut buffer = PropertyBuffer::new();
        buffer.push(Property::ContentType("x")).unwrap();
        let before = buffer.clone();
        let long = "x".repeat(65_536);
        for (property, rule) in [
            (Property::ResponseTopic("a/#"), Rule::ResponseTopicWildcard),
            (Property::ReasonString("a\0"), Rule::StringHoldsNul),
            (Property::ContentType(&long), Rule::FieldTooLong),
            (Property::ReceiveMaximum(0), Rule::ReceiveMaximumZero),
        ] {
            assert_eq!(buffer.push(property).unwrap_err().rule(), rule);
            assert_eq!(buffer, before);
        }
    }

    #[test]
    fn a_property_of_another_packet_is_found() {
        let mut buffer = PropertyBuffer::new();
        buffer.push(Property::WillDelayInterval(1)).unwrap();
        assert!(buffer.check(PropertySet::WILL).is_ok());
        assert_eq!(buffer.check(PropertySet::PUBLISH).unwrap_err().rule(), Rule::PropertyNotAllowed);
    }
}
