//! CONNECT: a client asks for a session.

#[cfg(feature = "server")]
use crate::error::{Error, Rule};
#[cfg(feature = "server")]
use crate::frame::Frame;
use crate::property::Properties;
#[cfg(feature = "server")]
use crate::property::PropertySet;
#[cfg(feature = "server")]
use crate::reader::Reader;
#[cfg(feature = "server")]
use crate::topic::TopicName;
use crate::version::{QoS, Version};
#[cfg(feature = "client")]
use crate::writer::{Writer, binary_len, write_binary};

/// CONNECT.
///
/// ```
/// # #[cfg(all(feature = "client", feature = "alloc"))] {
/// use vaux_mqtt::{Version, packet::Connect};
///
/// let mut bytes = Vec::new();
/// Connect { clean_start: true, keep_alive: 60, ..Connect::new(Version::V311, "") }.encode(&mut bytes);
/// assert_eq!(bytes, [0x10, 12, 0, 4, b'M', b'Q', b'T', b'T', 4, 2, 0, 60, 0, 0]);
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connect<'a> {
    /// The version that the client speaks.
    pub version: Version,
    /// Clean Start in version 5.0, Clean Session before.
    pub clean_start: bool,
    /// The longest silence in seconds, 0 for any.
    pub keep_alive: u16,
    /// Properties of the connection.
    pub properties: Properties<'a>,
    /// The client identifier, empty to have one assigned.
    pub client_id: &'a str,
    /// The message to publish when the connection is lost.
    pub will: Option<Will<'a>>,
    /// The user name.
    pub user_name: Option<&'a str>,
    /// The password.
    pub password: Option<&'a [u8]>,
}

/// The will in a CONNECT.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Will<'a> {
    /// The QoS of the message.
    pub qos: QoS,
    /// Whether the message is to be retained.
    pub retain: bool,
    /// The message's properties and the will delay.
    pub properties: Properties<'a>,
    /// The topic name, checked to be valid when decoded.
    pub topic: &'a str,
    /// The payload.
    pub payload: &'a [u8],
}

const CLEAN_START: u8 = 1 << 1;
const WILL: u8 = 1 << 2;
const WILL_QOS: u8 = 0b11 << 3;
const WILL_RETAIN: u8 = 1 << 5;
const PASSWORD: u8 = 1 << 6;
const USER_NAME: u8 = 1 << 7;

impl<'a> Connect<'a> {
    /// A CONNECT without a will, credentials and properties, with clean start off and keep alive 0.
    pub const fn new(version: Version, client_id: &'a str) -> Self {
        Connect {
            version,
            clean_start: false,
            keep_alive: 0,
            properties: Properties::EMPTY,
            client_id,
            will: None,
            user_name: None,
            password: None,
        }
    }
}

#[cfg(feature = "server")]
impl<'a> Connect<'a> {
    pub(super) fn decode(frame: &Frame<'a>, reader: &mut Reader<'a>) -> Result<Self, Error> {
        let version = decode_version(reader)?;
        super::check_overlong(frame, version)?;
        let flags_at = reader.at();
        let flags = reader.u8()?;
        check_connect_flags(flags, version).map_err(|rule| reader.error_at(rule, flags_at))?;
        let keep_alive = reader.u16()?;
        let properties = decode_properties(reader, PropertySet::CONNECT)?;
        if properties.authentication_data().is_some() && properties.authentication_method().is_none() {
            return Err(reader.error_at(Rule::AuthenticationDataAlone, flags_at + 3));
        }
        let client_id = reader.string()?;
        let will = if flags & WILL != 0 { Some(Will::decode(reader, flags)?) } else { None };
        // In 3.1 a flag whose field is not there counts as absent.
        let is_present = |flag: u8, reader: &Reader<'_>| {
            flags & flag != 0 && !(version == Version::V31 && reader.is_empty())
        };
        let user_name = if is_present(USER_NAME, reader) { Some(reader.string()?) } else { None };
        let password = if is_present(PASSWORD, reader) { Some(reader.binary()?) } else { None };
        Ok(Connect {
            version,
            clean_start: flags & CLEAN_START != 0,
            keep_alive,
            properties,
            client_id,
            will,
            user_name,
            password,
        })
    }
}

