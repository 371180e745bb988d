//! What happened: events of the broker, and what the dashboard itself noticed.

use std::collections::VecDeque;

use serde_json::Value;

use super::cursor::Cursor;
use super::search::Search;

/// How an event is to be taken; each has its glyph.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Weight {
    /// Somebody came, or asked for something.
    Good,
    /// Something ended as it should, or is of note only.
    Plain,
    /// Something did not go as somebody wished.
    Warning,
}

/// A line of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LogEntry {
    /// The time of day, `09:14:02`.
    pub(crate) time: String,
    pub(crate) weight: Weight,
    /// One word: `connect`, `drop`.
    pub(crate) kind: String,
    /// The client, when it is about one.
    pub(crate) client_id: String,
    /// What happened, as a sentence.
    pub(crate) text: String,
    /// All that the broker told, for the detail.
    pub(crate) whole: String,
}

/// The log.
#[derive(Clone, Debug, Default)]
pub(crate) struct Log {
    pub(crate) entries: VecDeque<LogEntry>,
    pub(crate) search: Search,
    pub(crate) cursor: Cursor,
    /// The entries that the filter finds, counted from the first that ever was.
    found: VecDeque<u64>,
    /// How many entries were forgotten.
    forgotten: u64,
    /// Whether the newest entry is selected, whichever that is.
    pub(crate) is_following: bool,
}

/// How many entries are kept.
const KEPT: usize = 2000;
/// No event is longer.
const MAX_BYTES: usize = 4096;

impl Log {
    /// An empty log that shows the newest.
    pub(crate) fn new() -> Log {
        Log { is_following: true, ..Log::default() }
    }

    /// Adds the newest entry.
    pub(crate) fn push(&mut self, mut entry: LogEntry) {
        for text in [&mut entry.text, &mut entry.client_id, &mut entry.whole, &mut entry.kind] {
            text.truncate(text.floor_char_boundary(MAX_BYTES));
        }
        if self.entries.len() == KEPT {
            self.entries.pop_front();
            if self.found.front() == Some(&self.forgotten) {
                self.found.pop_front();
                self.cursor.step(-1);
                self.cursor.offset = self.cursor.offset.saturating_sub(1);
            }
            self.forgotten += 1;
        }
        if entry.is_found(&self.search) {
            self.found.push_back(self.forgotten + self.entries.len() as u64);
        }
        self.entries.push_back(entry);
    }

    /// Sets the filter.
    pub(crate) fn look_for(&mut self, search: Search) {
        self.search = search;
        let numbered = (self.forgotten..).zip(&self.entries);
        self.found =
            numbered.filter(|(_, entry)| entry.is_found(&self.search)).map(|(number, _)| number).collect();
        self.is_following = true;
    }

    /// How many entries the filter finds.
    pub(crate) fn len(&self) -> usize {
        self.found.len()
    }

    /// The entry in a row.
    pub(crate) fn row(&self, row: usize) -> Option<&LogEntry> {
        let number = self.found.get(row)?;
        self.entries.get((number - self.forgotten) as usize)
    }
}

impl LogEntry {
    fn is_found(&self, search: &Search) -> bool {
        search.finds(&self.kind) || search.finds(&self.client_id) || search.finds(&self.text)
    }

    /// An event of vaux.
    pub(crate) fn of_event(event: &Value) -> LogEntry {
        let text = |name: &str| event.get(name).and_then(Value::as_str).unwrap_or_default();
        let kind = text("event");
        let weight = match kind {
            "connect" | "subscribe" => Weight::Good,
            "drop" | "refused" | "takeover" | "damage" | "store" => Weight::Warning,
            "disconnect" if text("cause") != "client" && !text("cause").is_empty() => Weight::Warning,
            _ => Weight::Plain,
        };
        LogEntry {
            time: time_of_day(text("at")),
            weight,
            kind: kind.to_owned(),
            client_id: text("client_id").to_owned(),
            text: sentence(kind, event),
            whole: serde_json::to_string_pretty(event).unwrap_or_default(),
        }
    }
}

/// `09:14:02` of a timestamp.
pub(crate) fn time_of_day(timestamp: &str) -> String {
    timestamp.get(11..19).unwrap_or_default().to_owned()
}

/// What an event says, in words.
fn sentence(kind: &str, event: &Value) -> String {
    let text = |name: &str| event.get(name).and_then(Value::as_str).unwrap_or_default();
    let mut parts: Vec<String> = Vec::new();
    let mut put = |part: String| {
        if !part.is_empty() {
            parts.push(part);
        }
    };
    put(text("text").to_owned());
    if kind == "connect" || kind == "takeover" {
        put(format!("from {}", text("address")));
        put(format!("MQTT {}", text("version")));
        if !text("user").is_empty() {
            put(format!("user {}", text("user")));
        }
        if event.get("session_present").and_then(Value::as_bool) == Some(true) {
            put("session continued".to_owned());
        }
    }
    if kind == "trace" {
        put(format!("{} {}", text("direction"), text("packet")));
    }
    for name in ["topic", "filter"] {
        put(text(name).to_owned());
    }
    if let Some(filters) = event.get("filters").and_then(Value::as_array) {
        for filter in filters.iter().take(8) {
            let name = filter.as_str().or_else(|| filter.get("filter").and_then(Value::as_str));
            put(name.unwrap_or_default().to_owned());
        }
    }
    put(text("reason").to_owned());
    if !text("limit").is_empty() {
        put(format!("limit {}", text("limit")));
    }
    if let Some(count) = event.get("count").and_then(Value::as_u64).filter(|count| *count > 1) {
        put(format!("{count} times"));
    }
    parts.join(" · ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(kind: &str) -> LogEntry {
        LogEntry::of_event(&serde_json::json!({ "event": kind, "at": "2026-11-26T09:14:02.113Z" }))
    }

    #[test]
    fn the_oldest_go_and_the_selection_stays_on_its_entry() {
        let mut log = Log { is_following: false, ..Log::new() };
        (0..KEPT).for_each(|n| log.push(entry(&format!("e{n}"))));
        log.cursor.selected = 10;
        log.push(entry("newest"));
        assert_eq!(log.len(), KEPT);
        assert_eq!(log.row(log.cursor.selected).unwrap().kind, "e10");
    }

    #[test]
    fn a_filter_holds_for_later_entries_too() {
        let mut log = Log::new();
        log.push(entry("connect"));
        log.push(entry("drop"));
        log.look_for(Search::new("DROP"));
        log.push(entry("connect"));
        log.push(entry("drop"));
        assert_eq!(log.len(), 2);
        assert_eq!(log.row(1).unwrap().kind, "drop");
    }

    #[test]
    fn events_become_sentences() {
        let event = serde_json::json!({"event":"drop","at":"2026-11-26T09:14:02.113Z","cause":"queue-full",
            "text":"the queue of the session was full","client_id":"dev-1","topic":"plant/7","limit":"max_queued_messages","count":12});
        let entry = LogEntry::of_event(&event);
        assert_eq!((entry.time.as_str(), entry.weight), ("09:14:02", Weight::Warning));
        assert_eq!(
            entry.text,
            "the queue of the session was full · plant/7 · limit max_queued_messages · 12 times"
        );
    }
}
