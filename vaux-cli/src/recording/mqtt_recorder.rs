//! The CSV of mqtt-recorder: topic, payload, QoS, retain, time, seconds since the message before.
//!
//! Whether payloads are base64 does not stand in it: whoever recorded knows.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use vaux_client::Message;

use super::line;

/// Whether a row ends within a quoted field, so that the next line belongs to it.
pub(super) fn is_open(row: &str) -> bool {
    row.bytes().filter(|&byte| byte == b'"').count() % 2 == 1
}

/// Reads a row: the microseconds of its time, and the message.
pub(super) fn read(row: &str, is_base64: bool) -> Result<(u64, Message), String> {
    let fields = fields(row.trim_end_matches(['\r', '\n']))?;
    let [topic, payload, qos, retain, time, ..] = fields.as_slice() else {
        return Err("it is no row of mqtt-recorder: topic, payload, QoS, retain, time".to_owned());
    };
    let qos = qos.parse().map_err(|_| format!("{qos:?} is no QoS"))?;
    let retain = match retain.as_str() {
        "True" | "true" | "1" => true,
        "False" | "false" | "0" => false,
        other => return Err(format!("{other:?} is neither True nor False")),
    };
    let seconds: f64 = time.parse().map_err(|_| format!("{time:?} is no time"))?;
    let time = std::time::Duration::try_from_secs_f64(seconds).map_err(|_| format!("{time:?} is no time"))?;
    let us = u64::try_from(time.as_micros()).map_err(|_| format!("{seconds} is no time"))?;
    let payload = if is_base64 {
        STANDARD.decode(payload).map_err(|error| format!("the payload is no base64: {error}"))?
    } else {
        payload.clone().into_bytes()
    };
    Ok((us, line::message(topic.clone(), payload, qos, retain)?))
}

/// The fields of a row. A field in quotes may hold commas, ends of lines, and quotes that are doubled.
fn fields(row: &str) -> Result<Vec<String>, String> {
    let mut fields = vec![String::new()];
    let mut characters = row.chars().peekable();
    let mut is_quoted = false;
    while let Some(character) = characters.next() {
        let field = fields.last_mut().expect("it begins with one field and never loses any");
        match character {
            '"' if is_quoted && characters.peek() == Some(&'"') => {
                characters.next();
                field.push('"');
            }
            '"' => is_quoted = !is_quoted,
            ',' if !is_quoted => fields.push(String::new()),
            character => field.push(character),
        }
    }
    if is_quoted { Err("a quote is not closed".to_owned()) } else { Ok(fields) }
}
