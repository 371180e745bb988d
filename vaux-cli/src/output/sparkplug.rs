//! Payloads of Sparkplug B in words and in JSON.

use jiff::Timestamp;
use serde_json::{Value as Json, json};
use vaux_mqtt::explain::Explained;
use vaux_mqtt::explain::sparkplug::{
    Broken, Metric, MetricValue, Part, PartKind, Payload, TopicKind, datatype_name, read, topic_kind,
};
use vaux_mqtt::packet::{Packet, Publish};

use super::json::{Object, set_bytes};

/// What a PUBLISH of Sparkplug carries.
#[derive(Clone, Debug)]
pub(super) enum Sparkplug<'a> {
    /// Metrics.
    Metrics(&'a str, Payload<'a>),
    /// What should be metrics.
    Broken(&'a str, Broken),
    /// Whether a host application is there, and since when in milliseconds; `None` when the payload does not say it.
    State(Option<(bool, Option<u64>)>),
}

impl<'a> Sparkplug<'a> {
    /// What a packet carries; `None` when its topic is not one of Sparkplug.
    pub(super) fn of(explained: &Explained<'a>) -> Option<Sparkplug<'a>> {
        let Some(Packet::Publish(publish)) = &explained.packet else { return None };
        let Publish { topic, payload, .. } = *publish;
        match topic_kind(topic)? {
            TopicKind::State => Some(Sparkplug::State(state(payload))),
            TopicKind::Metrics(message) => Some(match read(topic, payload)? {
                Ok(payload) => Sparkplug::Metrics(message, payload),
                Err(broken) => Sparkplug::Broken(message, broken),
            }),
        }
    }

    /// It in a few words, for the line about the packet.
    pub(super) fn summary(&self) -> String {
        match self {
            Sparkplug::Metrics(message, payload) => {
                let count = payload.metrics.len() + payload.more_metrics;
                let mut text =
                    format!("Sparkplug {message}, {count} metric{}", if count == 1 { "" } else { "s" });
                if let Some(sequence) = payload.sequence {
                    text.push_str(&format!(", sequence {sequence}"));
                }
                text
            }
            Sparkplug::Broken(message, _) => format!("Sparkplug {message}, broken"),
            Sparkplug::State(Some((is_online, since))) => {
                let state = if *is_online { "online" } else { "offline" };
                match since.and_then(time) {
                    Some(time) => format!("Sparkplug STATE, {state} since {time}"),
                    None => format!("Sparkplug STATE, {state}"),
                }
            }
            Sparkplug::State(None) => "Sparkplug STATE".to_owned(),
        }
    }

    /// It as JSON.
    pub(super) fn json(&self) -> Json {
        match self {
            Sparkplug::Metrics(message, payload) => json!({
                "message": message,
                "timestamp": payload.timestamp,
                "seq": payload.sequence,
                "metrics": payload.metrics.iter().map(metric).collect::<Vec<_>>(),
            }),
            Sparkplug::Broken(message, broken) => {
                json!({ "message": message, "error": { "at": broken.at, "text": broken.text } })
            }
            Sparkplug::State(state) => json!({
                "message": "STATE",
                "online": state.map(|(is_online, _)| is_online),
                "timestamp": state.and_then(|(_, since)| since),
            }),
        }
    }
}

/// A part of a payload in words.
pub(super) fn part_text(payload: &Payload<'_>, part: &Part) -> String {
    match part.kind {
        PartKind::Timestamp => format!("timestamp {}", moment(payload.timestamp)),
        PartKind::Sequence => format!("sequence {}", payload.sequence.unwrap_or_default()),
        PartKind::Uuid => format!("uuid {:?}", payload.uuid.unwrap_or_default()),
        PartKind::Body => format!("body, {} bytes", part.len),
        PartKind::Other => format!("{} bytes that are not explained", part.len),
        PartKind::Metric(index) => {
            let metric = &payload.metrics[index];
            match metric.timestamp {
                Some(_) => format!("{}, {}", metric.text(), moment(metric.timestamp)),
                None => metric.text(),
            }
        }
    }
}

fn metric(metric: &Metric<'_>) -> Json {
    let mut object = Object::new();
    let mut set = |name: &str, value: Option<Json>| {
        if let Some(value) = value {
            object.insert(name.to_owned(), value);
        }
    };
    set("name", metric.name.map(Json::from));
    set("alias", metric.alias.map(Json::from));
    set("timestamp", metric.timestamp.map(Json::from));
    let datatype = metric.datatype.map(|number| datatype_name(number).map_or(number.into(), Json::from));
    set("datatype", datatype);
    set("is_historical", metric.is_historical.then_some(true.into()));
    set("is_transient", metric.is_transient.then_some(true.into()));
    match &metric.value {
        Some(MetricValue::Bytes(bytes)) => set_bytes(&mut object, "value", bytes),
        value => set("value", value.as_ref().map(json_value)),
    }
    Json::Object(object)
}

fn json_value(value: &MetricValue<'_>) -> Json {
    match value {
        MetricValue::Null => Json::Null,
        MetricValue::Integer(number) => i64::try_from(*number)
            .map(Json::from)
            .or_else(|_| u64::try_from(*number).map(Json::from))
            .unwrap_or_else(|_| number.to_string().into()),
        // JSON has no numbers that are infinite or none.
        MetricValue::Float(number) if !number.is_finite() => number.to_string().into(),
        MetricValue::Float(number) => (*number).into(),
        MetricValue::Boolean(flag) => (*flag).into(),
        MetricValue::Text(text) => (*text).into(),
        MetricValue::DataSet { columns, rows } => json!({ "columns": columns, "rows": rows }),
        MetricValue::Template { metrics } => json!({ "metrics": metrics }),
        MetricValue::Bytes(_) | MetricValue::Extension(_) => value.text().into(),
    }
}

/// The state of a host application: JSON, before version 3 a word.
fn state(payload: &[u8]) -> Option<(bool, Option<u64>)> {
    match payload {
        b"ONLINE" => return Some((true, None)),
        b"OFFLINE" => return Some((false, None)),
        _ => {}
    }
    let state: Json = serde_json::from_slice(payload).ok()?;
    Some((state.get("online")?.as_bool()?, state.get("timestamp").and_then(Json::as_u64)))
}

/// Milliseconds as a time, or as they are when they are none.
fn moment(ms: Option<u64>) -> String {
    ms.and_then(time).unwrap_or_else(|| ms.unwrap_or_default().to_string())
}

fn time(ms: u64) -> Option<String> {
    let time = Timestamp::from_millisecond(i64::try_from(ms).ok()?).ok()?;
    Some(time.strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string())
}
