//! `--lines-format`: lines that say more than a payload.

use std::str::FromStr;

use bytes::Bytes;
use serde_json::{Map, Value as Json};
use vaux_client::{Message, QoS};
use vaux_mqtt::topic::TopicName;

use crate::input::json;
use crate::input::payload::Encoding;

/// What stands on a line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum LineFormat {
    /// The payload.
    #[default]
    Payload,
    /// The topic, what separates them, and the payload.
    Topic(Vec<u8>),
    /// An object such as `vaux sub --json` prints. What it does not say is what the flags say.
    Json,
}

impl FromStr for LineFormat {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<LineFormat, &'static str> {
        if text == "json" {
            return Ok(LineFormat::Json);
        }
        let separator = text.strip_prefix("topic").and_then(|rest| rest.strip_suffix("payload"));
        match separator.map(|separator| separator.replace("\\t", "\t")) {
            Some(separator) if !separator.is_empty() => Ok(LineFormat::Topic(separator.into_bytes())),
            _ => Err("it is json, or topic and payload with something between them, such as topic\\tpayload"),
        }
    }
}

impl LineFormat {
    /// The message of a line, with the rest taken from `template`.
    pub(super) fn read(
        &self,
        line: Bytes,
        template: &Message,
        encoding: Encoding,
    ) -> Result<Message, String> {
        let mut message = template.clone();
        match self {
            LineFormat::Payload => message.payload = encoding.decode(line)?,
            LineFormat::Topic(separator) => {
                let at = line.windows(separator.len()).position(|window| window == separator);
                let at = at.ok_or("nothing separates topic and payload")?;
                let topic = str::from_utf8(&line[..at]).map_err(|_| "the topic is no text")?;
                message.topic = topic.into();
                message.payload = encoding.decode(line.slice(at + separator.len()..))?;
            }
            LineFormat::Json => read_json(&line, &mut message)?,
        }
        if message.topic.is_empty() {
            return Err("the topic is missing".to_owned());
        }
        match TopicName::new(&message.topic) {
            Ok(_) => Ok(message),
            Err(rule) => Err(format!("the topic {:?}: {}", message.topic, rule.text())),
        }
    }
}

fn read_json(line: &[u8], message: &mut Message) -> Result<(), String> {
    let object: Map<String, Json> =
        serde_json::from_slice(line).map_err(|error| format!("it is no JSON object: {error}"))?;
    match object.get("topic") {
        None => {}
        Some(Json::String(topic)) => message.topic = topic.as_str().into(),
        Some(_) => return Err("topic is no string".to_owned()),
    }
    match object.get("payload") {
        // JSON that is no string stands for itself.
        Some(payload) if !payload.is_string() && !payload.is_null() => {
            message.payload = payload.to_string().into();
        }
        _ => message.payload = json::bytes(&object, "payload")?.unwrap_or_default().into(),
    }
    if let Some(qos) = object.get("qos") {
        let bits = qos.as_u64().and_then(|bits| u8::try_from(bits).ok()).filter(|&bits| bits <= 2);
        message.qos = bits.and_then(QoS::from_bits).ok_or("qos is none of 0, 1 and 2")?;
    }
    if let Some(retain) = object.get("retain") {
        message.retain = retain.as_bool().ok_or("retain is neither true nor false")?;
    }
    if let Some(list) = object.get("properties") {
        message.properties = crate::recording::lasting(&json::properties(list)?.list());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(format: &str, line: &'static str) -> Result<Message, String> {
        let template = Message::new("", "").qos(QoS::AtLeastOnce);
        format.parse::<LineFormat>()?.read(line.into(), &template, Encoding::Utf8)
    }

    #[test]
    fn lines_say_topic_and_payload() {
        let expected = Message::new("a/b", "c\td").qos(QoS::AtLeastOnce);
        assert_eq!(read("topic\\tpayload", "a/b\tc\td"), Ok(expected.clone()));
        assert_eq!(read("topic => payload", "a/b => c\td"), Ok(expected.clone()));
        let json = r#"{"time":"x","topic":"a/b","payload":"c\td","dup":false}"#;
        assert_eq!(read("json", json), Ok(expected));
        let json =
            r#"{"topic":"a/b","payload":{"x":1},"qos":2,"retain":true,"properties":[["content-type","y"]]}"#;
        let message = read("json", json).unwrap();
        assert_eq!(
            (&*message.payload, message.qos, message.retain),
            (&b"{\"x\":1}"[..], QoS::ExactlyOnce, true)
        );
        assert_eq!(message.properties.list().content_type(), Some("y"));
    }

    #[test]
    fn lines_that_say_nothing_are_told() {
        for (format, line) in [
            ("topic\\tpayload", "no tab"),
            ("topic\\tpayload", "\tpayload"),
            ("topic\\tpayload", "a/#\tpayload"),
            ("json", "{"),
            ("json", "[]"),
            ("json", r#"{"topic":1}"#),
            ("json", r#"{"payload":"x"}"#),
            ("json", r#"{"topic":"a","qos":3}"#),
            ("json", r#"{"topic":"a","properties":[["colour","red"]]}"#),
            ("topicpayload", ""),
            ("lines", ""),
        ] {
            assert!(read(format, line).is_err(), "{format} {line}");
        }
    }
}
