//! Writing `rec/1`.

use std::io::{self, Write};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value as Json;
use vaux_client::{Message, Version};

use super::{FORM, lasting};
use crate::output::json::properties;

/// The first line.
#[derive(Clone, Debug)]
pub(crate) struct Header {
    /// When the recording began.
    pub(crate) start: Timestamp,
    /// Host and port of the broker.
    pub(crate) broker: String,
    /// The version that was spoken.
    pub(crate) version: Version,
    /// What was subscribed to.
    pub(crate) filters: Vec<String>,
}

#[derive(Serialize)]
struct HeaderLine<'a> {
    vaux: &'static str,
    start: String,
    broker: &'a str,
    v: u16,
    filters: &'a [String],
}

#[derive(Serialize)]
struct RecordLine<'a> {
    us: u64,
    t: &'a str,
    q: u8,
    r: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    p: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    b64: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    props: Option<Json>,
}

/// Writes the first line.
pub(crate) fn write_header(out: &mut impl Write, header: &Header) -> io::Result<()> {
    let line = HeaderLine {
        vaux: FORM,
        start: header.start.strftime("%Y-%m-%dT%H:%M:%S.%6fZ").to_string(),
        broker: &header.broker,
        v: match header.version {
            Version::V31 => 31,
            Version::V311 => 311,
            Version::V5 => 5,
        },
        filters: &header.filters,
    };
    serde_json::to_writer(&mut *out, &line)?;
    out.write_all(b"\n")
}

/// Writes the line of a message that arrived `us` microseconds after the start.
pub(crate) fn write_record(out: &mut impl Write, us: u64, message: &Message) -> io::Result<()> {
    let text = str::from_utf8(&message.payload).ok();
    let lasting = lasting(&message.properties.list());
    let line = RecordLine {
        us,
        t: &message.topic,
        q: message.qos.bits(),
        r: message.retain,
        p: text,
        b64: text.is_none().then(|| STANDARD.encode(&message.payload)),
        props: (!lasting.is_empty()).then(|| properties(&lasting.list(), true)),
    };
    serde_json::to_writer(&mut *out, &line)?;
    out.write_all(b"\n")
}
