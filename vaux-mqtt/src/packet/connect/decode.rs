//! Reading CONNECT, as a server does.

use super::flags::{CLEAN_START, PASSWORD, USER_NAME, WILL, WILL_QOS_SHIFT, WILL_RETAIN};
use super::{Connect, Will};
use crate::error::{Error, Rule};
use crate::property::{Allowed, Properties, PropertyId, PropertySet};
use crate::reader::Reader;
use crate::topic;
use crate::version::{QoS, Version};

/// The two bits of the will's QoS.
const WILL_QOS: u8 = 0b11 << WILL_QOS_SHIFT;

impl<'a> Connect<'a> {
    pub(in crate::packet) fn decode(reader: &mut Reader<'a>) -> Result<Self, Error> {
        let version = decode_version(reader)?;
        let flags_at = reader.at();
        let flags = reader.u8()?;
        check_connect_flags(flags, version).map_err(|rule| reader.error_at(rule, flags_at))?;
        let keep_alive = reader.u16()?;
        let properties = decode_properties(reader, PropertySet::CONNECT)?;
        if let Some(at) = properties.position(PropertyId::AuthenticationData)
            && properties.authentication_method().is_none()
        {
            let properties_at = reader.at() - properties.body_len();
            return Err(reader.error_at(Rule::AuthenticationDataAlone, properties_at + at));
        }
        require_field(reader, Rule::ClientIdMissing)?;
        let client_id = reader.string()?;
        let will = if flags & WILL != 0 { Some(Will::decode(reader, flags)?) } else { None };
        // In 3.1 a flag whose field is not there counts as absent.
        let is_present = |flag: u8, reader: &Reader<'_>| {
            flags & flag != 0 && !(version == Version::V31 && reader.is_empty())
        };
        let mut user_name = None;
        if is_present(USER_NAME, reader) {
            require_field(reader, Rule::UserNameMissing)?;
            user_name = Some(reader.string()?);
        }
        let mut password = None;
        if is_present(PASSWORD, reader) {
            require_field(reader, Rule::PasswordMissing)?;
            password = Some(reader.binary()?);
        }
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

fn decode_properties<'a>(reader: &mut Reader<'a>, allowed: PropertySet) -> Result<Properties<'a>, Error> {
    if !reader.version().has_properties() {
        return Ok(Properties::EMPTY);
    }
    Properties::decode(reader, Allowed::only(allowed))
}

/// Fails when the packet ends before a field that its flags promise.
fn require_field(reader: &Reader<'_>, rule: Rule) -> Result<(), Error> {
    if reader.is_empty() { Err(reader.error(rule)) } else { Ok(()) }
}

impl<'a> Will<'a> {
    fn decode(reader: &mut Reader<'a>, flags: u8) -> Result<Self, Error> {
        require_field(reader, Rule::WillMissing)?;
        let properties = decode_properties(reader, PropertySet::WILL)?;
        require_field(reader, Rule::WillMissing)?;
        let topic_at = reader.at();
        let topic = reader.string()?;
        if topic.is_empty() {
            return Err(reader.error_at(Rule::WillTopicEmpty, topic_at));
        }
        if let Some(at) = topic::wildcard(topic) {
            return Err(reader.error_at(Rule::WillTopicWildcard, topic_at + 2 + at));
        }
        require_field(reader, Rule::WillMissing)?;
        let payload = reader.binary()?;
        Ok(Will {
            qos: QoS::from_bits((flags & WILL_QOS) >> WILL_QOS_SHIFT).unwrap_or_default(),
            retain: flags & WILL_RETAIN != 0,
            properties,
            topic,
            payload,
        })
    }
}
