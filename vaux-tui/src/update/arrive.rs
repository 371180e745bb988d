//! Messages of the broker, sorted by what they tell.

use serde_json::Value;
use vaux_client::Message;
use vaux_mqtt::topic::{TopicFilter, TopicName};

use super::{Effect, VERSION_TOPIC, act, fall_back};
use crate::state::log::{LogEntry, Weight};
use crate::state::{Kind, State, clock_time};

const SYS: &str = "$SYS/broker/";
const VAUX: &str = "$SYS/broker/vaux/";

/// Takes a message.
pub(super) fn handle(state: &mut State, message: Message) -> Vec<Effect> {
    let topic = message.topic.clone();
    let Some(rest) = topic.strip_prefix(SYS) else {
        take_topic(state, message);
        return Vec::new();
    };
    let effects = match topic.strip_prefix(VAUX) {
        Some(rest) => take_vaux(state, rest, &message.payload),
        None => take_tree(state, rest, &message.payload),
    };
    if state.filters.iter().any(|filter| matches(filter, &topic)) {
        take_topic(state, message);
    }
    effects
}

fn matches(filter: &str, topic: &str) -> bool {
    match (TopicFilter::new(filter), TopicName::new(topic)) {
        (Ok(filter), Ok(name)) => filter.matches(name),
        _ => false,
    }
}

/// A message of somebody's, for Topics and Inspect.
pub(super) fn take_topic(state: &mut State, message: Message) {
    if state.is_paused {
        state.passed_by += 1;
        return;
    }
    state.topics.take(state.now, &message);
    state.inspect.push(state.now, message);
}

fn take_vaux(state: &mut State, name: &str, payload: &[u8]) -> Vec<Effect> {
    let is_news = state.kind == Kind::Unknown;
    take_figures(state, name, payload);
    if !is_news {
        return Vec::new();
    }
    state.kind = Kind::Vaux;
    act::enter(state)
}

fn take_figures(state: &mut State, name: &str, payload: &[u8]) {
    // Sessions are what there is at present; what else comes are streams, and these can pass by.
    if let Some(client_id) = name.strip_prefix("sessions/") {
        state.sessions.take(client_id, payload);
        return;
    }
    if state.is_paused {
        state.passed_by += 1;
        return;
    }
    match name {
        "metrics" => {
            if let Ok(metrics) = serde_json::from_slice(payload) {
                state.overview.take_metrics(metrics);
            }
        }
        "events" => {
            if let Ok(event) = serde_json::from_slice::<Value>(payload) {
                take_event(state, &event);
            }
        }
        "top/topics" => {
            if let Ok(rows) = serde_json::from_slice(payload) {
                state.overview.top_topics = rows;
            }
        }
        "top/clients" => {
            if let Ok(rows) = serde_json::from_slice(payload) {
                state.overview.top_clients = rows;
            }
        }
        _ => {}
    }
}

fn take_event(state: &mut State, event: &Value) {
    let entry = LogEntry::of_event(event);
    if entry.kind == "drop" && !entry.client_id.is_empty() {
        let count = event.get("count").and_then(Value::as_u64).unwrap_or(1);
        let cause = event.get("cause").and_then(Value::as_str).unwrap_or_default();
        state.overview.count_drop(&entry.client_id, count, cause);
    }
    state.log.push(entry);
}

/// A value of the tree that mosquitto began.
fn take_tree(state: &mut State, name: &str, payload: &[u8]) -> Vec<Effect> {
    let Ok(value) = std::str::from_utf8(payload) else { return Vec::new() };
    if let Some(level) = name.strip_prefix("log/") {
        let entry = LogEntry {
            time: clock_time(state.now),
            weight: if matches!(level, "E" | "W") { Weight::Warning } else { Weight::Plain },
            kind: format!("log {level}"),
            client_id: String::new(),
            text: value.to_owned(),
            whole: value.to_owned(),
        };
        state.log.push(entry);
        return Vec::new();
    }
    state.overview.take_tree(state.now, name, value);
    if name == VERSION_TOPIC.trim_start_matches(SYS) {
        state.broker_version = Some(value.chars().take(80).collect());
        if !value.starts_with("vaux") {
            return fall_back(state, &format!("{value} is not vaux"));
        }
    }
    Vec::new()
}
