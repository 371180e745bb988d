//! The results of flows, for people and for programs.

use std::fmt::Write as _;

use serde_json::{Value, json};
use vaux_mqtt::Version;

use crate::flow::Flow;
use crate::play::Outcome;
use crate::transcript::{Direction, Entry};

/// A result for people: one line, and the exchange when it failed.
pub fn text(flow: &Flow, version: Version, outcome: &Outcome) -> String {
    let word = if outcome.failure.is_some() { "FAIL" } else { "ok" };
    let mut text = format!("{word:<5} {:<6} {}\n", version.to_string(), flow.file);
    if let Some(failure) = &outcome.failure {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "      {} ({})", flow.name, flow.requires.join(" "));
        let _ = writeln!(text, "      line {}: {}", failure.line, failure.step);
        let _ = writeln!(text, "      {}", failure.why);
        text.push_str(&outcome.transcript.text("        "));
    }
    text
}

/// A result as one JSON object.
pub fn json(flow: &Flow, version: Version, outcome: &Outcome) -> Value {
    let mut object = json!({
        "flow": flow.file,
        "name": flow.name,
        "version": version.to_string(),
        "requires": flow.requires,
        "status": if outcome.failure.is_some() { "fail" } else { "pass" },
        "seconds": outcome.elapsed.as_secs_f64(),
    });
    if let Some(failure) = &outcome.failure {
        object["line"] = json!(failure.line);
        object["step"] = json!(failure.step);
        object["why"] = json!(failure.why);
        object["exchange"] = outcome.transcript.entries.iter().map(entry).collect();
    }
    object
}

fn entry(entry: &Entry) -> Value {
    let what = match entry.direction {
        Direction::Sent => "sent",
        Direction::Received => "received",
        Direction::Dropped => "dropped",
        Direction::Closed => "closed",
    };
    let hex: String = entry.bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    json!({ "connection": entry.connection, "what": what, "hex": hex })
}
