//! The lines of `rec/1`, read.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value as Json;
use vaux_client::{Message, QoS};
use vaux_mqtt::topic::TopicName;

use super::{FORM, Record, lasting};
use crate::input::json;

/// A line.
#[derive(Debug)]
pub(super) enum Line {
    /// What a recording, or a part of it, begins with.
    Header {
        /// When it began.
        start: Timestamp,
        /// Host and port of the broker.
        broker: Option<String>,
    },
    /// A message.
    Record(Record),
}

#[derive(Deserialize)]
struct HeaderText {
    vaux: String,
    start: String,
    broker: Option<String>,
}

#[derive(Deserialize)]
struct RecordText {
    us: u64,
    t: String,
    #[serde(default)]
    q: u8,
    #[serde(default)]
    r: bool,
    p: Option<String>,
    b64: Option<String>,
    props: Option<Json>,
}

/// Reads a line. Keys that are not known are ignored.
pub(super) fn read(text: &str) -> Result<Line, String> {
    #[derive(Deserialize)]
    struct Kind {
        vaux: Option<String>,
    }
    let wrong = |error: serde_json::Error| format!("it is no line of a recording: {error}");
    let kind: Kind = serde_json::from_str(text).map_err(wrong)?;
    if kind.vaux.is_some() {
        header(serde_json::from_str(text).map_err(wrong)?)
    } else {
        record(serde_json::from_str(text).map_err(wrong)?).map(Line::Record)
    }
}

fn header(header: HeaderText) -> Result<Line, String> {
    if header.vaux != FORM {
        return Err(format!("the form is {}, and not the {FORM} that is known here", header.vaux));
    }
    let start = header.start.parse().map_err(|error| format!("start is no time: {error}"))?;
    Ok(Line::Header { start, broker: header.broker })
}

fn record(text: RecordText) -> Result<Record, String> {
    let payload = match (text.p, text.b64) {
        (Some(_), Some(_)) => return Err("it has both p and b64".to_owned()),
        (Some(text), None) => text.into_bytes(),
        (None, Some(encoded)) => {
            STANDARD.decode(encoded).map_err(|error| format!("b64 is no base64: {error}"))?
        }
        (None, None) => return Err("it has neither p nor b64".to_owned()),
    };
    let mut message = message(text.t, payload, text.q, text.r)?;
    if let Some(list) = &text.props {
        message.properties = lasting(&json::properties(list)?.list());
    }
    Ok(Record { us: text.us, message })
}

/// A message, if it can be published.
pub(super) fn message(
    topic: String,
    payload: impl Into<Bytes>,
    qos: u8,
    retain: bool,
) -> Result<Message, String> {
    TopicName::new(&topic).map_err(|rule| format!("the topic {topic:?}: {}", rule.text()))?;
    let qos = Some(qos).filter(|&bits| bits <= 2).and_then(QoS::from_bits);
    let qos = qos.ok_or("the QoS is none of 0, 1 and 2")?;
    Ok(Message::new(topic, payload).qos(qos).retain(retain))
}
