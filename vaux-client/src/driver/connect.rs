//! CONNECT, made from the options.

use vaux_mqtt::Version;
use vaux_mqtt::error::Rule;
use vaux_mqtt::packet::{Connect, Will};
use vaux_mqtt::property::{Property, PropertyBuffer, PropertySet};
use vaux_mqtt::topic::TopicName;

use crate::authenticator::Authenticator;
use crate::error::ConnectError;
use crate::message::Message;
use crate::options::ConnectOptions;

/// Checks what can be known to be wrong before anything is tried.
pub(super) fn check(options: &ConnectOptions) -> Result<(), ConnectError> {
    check_client(options, &options.client_id)
}

/// As [`check`], for a client that has an identifier of its own.
pub(super) fn check_client(options: &ConnectOptions, client_id: &str) -> Result<(), ConnectError> {
    if options.version != Version::V5 {
        check_without_properties(options)?;
    }
    check_text("client identifier", client_id)?;
    options.user_name.as_deref().map_or(Ok(()), |name| check_text("user name", name))?;
    options.password.as_deref().map_or(Ok(()), |password| check_len("password", password))?;
    match (options.version, client_id.chars().count()) {
        (Version::V31, 0 | 24..) => {
            return error("version 3.1 needs a client identifier of 1 to 23 characters");
        }
        (Version::V311, 0) if !options.clean_start => {
            return error("version 3.1.1 needs a client identifier to keep a session");
        }
        _ => {}
    }
    if options.properties.list().authentication_method().is_some() && options.authenticator.is_some() {
        return error("an authentication method is set, but the authenticator brings its own");
    }
    connect_properties(options, None)?.check(PropertySet::CONNECT).map_err(|error| {
        ConnectError::Options(format!("CONNECT cannot carry this property: {}", error.rule()))
    })?;
    options.will.as_ref().map_or(Ok(()), check_will)?;
    if options.inflight_maximum == Some(0) || options.request_capacity == 0 || options.message_capacity == 0 {
        return error("limits and capacities must be at least 1");
    }
    Ok(())
}

fn check_without_properties(options: &ConnectOptions) -> Result<(), ConnectError> {
    let has_properties = !options.properties.is_empty()
        || options.session_expiry_interval.is_some()
        || options.receive_maximum.is_some()
        || options.topic_alias_maximum.is_some()
        || options.authenticator.is_some()
        || options.will.as_ref().is_some_and(|will| !will.properties.is_empty());
    if has_properties {
        return error("properties and enhanced authentication need version 5.0");
    }
    if options.password.is_some() && options.user_name.is_none() {
        return error("a password without a user name needs version 5.0");
    }
    Ok(())
}

fn check_will(will: &Message) -> Result<(), ConnectError> {
    let invalid = |rule: Rule| ConnectError::Options(format!("the will is not valid: {rule}"));
    TopicName::new(&will.topic).map_err(invalid)?;
    will.properties.check(PropertySet::WILL).map_err(|error| invalid(error.rule()))?;
    check_len("will's payload", &will.payload)
}

fn check_text(what: &str, text: &str) -> Result<(), ConnectError> {
    if text.contains('\0') {
        return Err(ConnectError::Options(format!("the {what} must not hold U+0000")));
    }
    check_len(what, text.as_bytes())
}

fn check_len(what: &str, bytes: &[u8]) -> Result<(), ConnectError> {
    if bytes.len() > usize::from(u16::MAX) {
        return Err(ConnectError::Options(format!("the {what} is longer than 65,535 bytes")));
    }
    Ok(())
}

fn error(text: &str) -> Result<(), ConnectError> {
    Err(ConnectError::Options(text.to_owned()))
}

/// The properties of CONNECT.
pub(super) fn connect_properties(
    options: &ConnectOptions,
    authenticator: Option<&mut dyn Authenticator>,
) -> Result<PropertyBuffer, ConnectError> {
    let mut properties = options.properties.clone();
    if options.version != Version::V5 {
        return Ok(properties);
    }
    let set = [
        options.session_expiry_interval.map(Property::SessionExpiryInterval),
        options.receive_maximum.map(Property::ReceiveMaximum),
        options.maximum_packet_size.map(Property::MaximumPacketSize),
        options.topic_alias_maximum.map(Property::TopicAliasMaximum),
    ];
    let invalid = |error: vaux_mqtt::Error| ConnectError::Options(error.rule().to_string());
    set.into_iter().flatten().try_for_each(|property| properties.push(property)).map_err(invalid)?;
    if let Some(authenticator) = authenticator {
        let data = authenticator.begin().map_err(ConnectError::Authentication)?;
        properties.push(Property::AuthenticationMethod(authenticator.method())).map_err(invalid)?;
        if let Some(data) = &data {
            properties.push(Property::AuthenticationData(data)).map_err(invalid)?;
        }
    }
    Ok(properties)
}

/// CONNECT, from options that were checked.
pub(super) fn packet<'a>(
    options: &'a ConnectOptions,
    client_id: &'a str,
    clean_start: bool,
    properties: &'a PropertyBuffer,
) -> Connect<'a> {
    let will = options.will.as_ref().map(|will| Will {
        qos: will.qos,
        retain: will.retain,
        properties: will.properties.list(),
        topic: &will.topic,
        payload: &will.payload,
    });
    Connect {
        clean_start,
        keep_alive: options.keep_alive,
        properties: properties.list(),
        will,
        user_name: options.user_name.as_deref(),
        password: options.password.as_deref(),
        ..Connect::new(options.version, client_id)
    }
}
