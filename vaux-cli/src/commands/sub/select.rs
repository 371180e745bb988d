//! Which messages are worth printing, by their payload: `--match` and `--changed`.

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::str::FromStr;
use std::sync::Arc;

use serde_json::Value as Json;
use vaux_client::Message;

/// A place in JSON payloads, and what has to stand there.
///
/// The place is a list of names and indexes, `state.lamps.0`, or a JSON pointer, `/state/lamps/0`.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Condition {
    pointer: String,
    /// What is expected, as text and, if it can be read so, as JSON.
    text: String,
    json: Option<Json>,
}

impl FromStr for Condition {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Condition, &'static str> {
        let (path, value) = text.split_once('=').ok_or("it is PATH=VALUE")?;
        if path.is_empty() {
            return Err("the path is missing");
        }
        let pointer = if path.starts_with('/') {
            path.to_owned()
        } else {
            path.split('.').map(|name| format!("/{}", name.replace('~', "~0").replace('/', "~1"))).collect()
        };
        Ok(Condition { pointer, text: value.to_owned(), json: serde_json::from_str(value).ok() })
    }
}

impl Condition {
    fn holds(&self, payload: &Json) -> bool {
        match payload.pointer(&self.pointer) {
            Some(Json::String(found)) => {
                *found == self.text || self.json.as_ref() == Some(&Json::from(found.as_str()))
            }
            // 21 and 21.0 are the same number.
            Some(found @ Json::Number(_)) => {
                found.as_f64().is_some() && found.as_f64() == self.json.as_ref().and_then(Json::as_f64)
            }
            Some(found) => Some(found) == self.json.as_ref(),
            None => false,
        }
    }
}

/// How many topics are remembered. What comes under others is always new.
const MAX_TOPICS: usize = 1_000_000;

/// Decides which messages are printed.
#[derive(Debug, Default)]
pub(super) struct Selection {
    conditions: Vec<Condition>,
    /// A hash of the last payload under each topic, if only changes are wanted.
    last: Option<HashMap<Arc<str>, u64>>,
    hasher: RandomState,
}

impl Selection {
    pub(super) fn new(conditions: Vec<Condition>, only_changes: bool) -> Selection {
        Selection { conditions, last: only_changes.then(HashMap::new), hasher: RandomState::new() }
    }

    /// Whether the message is wanted.
    pub(super) fn takes(&mut self, message: &Message) -> bool {
        if !self.conditions.is_empty() {
            let Ok(payload) = serde_json::from_slice::<Json>(&message.payload) else { return false };
            if !self.conditions.iter().all(|condition| condition.holds(&payload)) {
                return false;
            }
        }
        let Some(last) = &mut self.last else { return true };
        let hash = self.hasher.hash_one(&*message.payload);
        if let Some(before) = last.get_mut(&message.topic) {
            return std::mem::replace(before, hash) != hash;
        }
        if last.len() < MAX_TOPICS {
            last.insert(message.topic.clone(), hash);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn takes(condition: &str, payload: &str) -> bool {
        let mut selection = Selection::new(vec![condition.parse().unwrap()], false);
        selection.takes(&Message::new("a", payload.to_owned()))
    }

    #[test]
    fn conditions_look_into_json() {
        let payload = r#"{"on":true,"t":21.0,"s":"21","lamps":[{"name":"x=y"}],"a/b":null,"o":{"k":[1]}}"#;
        for condition in [
            "on=true",
            "t=21",
            "t=21.0",
            "s=21",
            "s=\"21\"",
            "lamps.0.name=x=y",
            "/lamps/0/name=x=y",
            "a/b=null",
            "o={\"k\": [1]}",
        ] {
            assert!(takes(condition, payload), "{condition}");
        }
        for condition in ["on=false", "t=20", "s=2", "lamps.1.name=x=y", "none=null", "on=", "o={}"] {
            assert!(!takes(condition, payload), "{condition}");
        }
        assert!(!takes("on=true", "no json"));
        assert!("on".parse::<Condition>().is_err() && "=1".parse::<Condition>().is_err());
    }

    #[test]
    fn a_payload_that_stays_is_taken_once() {
        let mut selection = Selection::new(Vec::new(), true);
        let taken = [("a", "1"), ("a", "1"), ("b", "1"), ("a", "2"), ("a", "1"), ("b", "1")]
            .map(|(topic, payload)| selection.takes(&Message::new(topic, payload)));
        assert_eq!(taken, [true, false, true, true, true, false]);
    }
}
