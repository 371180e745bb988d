//! Properties of version 5.0: which there are, where each may stand, and lists of them.
//!
//! A list borrows: either the bytes of a packet, checked when it was decoded, or a slice of [`Property`] values that
//! is to be encoded. Order and repeated user properties are kept.

mod allowed;
#[cfg(feature = "alloc")]
mod buffer;
mod id;
mod list;

pub(crate) use allowed::Allowed;
#[cfg(feature = "alloc")]
pub use buffer::PropertyBuffer;
pub(crate) use id::Form;
pub use id::{PropertyId, PropertySet};
pub use list::{Properties, PropertyIter};

use crate::error::{Error, Rule};
use crate::reader::Reader;
use crate::string;
use crate::topic::{self, TopicName};
use crate::varint;
use crate::writer::{Writer, binary_len, write_binary};

/// One property with its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Property<'a> {
    /// Whether the payload is UTF-8 text (1) or unspecified bytes (0).
    PayloadFormatIndicator(u8),
    /// Seconds until the message expires.
    MessageExpiryInterval(u32),
    /// What the payload is, by convention a MIME type.
    ContentType(&'a str),
    /// The topic to answer to.
    ResponseTopic(&'a str),
    /// What the requester recognizes an answer by.
    CorrelationData(&'a [u8]),
    /// The identifier of a subscription, 1 to 268,435,455.
    SubscriptionIdentifier(u32),
    /// Seconds that the session outlives its connection; `u32::MAX` is for ever.
    SessionExpiryInterval(u32),
    /// The client identifier that the server chose.
    AssignedClientIdentifier(&'a str),
    /// The keep alive in seconds that the server wants instead of the client's.
    ServerKeepAlive(u16),
    /// The name of the enhanced authentication method.
    AuthenticationMethod(&'a str),
    /// Data of the enhanced authentication method.
    AuthenticationData(&'a [u8]),
    /// Whether reason strings and user properties are wanted with failures (0 or 1).
    RequestProblemInformation(u8),
    /// Seconds to wait before the will is published.
    WillDelayInterval(u32),
    /// Whether response information is wanted in CONNACK (0 or 1).
    RequestResponseInformation(u8),
    /// From what response topics are to be made.
    ResponseInformation(&'a str),
    /// Other servers to use.
    ServerReference(&'a str),
    /// An explanation for people.
    ReasonString(&'a str),
    /// How many unacknowledged messages with QoS above 0 the sender accepts, 1 to 65,535.
    ReceiveMaximum(u16),
    /// The highest topic alias that the sender accepts.
    TopicAliasMaximum(u16),
    /// A number that stands for the topic.
    TopicAlias(u16),
    /// The highest QoS that the server supports, 0 or 1.
    MaximumQos(u8),
    /// Whether the server retains messages (0 or 1).
    RetainAvailable(u8),
    /// A name and a value of the application's own.
    UserProperty(&'a str, &'a str),
    /// The largest packet in bytes that the sender accepts.
    MaximumPacketSize(u32),
    /// Whether the server takes wildcard subscriptions (0 or 1).
    WildcardSubscriptionAvailable(u8),
    /// Whether the server takes subscription identifiers (0 or 1).
    SubscriptionIdentifierAvailable(u8),
    /// Whether the server takes shared subscriptions (0 or 1).
    SharedSubscriptionAvailable(u8),
}

impl<'a> Property<'a> {
    /// Which property it is.
    pub const fn id(&self) -> PropertyId {
        match self {
            Property::PayloadFormatIndicator(_) => PropertyId::PayloadFormatIndicator,
            Property::MessageExpiryInterval(_) => PropertyId::MessageExpiryInterval,
            Property::ContentType(_) => PropertyId::ContentType,
            Property::ResponseTopic(_) => PropertyId::ResponseTopic,
            Property::CorrelationData(_) => PropertyId::CorrelationData,
            Property::SubscriptionIdentifier(_) => PropertyId::SubscriptionIdentifier,
            Property::SessionExpiryInterval(_) => PropertyId::SessionExpiryInterval,
            Property::AssignedClientIdentifier(_) => PropertyId::AssignedClientIdentifier,
            Property::ServerKeepAlive(_) => PropertyId::ServerKeepAlive,
            Property::AuthenticationMethod(_) => PropertyId::AuthenticationMethod,
            Property::AuthenticationData(_) => PropertyId::AuthenticationData,
            Property::RequestProblemInformation(_) => PropertyId::RequestProblemInformation,
            Property::WillDelayInterval(_) => PropertyId::WillDelayInterval,
            Property::RequestResponseInformation(_) => PropertyId::RequestResponseInformation,
            Property::ResponseInformation(_) => PropertyId::ResponseInformation,
            Property::ServerReference(_) => PropertyId::ServerReference,
            Property::ReasonString(_) => PropertyId::ReasonString,
            Property::ReceiveMaximum(_) => PropertyId::ReceiveMaximum,
            Property::TopicAliasMaximum(_) => PropertyId::TopicAliasMaximum,
            Property::TopicAlias(_) => PropertyId::TopicAlias,
            Property::MaximumQos(_) => PropertyId::MaximumQos,
            Property::RetainAvailable(_) => PropertyId::RetainAvailable,
            Property::UserProperty(..) => PropertyId::UserProperty,
            Property::MaximumPacketSize(_) => PropertyId::MaximumPacketSize,
            Property::WildcardSubscriptionAvailable(_) => PropertyId::WildcardSubscriptionAvailable,
            Property::SubscriptionIdentifierAvailable(_) => PropertyId::SubscriptionIdentifierAvailable,
            Property::SharedSubscriptionAvailable(_) => PropertyId::SharedSubscriptionAvailable,
        }
    }

    /// Whether the value is one that the protocol allows and that can be written. Which packet the property may stand in is
    /// another matter.
    ///
    /// # Errors
    ///
    /// The rule that it breaks.
    pub fn check(&self) -> Result<(), Rule> {
        let require = |is_valid: bool, rule: Rule| if is_valid { Ok(()) } else { Err(rule) };
        match *self {
            Property::PayloadFormatIndicator(value) => require(value <= 1, Rule::PayloadFormatRange),
            Property::RequestProblemInformation(value) | Property::RequestResponseInformation(value) => {
                require(value <= 1, Rule::RequestInformationRange)
            }
            Property::MaximumQos(value)
            | Property::RetainAvailable(value)
            | Property::WildcardSubscriptionAvailable(value)
            | Property::SubscriptionIdentifierAvailable(value)
            | Property::SharedSubscriptionAvailable(value) => require(value <= 1, Rule::PropertyFlagRange),
            Property::ReceiveMaximum(value) => require(value != 0, Rule::ReceiveMaximumZero),
            Property::TopicAlias(value) => require(value != 0, Rule::TopicAliasZero),
            Property::MaximumPacketSize(value) => require(value != 0, Rule::MaximumPacketSizeZero),
            Property::SubscriptionIdentifier(value) => {
                require(value != 0, Rule::SubscriptionIdentifierZero)?;
                require(value <= varint::MAX, Rule::VarintTooLong)
            }
            Property::ServerKeepAlive(_)
            | Property::TopicAliasMaximum(_)
            | Property::MessageExpiryInterval(_)
            | Property::SessionExpiryInterval(_)
            | Property::WillDelayInterval(_) => Ok(()),
            Property::ResponseTopic(value) => TopicName::new(value).map(|_| ()).map_err(|rule| match rule {
                Rule::TopicEmpty => Rule::ResponseTopicEmpty,
                Rule::TopicWildcard => Rule::ResponseTopicWildcard,
                rule => rule,
            }),
            Property::ContentType(value)
            | Property::AssignedClientIdentifier(value)
            | Property::AuthenticationMethod(value)
            | Property::ResponseInformation(value)
            | Property::ServerReference(value)
            | Property::ReasonString(value) => string::check_field(value),
            Property::CorrelationData(value) | Property::AuthenticationData(value) => {
                string::check_field_len(value)
            }
            Property::UserProperty(name, value) => {
                string::check_field(name)?;
                string::check_field(value)
            }
        }
    }

    /// Its length on the wire, the identifier included.
    pub fn encoded_len(&self) -> usize {
        1 + match *self {
            Property::PayloadFormatIndicator(_)
            | Property::RequestProblemInformation(_)
            | Property::RequestResponseInformation(_)
            | Property::MaximumQos(_)
            | Property::RetainAvailable(_)
            | Property::WildcardSubscriptionAvailable(_)
            | Property::SubscriptionIdentifierAvailable(_)
            | Property::SharedSubscriptionAvailable(_) => 1,
            Property::ServerKeepAlive(_)
            | Property::ReceiveMaximum(_)
            | Property::TopicAliasMaximum(_)
            | Property::TopicAlias(_) => 2,
            Property::MessageExpiryInterval(_)
            | Property::SessionExpiryInterval(_)
            | Property::WillDelayInterval(_)
            | Property::MaximumPacketSize(_) => 4,
            Property::SubscriptionIdentifier(value) => varint::len(value),
            Property::ContentType(value)
            | Property::ResponseTopic(value)
            | Property::AssignedClientIdentifier(value)
            | Property::AuthenticationMethod(value)
            | Property::ResponseInformation(value)
            | Property::ServerReference(value)
            | Property::ReasonString(value) => binary_len(value.as_bytes()),
            Property::CorrelationData(value) | Property::AuthenticationData(value) => binary_len(value),
            Property::UserProperty(name, value) => binary_len(name.as_bytes()) + binary_len(value.as_bytes()),
        }
    }

    /// Appends the property as it stands on the wire.
    pub fn encode(&self, out: &mut impl Writer) {
        out.write_u8(self.id() as u8);
        match *self {
            Property::PayloadFormatIndicator(value)
            | Property::RequestProblemInformation(value)
            | Property::RequestResponseInformation(value)
            | Property::MaximumQos(value)
            | Property::RetainAvailable(value)
            | Property::WildcardSubscriptionAvailable(value)
            | Property::SubscriptionIdentifierAvailable(value)
            | Property::SharedSubscriptionAvailable(value) => out.write_u8(value),
            Property::ServerKeepAlive(value)
            | Property::ReceiveMaximum(value)
            | Property::TopicAliasMaximum(value)
            | Property::TopicAlias(value) => out.write_u16(value),
            Property::MessageExpiryInterval(value)
            | Property::SessionExpiryInterval(value)
            | Property::WillDelayInterval(value)
            | Property::MaximumPacketSize(value) => out.write_u32(value),
            Property::SubscriptionIdentifier(value) => varint::write(value, out),
            Property::ContentType(value)
            | Property::ResponseTopic(value)
            | Property::AssignedClientIdentifier(value)
            | Property::AuthenticationMethod(value)
            | Property::ResponseInformation(value)
            | Property::ServerReference(value)
            | Property::ReasonString(value) => write_binary(value.as_bytes(), out),
            Property::CorrelationData(value) | Property::AuthenticationData(value) => {
                write_binary(value, out)
            }
            Property::UserProperty(name, value) => {
                write_binary(name.as_bytes(), out);
                write_binary(value.as_bytes(), out);
            }
        }
    }

    /// Reads the value of the property `id`, checking its range.
    fn decode_value(id: PropertyId, reader: &mut Reader<'a>) -> Result<Property<'a>, Error> {
        let start = reader.at();
        let flag = |reader: &mut Reader<'a>, rule: Rule| match reader.u8()? {
            value @ 0..=1 => Ok(value),
            _ => Err(reader.error_at(rule, start)),
        };
        let require = |valid: bool, rule: Rule, reader: &Reader<'a>| {
            if valid { Ok(()) } else { Err(reader.error_at(rule, start)) }
        };
        Ok(match id {
            PropertyId::PayloadFormatIndicator => {
                Property::PayloadFormatIndicator(flag(reader, Rule::PayloadFormatRange)?)
            }
            PropertyId::MessageExpiryInterval => Property::MessageExpiryInterval(reader.u32()?),
            PropertyId::ContentType => Property::ContentType(reader.string()?),
            PropertyId::ResponseTopic => {
                let topic = reader.string()?;
                require(!topic.is_empty(), Rule::ResponseTopicEmpty, reader)?;
                if let Some(at) = topic::wildcard(topic) {
                    return Err(reader.error_at(Rule::ResponseTopicWildcard, start + 2 + at));
                }
                Property::ResponseTopic(topic)
            }
            PropertyId::CorrelationData => Property::CorrelationData(reader.binary()?),
            PropertyId::SubscriptionIdentifier => {
                let value = reader.varint()?;
                require(value != 0, Rule::SubscriptionIdentifierZero, reader)?;
                Property::SubscriptionIdentifier(value)
            }
            PropertyId::SessionExpiryInterval => Property::SessionExpiryInterval(reader.u32()?),
            PropertyId::AssignedClientIdentifier => Property::AssignedClientIdentifier(reader.string()?),
            PropertyId::ServerKeepAlive => Property::ServerKeepAlive(reader.u16()?),
            PropertyId::AuthenticationMethod => Property::AuthenticationMethod(reader.string()?),
            PropertyId::AuthenticationData => Property::AuthenticationData(reader.binary()?),
            PropertyId::RequestProblemInformation => {
                Property::RequestProblemInformation(flag(reader, Rule::RequestInformationRange)?)
            }
            PropertyId::WillDelayInterval => Property::WillDelayInterval(reader.u32()?),
            PropertyId::RequestResponseInformation => {
                Property::RequestResponseInformation(flag(reader, Rule::RequestInformationRange)?)
            }
            PropertyId::ResponseInformation => Property::ResponseInformation(reader.string()?),
            PropertyId::ServerReference => Property::ServerReference(reader.string()?),
            PropertyId::ReasonString => Property::ReasonString(reader.string()?),
            PropertyId::ReceiveMaximum => {
                let value = reader.u16()?;
                require(value != 0, Rule::ReceiveMaximumZero, reader)?;
                Property::ReceiveMaximum(value)
            }
            PropertyId::TopicAliasMaximum => Property::TopicAliasMaximum(reader.u16()?),
            PropertyId::TopicAlias => {
                let value = reader.u16()?;
                require(value != 0, Rule::TopicAliasZero, reader)?;
                Property::TopicAlias(value)
            }
            PropertyId::MaximumQos => Property::MaximumQos(flag(reader, Rule::PropertyFlagRange)?),
            PropertyId::RetainAvailable => Property::RetainAvailable(flag(reader, Rule::PropertyFlagRange)?),
            PropertyId::UserProperty => Property::UserProperty(reader.string()?, reader.string()?),
            PropertyId::MaximumPacketSize => {
                let value = reader.u32()?;
                require(value != 0, Rule::MaximumPacketSizeZero, reader)?;
                Property::MaximumPacketSize(value)
            }
            PropertyId::WildcardSubscriptionAvailable => {
                Property::WildcardSubscriptionAvailable(flag(reader, Rule::PropertyFlagRange)?)
            }
            PropertyId::SubscriptionIdentifierAvailable => {
                Property::SubscriptionIdentifierAvailable(flag(reader, Rule::PropertyFlagRange)?)
            }
            PropertyId::SharedSubscriptionAvailable => {
                Property::SharedSubscriptionAvailable(flag(reader, Rule::PropertyFlagRange)?)
            }
        })
    }
}
