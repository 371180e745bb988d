//! Payloads as people read them: text, JSON, Sparkplug, bytes; what changed since the one before; numbers to plot.

use serde_json::Value;
use vaux_mqtt::explain::sparkplug::{self, Metric};

/// How a payload is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum PayloadView {
    /// JSON laid out when it is JSON, text when it is text, else bytes.
    #[default]
    Auto,
    /// What changed since the payload before.
    Diff,
    /// Bytes.
    Hex,
}

impl PayloadView {
    /// The next one.
    pub(crate) fn next(self) -> PayloadView {
        match self {
            PayloadView::Auto => PayloadView::Diff,
            PayloadView::Diff => PayloadView::Hex,
            PayloadView::Hex => PayloadView::Auto,
        }
    }
}

/// A line of a payload, and whether it came, went or stayed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PayloadLine {
    pub(crate) change: Change,
    pub(crate) text: String,
}

/// What became of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    Same,
    Added,
    Removed,
}

/// Larger payloads are shown as far as this.
const MAX_SHOWN_BYTES: usize = 64 << 10;
/// More lines are not compared.
const MAX_COMPARED: usize = 400;

/// The kind of a payload in a word.
pub(crate) fn kind(topic: &str, payload: &[u8]) -> &'static str {
    match std::str::from_utf8(payload) {
        _ if payload.is_empty() => "empty",
        _ if sparkplug::read(topic, payload).is_some() => "Sparkplug",
        Ok(text) if is_json(text) => "JSON",
        Ok(text) if !has_controls(text) => "text",
        _ => "binary",
    }
}

fn is_json(text: &str) -> bool {
    text.trim_start().starts_with(['{', '[']) && serde_json::from_str::<Value>(text).is_ok()
}

fn has_controls(text: &str) -> bool {
    text.chars().any(|character| character.is_control() && !matches!(character, '\n' | '\r' | '\t'))
}

/// A payload in one line.
pub(crate) fn one_line(payload: &[u8], max_bytes: usize) -> String {
    let cut = &payload[..payload.len().min(max_bytes)];
    let text = match std::str::from_utf8(cut) {
        Ok(text) => text,
        // The cut may have gone through a character.
        Err(error) if cut.len() < payload.len() && error.error_len().is_none() => {
            std::str::from_utf8(&cut[..error.valid_up_to()]).unwrap_or_default()
        }
        Err(_) => return hex(cut),
    };
    match has_controls(text) {
        true => hex(cut),
        false => text.chars().map(|character| if character.is_control() { ' ' } else { character }).collect(),
    }
}

fn hex(bytes: &[u8]) -> String {
    let digits: Vec<String> = bytes.iter().take(64).map(|byte| format!("{byte:02x}")).collect();
    digits.join(" ")
}

/// The lines of a payload under a topic, which follows `before`.
pub(crate) fn lines(
    topic: &str,
    payload: &[u8],
    before: Option<&[u8]>,
    view: PayloadView,
) -> Vec<PayloadLine> {
    let same = |text: String| PayloadLine { change: Change::Same, text };
    let shown = &payload[..payload.len().min(MAX_SHOWN_BYTES)];
    let mut lines: Vec<PayloadLine> = match view {
        PayloadView::Hex => dump(shown).into_iter().map(same).collect(),
        PayloadView::Auto => laid_out(topic, shown).into_iter().map(same).collect(),
        PayloadView::Diff => match before {
            None => laid_out(topic, shown).into_iter().map(same).collect(),
            Some(before) => {
                let before = &before[..before.len().min(MAX_SHOWN_BYTES)];
                difference(&laid_out(topic, before), &laid_out(topic, shown))
            }
        },
    };
    if payload.len() > shown.len() {
        lines.push(same(format!("… {} more bytes", payload.len() - shown.len())));
    }
    lines
}

