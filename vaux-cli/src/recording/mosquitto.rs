//! Lines of `mosquitto_sub -F %j` and `-F %J`, and of `vaux sub --json`.
//!
//! mosquitto_sub cuts a payload that is no text; such a message is told apart by its length. `%J` lays JSON out anew,
//! so that white space is not what it was.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::Value as Json;
use serde_json::value::RawValue;
use vaux_client::{Message, Property, PropertyBuffer};

use super::{lasting, line};
use crate::input::json;

#[derive(Deserialize)]
struct Text {
    tst: Option<String>,
    time: Option<String>,
    topic: String,
    #[serde(default)]
    qos: u8,
    #[serde(default)]
    retain: Json,
    payloadlen: Option<usize>,
    payload: Option<Box<RawValue>>,
    payload_base64: Option<String>,
    properties: Option<Box<RawValue>>,
}

/// Reads a line. The message is `None` when its payload was cut.
pub(super) fn read(text: &str) -> Result<(Timestamp, Option<Message>), String> {
    let text: Text =
        serde_json::from_str(text).map_err(|error| format!("it is no line of mosquitto_sub: {error}"))?;
    let time = match (&text.time, &text.tst) {
        (Some(time), _) => time.parse().map_err(|error| format!("time is no time: {error}"))?,
        (None, Some(time)) => timestamp(time).ok_or_else(|| format!("tst is no time: {time}"))?,
        (None, None) => return Err("it says no time: neither tst nor time".to_owned()),
    };
    let retain = text.retain == Json::Bool(true) || text.retain == 1;
    let Some(payload) = payload(&text)? else { return Ok((time, None)) };
    let mut message = line::message(text.topic, payload, text.qos, retain)?;
    if let Some(properties) = &text.properties {
        message.properties = lasting(&read_properties(properties.get())?.list());
    }
    Ok((time, Some(message)))
}

/// `2026-11-25T23:41:10.204870Z+0000`, with a Z that means nothing, and forms without it.
fn timestamp(text: &str) -> Option<Timestamp> {
    let text = text.replace("Z+", "+").replace("Z-", "-");
    Timestamp::strptime("%Y-%m-%dT%H:%M:%S%.f%z", &text).ok().or_else(|| text.parse().ok())
}

fn payload(text: &Text) -> Result<Option<Vec<u8>>, String> {
    if let Some(encoded) = &text.payload_base64 {
        let decoded = STANDARD.decode(encoded);
        return decoded.map(Some).map_err(|error| format!("payload_base64 is no base64: {error}"));
    }
    let Some(raw) = text.payload.as_ref().map(|raw| raw.get()) else {
        return Ok(text.payloadlen.is_none_or(|len| len == 0).then(Vec::new));
    };
    if !raw.starts_with('"') {
        return Ok(Some(raw.as_bytes().to_vec()));
    }
    let string: String = serde_json::from_str(raw).map_err(|error| error.to_string())?;
    Ok(match text.payloadlen {
        // `%J` of a payload that is a JSON string.
        Some(len) if len != string.len() => (len == raw.len()).then(|| raw.as_bytes().to_vec()),
        _ => Some(string.into_bytes()),
    })
}

/// The properties: an object in mosquitto's lines, an array in ours.
fn read_properties(text: &str) -> Result<PropertyBuffer, String> {
    let wrong = |error: serde_json::Error| format!("properties: {error}");
    if text.starts_with('[') {
        return json::properties(&serde_json::from_str(text).map_err(wrong)?);
    }
    let mut properties = PropertyBuffer::new();
    let Pairs::<Box<RawValue>>(pairs) = serde_json::from_str(text).map_err(wrong)?;
    for (name, value) in pairs {
        if name == "user-properties" {
            let Pairs::<String>(pairs) = serde_json::from_str(value.get()).map_err(wrong)?;
            for (name, value) in &pairs {
                let pushed = properties.push(Property::UserProperty(name, value));
                pushed.map_err(|error| error.rule().text().to_owned())?;
            }
        } else {
            let value = serde_json::from_str(value.get()).map_err(wrong)?;
            json::push_property(&mut properties, &name, &value)?;
        }
    }
    Ok(properties)
}

/// The members of an object in their order, with names that come more than once.
struct Pairs<V>(Vec<(String, V)>);

impl<'de, V: Deserialize<'de>> Deserialize<'de> for Pairs<V> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members<V>(std::marker::PhantomData<V>);

        impl<'de, V: Deserialize<'de>> Visitor<'de> for Members<V> {
            type Value = Pairs<V>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Pairs<V>, A::Error> {
                let mut pairs = Vec::new();
                while let Some(pair) = map.next_entry()? {
                    pairs.push(pair);
                }
                Ok(Pairs(pairs))
            }
        }

        deserializer.deserialize_map(Members(std::marker::PhantomData))
    }
}
