//! What can be asked of a broker, as JSON says it: `docs/monitoring/control.md` is the contract.

use serde::Deserialize;
use serde_json::{Value, json};
use vaux_mqtt::QoS;
use vaux_mqtt::topic::{TopicFilter, TopicName};

use super::answer::{Answer, Fault};
use crate::core::json::read_base64;

/// A request.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(tag = "command", rename_all = "snake_case", deny_unknown_fields)]
pub(in crate::core) enum Request {
    Sessions {
        #[serde(default)]
        limit: Option<usize>,
        #[serde(default)]
        cursor: Option<Cursor>,
    },
    Session {
        client_id: String,
        #[serde(default)]
        mount: String,
    },
    Subscriptions {
        #[serde(default)]
        limit: Option<usize>,
        #[serde(default)]
        cursor: Option<Cursor>,
        #[serde(default)]
        client_id: Option<String>,
        #[serde(default)]
        mount: String,
    },
    Retained {
        #[serde(default)]
        limit: Option<usize>,
        #[serde(default)]
        cursor: Option<String>,
        #[serde(default)]
        filter: Option<String>,
    },
    Kick {
        client_id: String,
        #[serde(default)]
        mount: String,
    },
    DeleteSession {
        client_id: String,
        #[serde(default)]
        mount: String,
    },
    DeleteRetained {
        topic: String,
    },
    Publish {
        topic: String,
        #[serde(default)]
        payload: Option<String>,
        #[serde(default)]
        payload_base64: Option<String>,
        #[serde(default)]
        qos: u8,
        #[serde(default)]
        retain: bool,
    },
    Why {
        #[serde(default)]
        client_id: Option<String>,
        #[serde(default)]
        topic: Option<String>,
        #[serde(default)]
        last: Option<usize>,
    },
    Trace {
        client_id: String,
        #[serde(default)]
        mount: String,
        on: bool,
    },
}

/// How far a list has come: the worker, and the place in its table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(in crate::core) struct Cursor {
    pub(in crate::core) worker: u16,
    pub(in crate::core) index: u32,
    /// How many of what stands at the place were told already.
    pub(in crate::core) offset: u32,
}

impl TryFrom<String> for Cursor {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let read = || {
            let mut parts = text.split('.');
            let cursor = Cursor {
                worker: parts.next()?.parse().ok()?,
                index: parts.next()?.parse().ok()?,
                offset: parts.next()?.parse().ok()?,
            };
            parts.next().is_none().then_some(cursor)
        };
        read().ok_or("is not the cursor of an answer")
    }
}

impl Cursor {
    pub(in crate::core) fn to_json(self) -> Value {
        json!(format!("{}.{}.{}", self.worker, self.index, self.offset))
    }
}

/// Of a page, unless the request says otherwise.
const DEFAULT_LIMIT: usize = 100;
/// Of a page and of incidents.
const MAX_LIMIT: usize = 1000;

impl Request {
    /// Reads a request.
    ///
    /// # Errors
    ///
    /// The answer that says what is wrong.
    pub(in crate::core) fn read(payload: &[u8]) -> Result<Request, Answer> {
        let malformed = |command: &str, text: String| Answer::fault(command, Fault::Malformed, text);
        let value: Value = serde_json::from_slice(payload)
            .map_err(|error| malformed("", format!("the request is not JSON: {error}")))?;
        let command = value.get("command").and_then(Value::as_str).unwrap_or_default().to_owned();
        let request: Request =
            serde_json::from_value(value).map_err(|error| malformed(&command, error.to_string()))?;
        request.check().map_err(|text| malformed(&command, text))?;
        Ok(request)
    }