/// Sparkplug metric by metric, JSON over several lines, text as it is, anything else as bytes.
fn laid_out(topic: &str, payload: &[u8]) -> Vec<String> {
    if let Some(read) = sparkplug::read(topic, payload) {
        return match read {
            Ok(read) => metrics(&read),
            Err(broken) => {
                let why = format!("broken Sparkplug B: {} at byte 0x{:x}", broken.text, broken.at);
                std::iter::once(why).chain(dump(payload)).collect()
            }
        };
    }
    match std::str::from_utf8(payload) {
        Ok(text) if is_json(text) => {
            let value: Value = serde_json::from_str(text).unwrap_or_default();
            let text = serde_json::to_string_pretty(&value).unwrap_or_default();
            text.lines().map(str::to_owned).collect()
        }
        Ok(text) if !has_controls(text) => text.lines().map(|line| line.replace('\t', "    ")).collect(),
        _ => dump(payload),
    }
}

/// A payload of Sparkplug: a line about it, and one for each metric.
fn metrics(payload: &sparkplug::Payload<'_>) -> Vec<String> {
    let mut head = "Sparkplug B".to_owned();
    if let Some(sequence) = payload.sequence {
        head.push_str(&format!(" · sequence {sequence}"));
    }
    let time = payload.timestamp.and_then(|ms| i64::try_from(ms).ok());
    if let Some(time) = time.and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok()) {
        head.push_str(&format!(" · {time}"));
    }
    let more = (payload.more_metrics > 0).then(|| format!("… {} more metrics", payload.more_metrics));
    std::iter::once(head).chain(payload.metrics.iter().map(Metric::text)).chain(more).collect()
}

/// Bytes with their offsets and as characters, 16 in a row.
fn dump(bytes: &[u8]) -> Vec<String> {
    let row = |(index, row): (usize, &[u8])| {
        let digits: String = row.iter().map(|byte| format!("{byte:02x} ")).collect();
        let printable = |byte: &u8| if (0x20..0x7f).contains(byte) { char::from(*byte) } else { '.' };
        let text: String = row.iter().map(printable).collect();
        format!("{:04x}  {digits:48} {text}", index * 16)
    };
    bytes.chunks(16).enumerate().map(row).collect()
}

/// Lines that came and went, by the longest common subsequence.
fn difference(old: &[String], new: &[String]) -> Vec<PayloadLine> {
    let line = |change, text: &String| PayloadLine { change, text: text.clone() };
    if old.len() > MAX_COMPARED || new.len() > MAX_COMPARED {
        return new.iter().map(|text| line(Change::Same, text)).collect();
    }
    let width = new.len() + 1;
    let mut common = vec![0u16; (old.len() + 1) * width];
    for i in (0..old.len()).rev() {
        for j in (0..new.len()).rev() {
            common[i * width + j] = match old[i] == new[j] {
                true => common[(i + 1) * width + j + 1] + 1,
                false => common[(i + 1) * width + j].max(common[i * width + j + 1]),
            };
        }
    }
    let (mut i, mut j) = (0, 0);
    let mut lines = Vec::with_capacity(old.len() + new.len());
    while i < old.len() || j < new.len() {
        if i < old.len() && j < new.len() && old[i] == new[j] {
            lines.push(line(Change::Same, &new[j]));
            (i, j) = (i + 1, j + 1);
        } else if j == new.len()
            || (i < old.len() && common[(i + 1) * width + j] >= common[i * width + j + 1])
        {
            lines.push(line(Change::Removed, &old[i]));
            i += 1;
        } else {
            lines.push(line(Change::Added, &new[j]));
            j += 1;
        }
    }
    lines
}

/// More numbers than this are not offered.
const MAX_NUMBERS: usize = 64;

/// The numbers in a payload with the way to each: a number alone, those of JSON, metrics of Sparkplug.
pub(crate) fn numbers(topic: &str, payload: &[u8]) -> Vec<(String, f64)> {
    let mut found = Vec::new();
    if let Some(read) = sparkplug::read(topic, payload) {
        let metrics = read.map(|payload| payload.metrics).unwrap_or_default();
        found.extend(metrics.iter().filter_map(|metric| Some((metric.label(), metric.number()?))));
    } else if payload.len() <= MAX_SHOWN_BYTES
        && let Ok(text) = std::str::from_utf8(payload)
    {
        if let Ok(number) = text.trim().parse::<f64>() {
            found.push((String::new(), number));
        } else if let Ok(value) = serde_json::from_str(text) {
            collect_numbers(&value, &mut String::new(), &mut found);
        }
    }
    found.retain(|(_, number)| number.is_finite());
    found
}

