//! Messages as JSON: ours, which loses nothing, and the one of mosquitto_sub's `%j` and `%J`.

use std::io::{self, Write};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Zoned;
use serde::Serialize;
use serde::ser::SerializeMap;
use serde_json::Value as Json;
use serde_json::ser::{Formatter, Serializer};
use vaux_client::{Message, Property};
use vaux_mqtt::property::Properties;

use super::json::{Object, properties, property_name, property_value, set_bytes};

/// What the payload is in `%j` and `%J`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Payload {
    /// Text, which becomes a string.
    Text,
    /// JSON, which becomes part of the object.
    Json,
}

/// Writes a message as an object that holds all of it.
pub(crate) fn write(out: &mut impl Write, message: &Message, now: &Zoned, pretty: bool) -> io::Result<()> {
    let mut object = Object::new();
    let mut set = |name: &str, value: Json| object.insert(name.to_owned(), value);
    set("time", now.timestamp().strftime("%Y-%m-%dT%H:%M:%S.%6fZ").to_string().into());
    set("topic", (&*message.topic).into());
    set("qos", message.qos.bits().into());
    set("retain", message.retain.into());
    set("dup", message.dup.into());
    if let Some(packet_id) = message.packet_id {
        set("packet_id", packet_id.value().into());
    }
    if !message.properties.is_empty() {
        set("properties", properties(&message.properties.list(), true));
    }
    set_bytes(&mut object, "payload", &message.payload);
    if pretty {
        serde_json::to_writer_pretty(out, &object).map_err(io::Error::from)
    } else {
        serde_json::to_writer(out, &object).map_err(io::Error::from)
    }
}

/// Writes a message as mosquitto_sub does, except that a payload that is no text stands in `payload_base64`. Returns
/// whether the payload is what it should be; if not, nothing is written.
pub(crate) fn write_mosquitto(
    out: &mut impl Write,
    message: &Message,
    now: &Zoned,
    payload: Payload,
    pretty: bool,
) -> io::Result<bool> {
    let payload_json = match payload {
        Payload::Json if !message.payload.is_empty() => match serde_json::from_slice(&message.payload) {
            Ok(value) => Some(value),
            Err(_) => return Ok(false),
        },
        _ => None,
    };
    let object = MosquittoMessage { message, now, payload_json };
    if pretty {
        object.serialize(&mut Serializer::with_formatter(out, TabFormatter::default()))?;
    } else {
        object.serialize(&mut Serializer::new(out))?;
    }
    Ok(true)
}

struct MosquittoMessage<'a> {
    message: &'a Message,
    now: &'a Zoned,
    payload_json: Option<Json>,
}

impl Serialize for MosquittoMessage<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let message = self.message;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("tst", &self.now.strftime("%Y-%m-%dT%H:%M:%S.%6f%z").to_string())?;
        map.serialize_entry("topic", &*message.topic)?;
        map.serialize_entry("qos", &message.qos.bits())?;
        map.serialize_entry("retain", &u8::from(message.retain))?;
        map.serialize_entry("payloadlen", &message.payload.len())?;
        if let Some(packet_id) = message.packet_id {
            map.serialize_entry("mid", &packet_id.value())?;
        }
        if !message.properties.is_empty() {
            map.serialize_entry("properties", &MosquittoProperties(message.properties.list()))?;
        }
        match (&self.payload_json, str::from_utf8(&message.payload)) {
            (Some(payload), _) => map.serialize_entry("payload", payload)?,
            (None, Ok("")) => map.serialize_entry("payload", &())?,
            (None, Ok(text)) => map.serialize_entry("payload", text)?,
            (None, Err(_)) => map.serialize_entry("payload_base64", &STANDARD.encode(&message.payload))?,
        }
        map.end()
    }
}

/// Properties as an object, with the user properties in an object of their own at the place of the first.
struct MosquittoProperties<'a>(Properties<'a>);

impl Serialize for MosquittoProperties<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        let mut told_user_properties = false;
        for property in self.0 {
            if let Property::UserProperty(..) = property {
                if !told_user_properties {
                    map.serialize_entry("user-properties", &UserProperties(self.0))?;
                }
                told_user_properties = true;
                continue;
            }
            map.serialize_entry(&property_name(property.id()), &property_value(&property))?;
        }
        map.end()
    }
}

/// User properties as an object. A name that comes twice stands in it twice, as in mosquitto's.
struct UserProperties<'a>(Properties<'a>);

impl Serialize for UserProperties<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.user_properties())
    }
}

/// JSON as mosquitto lays it out: tabs in front and behind the colon, arrays on one line.
#[derive(Debug, Default)]
struct TabFormatter {
    depth: usize,
}

impl TabFormatter {
    fn new_line<W: Write + ?Sized>(&self, out: &mut W) -> io::Result<()> {
        out.write_all(b"\n")?;
        (0..self.depth).try_for_each(|_| out.write_all(b"\t"))
    }
}

impl Formatter for TabFormatter {
    fn begin_object<W: Write + ?Sized>(&mut self, out: &mut W) -> io::Result<()> {
        self.depth += 1;
        out.write_all(b"{")
    }

    fn end_object<W: Write + ?Sized>(&mut self, out: &mut W) -> io::Result<()> {
        self.depth -= 1;
        self.new_line(out)?;
        out.write_all(b"}")
    }

    fn begin_object_key<W: Write + ?Sized>(&mut self, out: &mut W, first: bool) -> io::Result<()> {
        if !first {
            out.write_all(b",")?;
        }
        self.new_line(out)
    }

    fn begin_object_value<W: Write + ?Sized>(&mut self, out: &mut W) -> io::Result<()> {
        out.write_all(b":\t")
    }

    fn begin_array<W: Write + ?Sized>(&mut self, out: &mut W) -> io::Result<()> {
        self.depth += 1;
        out.write_all(b"[")
    }

    fn end_array<W: Write + ?Sized>(&mut self, out: &mut W) -> io::Result<()> {
        self.depth -= 1;
        out.write_all(b"]")
    }

    fn begin_array_value<W: Write + ?Sized>(&mut self, out: &mut W, first: bool) -> io::Result<()> {
        if first { Ok(()) } else { out.write_all(b", ") }
    }
}