    /// What the types do not say.
    fn check(&self) -> Result<(), String> {
        let in_range = |name: &str, number: &Option<usize>| match number {
            Some(number) if !(1..=MAX_LIMIT).contains(number) => {
                Err(format!("{name} must be from 1 to {MAX_LIMIT}"))
            }
            _ => Ok(()),
        };
        let topic = |topic: &str| {
            TopicName::new(topic).map(drop).map_err(|rule| format!("the topic is invalid: {}", rule.text()))
        };
        match self {
            Request::Sessions { limit, .. } | Request::Subscriptions { limit, .. } => {
                in_range("limit", limit)
            }
            Request::Retained { limit, filter, .. } => {
                in_range("limit", limit)?;
                let filter = TopicFilter::new(filter.as_deref().unwrap_or("#"));
                filter.map(drop).map_err(|(rule, _)| format!("the filter is invalid: {}", rule.text()))
            }
            Request::Why { last, .. } => in_range("last", last),
            Request::DeleteRetained { topic: name } => topic(name),
            Request::Publish { topic: name, payload, payload_base64, qos, .. } => {
                topic(name)?;
                if name.starts_with('$') {
                    return Err("topics that begin with $ belong to the broker".to_owned());
                }
                if QoS::from_bits(*qos).is_none() {
                    return Err("qos must be 0, 1 or 2".to_owned());
                }
                if payload.is_some() && payload_base64.is_some() {
                    return Err("payload and payload_base64 are given together".to_owned());
                }
                match payload_base64.as_deref().map(read_base64) {
                    Some(None) => Err("payload_base64 is no base64".to_owned()),
                    _ => Ok(()),
                }
            }
            Request::Session { .. }
            | Request::Kick { .. }
            | Request::DeleteSession { .. }
            | Request::Trace { .. } => Ok(()),
        }
    }

    /// The word that the request has for itself.
    pub(in crate::core) fn command(&self) -> &'static str {
        match self {
            Request::Sessions { .. } => "sessions",
            Request::Session { .. } => "session",
            Request::Subscriptions { .. } => "subscriptions",
            Request::Retained { .. } => "retained",
            Request::Kick { .. } => "kick",
            Request::DeleteSession { .. } => "delete_session",
            Request::DeleteRetained { .. } => "delete_retained",
            Request::Publish { .. } => "publish",
            Request::Why { .. } => "why",
            Request::Trace { .. } => "trace",
        }
    }

    /// How many items the answer holds at most.
    pub(in crate::core) fn limit(&self) -> usize {
        match self {
            Request::Sessions { limit, .. }
            | Request::Subscriptions { limit, .. }
            | Request::Retained { limit, .. } => limit.unwrap_or(DEFAULT_LIMIT),
            Request::Why { last, .. } => last.unwrap_or(20),
            _ => 1,
        }
    }

    /// The one session that the request is about: its mount and client identifier.
    pub(in crate::core) fn session(&self) -> Option<(&str, &str)> {
        match self {
            Request::Session { client_id, mount }
            | Request::Kick { client_id, mount }
            | Request::DeleteSession { client_id, mount }
            | Request::Subscriptions { client_id: Some(client_id), mount, .. }
            | Request::Trace { client_id, mount, .. } => Some((mount, client_id)),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_that_are_understood() {
        let read = |text: &str| Request::read(text.as_bytes()).unwrap();
        assert_eq!(
            read(r#"{"command":"sessions","cursor":"1.7.0"}"#),
            Request::Sessions { limit: None, cursor: Some(Cursor { worker: 1, index: 7, offset: 0 }) }
        );
        assert_eq!(
            read(r#"{"client_id":"a","command":"kick"}"#),
            Request::Kick { client_id: "a".into(), mount: String::new() }
        );
        assert_eq!(read(r#"{"command":"why","last":1000}"#).limit(), 1000);
    }

    #[test]
    fn requests_that_are_not_understood_say_what_is_wrong() {
        let cases = [
            ("", "not JSON"),
            ("[]", "command"),
            ("{}", "command"),
            (r#"{"command":"explode"}"#, "explode"),
            (r#"{"command":"kick"}"#, "client_id"),
            (r#"{"command":"kick","client_id":"a","x":1}"#, "x"),
            (r#"{"command":"sessions","limit":0}"#, "from 1 to 1000"),
            (r#"{"command":"sessions","limit":-1}"#, "-1"),
            (r#"{"command":"sessions","cursor":"a"}"#, "cursor"),
            (r#"{"command":"retained","filter":"a/#/b"}"#, "filter"),
            (r#"{"command":"delete_retained","topic":"a/+"}"#, "topic"),
            (r#"{"command":"publish","topic":"a","qos":3}"#, "qos"),
            (r#"{"command":"publish","topic":"$SYS/a"}"#, "$"),
            (r#"{"command":"publish","topic":"a","payload_base64":"?"}"#, "base64"),
            (r#"{"command":"publish","topic":"a","payload":"a","payload_base64":"YQ=="}"#, "together"),
        ];
        for (text, part) in cases {
            let answer = Request::read(text.as_bytes()).unwrap_err().into_json();
            assert_eq!(answer["error"], "malformed", "{text}");
            assert!(answer["text"].as_str().unwrap().contains(part), "{text}: {answer}");
        }
    }
}
