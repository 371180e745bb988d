//! What is answered to a request.

use serde_json::{Map, Value, json};

/// An answer on its way.
#[derive(Clone, Debug, Default)]
pub(in crate::core) struct Answer(Map<String, Value>);

/// Why something that was asked is not done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::core) enum Fault {
    Malformed,
    NotFound,
    NotAuthorized,
    QuotaExceeded,
}

impl Fault {
    fn name(self) -> &'static str {
        match self {
            Fault::Malformed => "malformed",
            Fault::NotFound => "not-found",
            Fault::NotAuthorized => "not-authorized",
            Fault::QuotaExceeded => "quota-exceeded",
        }
    }
}

impl Answer {
    /// It is done.
    pub(in crate::core) fn done(command: &str) -> Answer {
        Answer(Map::from_iter([("command".to_owned(), json!(command)), ("ok".to_owned(), json!(true))]))
    }

    /// It is not done.
    pub(in crate::core) fn fault(command: &str, fault: Fault, text: impl Into<String>) -> Answer {
        let mut answer = Map::new();
        if !command.is_empty() {
            answer.insert("command".to_owned(), json!(command));
        }
        answer.insert("ok".to_owned(), json!(false));
        answer.insert("error".to_owned(), json!(fault.name()));
        answer.insert("text".to_owned(), json!(text.into()));
        Answer(answer)
    }

    /// The same, with another member.
    pub(in crate::core) fn with(mut self, name: &str, value: Value) -> Answer {
        self.0.insert(name.to_owned(), value);
        self
    }

    pub(in crate::core) fn into_json(self) -> Value {
        Value::Object(self.0)
    }
}