#[cfg(feature = "server")]
fn decode_version(reader: &mut Reader<'_>) -> Result<Version, Error> {
    let start = reader.at();
    let name = reader.binary()?;
    if name != b"MQTT" && name != b"MQIsdp" {
        return Err(reader.error_at(Rule::ProtocolName, start));
    }
    let level_at = reader.at();
    let version =
        Version::from_level(reader.u8()?).ok_or_else(|| reader.error_at(Rule::ProtocolVersion, level_at))?;
    if version.protocol_name().as_bytes() != name {
        return Err(reader.error_at(Rule::ProtocolVersion, level_at));
    }
    reader.set_version(version);
    Ok(version)
}

#[cfg(feature = "server")]
fn check_connect_flags(flags: u8, version: Version) -> Result<(), Rule> {
    if flags & 1 != 0 {
        return Err(Rule::ConnectFlagsReserved);
    }
    if flags & WILL_QOS == WILL_QOS {
        return Err(Rule::WillQosBits);
    }
    if flags & WILL == 0 && flags & WILL_QOS != 0 {
        return Err(Rule::WillQosWithoutWill);
    }
    if flags & WILL == 0 && flags & WILL_RETAIN != 0 {
        return Err(Rule::WillRetainWithoutWill);
    }
    if flags & PASSWORD != 0 && flags & USER_NAME == 0 && !version.has_properties() {
        return Err(Rule::PasswordWithoutUserName);
    }
    Ok(())
}

#[cfg(feature = "server")]
fn decode_properties<'a>(reader: &mut Reader<'a>, allowed: PropertySet) -> Result<Properties<'a>, Error> {
    if !reader.version().has_properties() {
        return Ok(Properties::EMPTY);
    }
    Properties::decode(reader, allowed, PropertySet::EMPTY)
}

#[cfg(feature = "server")]
impl<'a> Will<'a> {
    fn decode(reader: &mut Reader<'a>, flags: u8) -> Result<Self, Error> {
        let properties = decode_properties(reader, PropertySet::WILL)?;
        let topic_at = reader.at();
        let topic = reader.string()?;
        TopicName::new(topic).map_err(|_| reader.error_at(Rule::WillTopicInvalid, topic_at))?;
        let payload = reader.binary()?;
        Ok(Will {
            qos: QoS::from_bits((flags & WILL_QOS) >> 3).unwrap_or_default(),
            retain: flags & WILL_RETAIN != 0,
            properties,
            topic,
            payload,
        })
    }
}

#[cfg(feature = "client")]
impl Connect<'_> {
    /// Appends the packet.
    pub fn encode(&self, out: &mut impl Writer) {
        super::write_header(super::PacketType::Connect.first_byte(), self.remaining_len(), out);
        write_binary(self.version.protocol_name().as_bytes(), out);
        out.write_u8(self.version.level());
        out.write_u8(self.flags());
        out.write_u16(self.keep_alive);
        if self.version.has_properties() {
            self.properties.encode(out);
        }
        write_binary(self.client_id.as_bytes(), out);
        if let Some(will) = &self.will {
            if self.version.has_properties() {
                will.properties.encode(out);
            }
            write_binary(will.topic.as_bytes(), out);
            write_binary(will.payload, out);
        }
        if let Some(user_name) = self.user_name {
            write_binary(user_name.as_bytes(), out);
        }
        if let Some(password) = self.password {
            write_binary(password, out);
        }
    }

    /// The length of the whole packet.
    pub fn encoded_len(&self) -> usize {
        super::packet_len(self.remaining_len())
    }

    fn flags(&self) -> u8 {
        let will = self
            .will
            .as_ref()
            .map_or(0, |will| WILL | will.qos.bits() << 3 | if will.retain { WILL_RETAIN } else { 0 });
        let flag = |flag, is_set| if is_set { flag } else { 0 };
        flag(CLEAN_START, self.clean_start)
            | will
            | flag(PASSWORD, self.password.is_some())
            | flag(USER_NAME, self.user_name.is_some())
    }

    fn remaining_len(&self) -> usize {
        let properties_len = |properties: &Properties<'_>| {
            if self.version.has_properties() { properties.encoded_len() } else { 0 }
        };
        let will_len = self.will.as_ref().map_or(0, |will| {
            properties_len(&will.properties) + binary_len(will.topic.as_bytes()) + binary_len(will.payload)
        });
        binary_len(self.version.protocol_name().as_bytes())
            + 4
            + properties_len(&self.properties)
            + binary_len(self.client_id.as_bytes())
            + will_len
            + self.user_name.map_or(0, |user_name| binary_len(user_name.as_bytes()))
            + self.password.map_or(0, binary_len)
    }
}