fn collect_numbers(value: &Value, path: &mut String, found: &mut Vec<(String, f64)>) {
    if found.len() >= MAX_NUMBERS {
        return;
    }
    let len = path.len();
    match value {
        Value::Number(number) => found.push((path.clone(), number.as_f64().unwrap_or(f64::NAN))),
        Value::Object(members) => {
            for (name, value) in members {
                path.push_str(if path.is_empty() { "" } else { "." });
                path.push_str(name);
                collect_numbers(value, path, found);
                path.truncate(len);
            }
        }
        Value::Array(values) => {
            for (index, value) in values.iter().enumerate().take(MAX_NUMBERS) {
                path.push_str(&format!("[{index}]"));
                collect_numbers(value, path, found);
                path.truncate(len);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn marked(lines: &[PayloadLine]) -> Vec<String> {
        let mark = |change| match change {
            Change::Same => ' ',
            Change::Added => '+',
            Change::Removed => '-',
        };
        lines.iter().map(|line| format!("{}{}", mark(line.change), line.text)).collect()
    }

    #[test]
    fn json_is_compared_line_by_line() {
        let diff = lines("t", br#"{"a":1,"b":3}"#, Some(br#"{"a":1,"b":2}"#), PayloadView::Diff);
        assert_eq!(marked(&diff), [" {", "   \"a\": 1,", "-  \"b\": 2", "+  \"b\": 3", " }"]);
    }

    #[test]
    fn kinds_and_single_lines() {
        for (payload, is_kind, line) in [
            (&b""[..], "empty", ""),
            (b"21.5", "text", "21.5"),
            (b"{\"a\":\n1}", "JSON", "{\"a\": 1}"),
            (b"\x00\xff", "binary", "00 ff"),
            (b"\x1b[2J", "binary", "1b 5b 32 4a"),
        ] {
            assert_eq!((kind("t", payload), one_line(payload, 100).as_str()), (is_kind, line));
        }
        assert_eq!(one_line("aé".as_bytes(), 2), "a");
    }

    #[test]
    fn numbers_have_the_way_to_them() {
        let found = numbers("t", br#"{"t":{"c":21.5},"l":[1,"x",3],"n":null}"#);
        let names: Vec<_> = found.iter().map(|(path, number)| format!("{path}={number}")).collect();
        assert_eq!(names, ["t.c=21.5", "l[0]=1", "l[2]=3"]);
        assert_eq!(numbers("t", b" 7 "), [(String::new(), 7.0)]);
        assert_eq!(numbers("t", b"NaN"), []);
    }

    /// Timestamp 1000, sequence 2, and metrics: `temp` = 21.5 (float), alias 7 = -2 (Int16).
    const SPARKPLUG: &[u8] = b"\x08\xe8\x07\
        \x12\x0d\x0a\x04temp\x20\x09\x65\x00\x00\xac\x41\
        \x12\x08\x10\x07\x20\x02\x50\xfe\xff\x03\
        \x18\x02";

    #[test]
    fn metrics_of_sparkplug_become_lines_and_numbers() {
        let topic = "spBv1.0/plant/DDATA/line/motor";
        let shown = |payload| {
            let lines = lines(topic, payload, None, PayloadView::Auto).into_iter().map(|line| line.text);
            lines.collect::<Vec<_>>()
        };
        let head = "Sparkplug B · sequence 2 · 1970-01-01T00:00:01Z";
        assert_eq!(shown(SPARKPLUG), [head, "temp = 21.5 (Float)", "alias 7 = -2 (Int16)"]);
        assert_eq!(numbers(topic, SPARKPLUG), [("temp".to_owned(), 21.5), ("alias 7".to_owned(), -2.0)]);
        let broken = shown(&SPARKPLUG[..20]);
        assert_eq!(broken[0], "broken Sparkplug B: a length runs past the end at byte 0x13");
        assert!(broken[1].starts_with("0000  08 e8 07"), "{}", broken[1]);
    }

    #[test]
    fn bytes_are_dumped_sixteen_in_a_row() {
        let rows = lines("t", &(0..20).collect::<Vec<u8>>(), None, PayloadView::Hex);
        assert_eq!(rows.len(), 2);
        assert_eq!(rows[1].text.trim_end(), format!("{:04x}  {:48} ....", 16, "10 11 12 13 "));
    }
}
