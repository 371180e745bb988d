//! The sessions that the broker tells about, as a table.

use std::collections::HashMap;

use serde::Deserialize;
use serde_json::Value;

use super::cursor::Cursor;
use super::search::Search;

/// The table.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sessions {
    /// Each session by its client identifier.
    all: HashMap<Box<str>, Session>,
    /// The client identifiers that the filter finds, sorted.
    rows: Vec<Box<str>>,
    is_stale: bool,
    /// When rows were sorted last.
    sorted_at: u64,
    pub(crate) column: Column,
    pub(crate) is_descending: bool,
    pub(crate) search: Search,
    pub(crate) cursor: Cursor,
    /// The session that is selected, which moves when others do.
    pub(crate) selected: Option<Box<str>>,
    /// Sessions for which there was no room.
    pub(crate) untold: u64,
    /// What the broker answered when asked why things happened to the selected client.
    pub(crate) why: Option<Why>,
}

/// Incidents of one client, as lines.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Why {
    pub(crate) client_id: String,
    pub(crate) lines: Vec<String>,
}

/// What `$SYS/broker/vaux/sessions/…` tells.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(default)]
pub(crate) struct Session {
    pub(crate) client_id: String,
    pub(crate) mount: Option<String>,
    pub(crate) user: Option<String>,
    pub(crate) connected: bool,
    pub(crate) address: Option<String>,
    pub(crate) listener: Option<String>,
    pub(crate) version: Option<String>,
    pub(crate) clean_start: Option<bool>,
    pub(crate) session_expiry: u32,
    pub(crate) keep_alive: Option<u16>,
    pub(crate) connected_at: Option<String>,
    pub(crate) subscriptions: u64,
    pub(crate) inflight: u64,
    pub(crate) queued: u64,
    pub(crate) queued_bytes: u64,
    pub(crate) messages_in: u64,
    pub(crate) messages_out: u64,
    pub(crate) bytes_in: u64,
    pub(crate) bytes_out: u64,
    pub(crate) dropped: u64,
    pub(crate) will_topic: Option<String>,
}

/// What the table is sorted by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Column {
    #[default]
    Client,
    State,
    User,
    Subscriptions,
    Queued,
    In,
    Out,
    Dropped,
}

/// All columns, in their order.
pub(crate) const COLUMNS: [Column; 8] = [
    Column::Client,
    Column::State,
    Column::User,
    Column::Subscriptions,
    Column::Queued,
    Column::In,
    Column::Out,
    Column::Dropped,
];

/// More sessions than this are counted only.
const MAX_SESSIONS: usize = 100_000;
/// Rows are sorted again at most this often while figures change.
const SORT_MS: u64 = 1000;

impl Sessions {
    /// Takes what the broker tells of a session; nothing at all when it is gone.
    pub(crate) fn take(&mut self, encoded_id: &str, payload: &[u8]) {
        if payload.is_empty() {
            let client_id = percent_decoded(encoded_id);
            self.all.remove(client_id.as_str());
        } else if let Ok(session) = serde_json::from_slice::<Session>(payload) {
            let client_id = session.client_id.as_str();
            if self.all.len() >= MAX_SESSIONS && !self.all.contains_key(client_id) {
                self.untold += 1;
                return;
            }
            self.all.insert(client_id.into(), session);
        }
        self.is_stale = true;
    }

    /// Forgets all, since the connection was lost or made anew.
    pub(crate) fn clear(&mut self) {
        self.all.clear();
        self.untold = 0;
        self.is_stale = true;
    }

    /// Sets the filter.
    pub(crate) fn look_for(&mut self, search: Search) {
        self.search = search;
        self.sort_now();
    }

    /// Sorts by the next column.
    pub(crate) fn next_column(&mut self) {
        let index = COLUMNS.iter().position(|column| *column == self.column).unwrap_or(0);
        self.sort_by(COLUMNS[(index + 1) % COLUMNS.len()]);
    }

    /// Sorts by a column; figures have the greatest first.
    pub(crate) fn sort_by(&mut self, column: Column) {
        self.is_descending = match column == self.column {
            true => !self.is_descending,
            false => !matches!(column, Column::Client | Column::User),
        };
        self.column = column;
        self.sort_now();
    }

    /// Turns the order around.
    pub(crate) fn reverse(&mut self) {
        self.is_descending = !self.is_descending;
        self.sort_now();
    }

    fn sort_now(&mut self) {
        self.is_stale = true;
        self.sorted_at = 0;
    }

    /// Makes the rows that are shown.
    pub(crate) fn settle(&mut self, now: u64, height: usize) {
        if self.is_stale && (self.sorted_at == 0 || now.saturating_sub(self.sorted_at) >= SORT_MS) {
            self.sort();
            self.sorted_at = now.max(1);
            self.is_stale = false;
            // The selection stays on its session wherever that went.
            if let Some(selected) = &self.selected
                && let Some(row) = self.rows.iter().position(|row| row == selected)
            {
                self.cursor.selected = row;
            }
        }
        self.cursor.settle(self.rows.len(), height);
        self.selected = self.rows.get(self.cursor.selected).cloned();
    }

    fn sort(&mut self) {
        let found = |session: &&Session| {
            let user = session.user.as_deref().unwrap_or_default();
            let address = session.address.as_deref().unwrap_or_default();
            [session.client_id.as_str(), user, address].iter().any(|text| self.search.finds(text))
        };
        let mut rows: Vec<&Session> = self.all.values().filter(found).collect();
        let key = |session: &Session| match self.column {
            Column::State => u64::from(session.connected),
            Column::Subscriptions => session.subscriptions,
            Column::Queued => session.queued,
            Column::In => session.messages_in,
            Column::Out => session.messages_out,
            Column::Dropped => session.dropped,
            Column::Client | Column::User => 0,
        };
        let (column, is_descending) = (self.column, self.is_descending);
        rows.sort_unstable_by(|a, b| {
            let order = match column {
                Column::Client => a.client_id.cmp(&b.client_id),
                Column::User => a.user.cmp(&b.user),
                _ => key(a).cmp(&key(b)),
            };
            let order = if is_descending { order.reverse() } else { order };
            order.then_with(|| a.client_id.cmp(&b.client_id))
        });
        self.rows = rows.into_iter().map(|session| session.client_id.as_str().into()).collect();
    }

    /// The session in a row.
    pub(crate) fn row(&self, row: usize) -> Option<&Session> {
        self.all.get(self.rows.get(row)?)
    }

    /// The selected session.
    pub(crate) fn current(&self) -> Option<&Session> {
        self.all.get(self.selected.as_ref()?)
    }

    /// How many rows there are.
    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }

    /// How many sessions there are, found or not.
    pub(crate) fn total(&self) -> usize {
        self.all.len()
    }
}

impl Why {
    /// What the broker answered.
    pub(crate) fn of_answer(client_id: &str, answer: &Value) -> Why {
        let incidents = answer.get("incidents").and_then(Value::as_array);
        let lines = incidents.into_iter().flatten().rev().map(|incident| {
            let text = |name: &str| incident.get(name).and_then(Value::as_str).unwrap_or_default();
            let times = incident.get("count").and_then(Value::as_u64).unwrap_or(1);
            let mut line =
                format!("{} {}: {}", super::log::time_of_day(text("at")), text("kind"), text("text"));
            for name in ["topic", "limit", "reason"] {
                if !text(name).is_empty() {
                    line.push_str(&format!(" · {}", text(name)));
                }
            }
            if times > 1 {
                line.push_str(&format!(" · {times} times"));
            }
            line
        });
        Why { client_id: client_id.to_owned(), lines: lines.collect() }
    }
}

/// A client identifier from a level of a topic.
fn percent_decoded(encoded: &str) -> String {
    let mut bytes = Vec::with_capacity(encoded.len());
    let mut rest = encoded.as_bytes();
    while let [first, tail @ ..] = rest {
        let code = (*first == b'%').then(|| tail.get(..2)).flatten();
        let code = code.and_then(|digits| std::str::from_utf8(digits).ok());
        match code.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &tail[2..];
            }
            None => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take(sessions: &mut Sessions, id: &str, dropped: u64) {
        let report = serde_json::json!({"client_id": id, "connected": true, "dropped": dropped});
        sessions.take(id, report.to_string().as_bytes());
    }

    #[test]
    fn the_selection_stays_on_its_session_when_others_come() {
        let mut sessions = Sessions::default();
        take(&mut sessions, "m", 0);
        sessions.settle(1, 10);
        assert_eq!(sessions.current().unwrap().client_id, "m");
        take(&mut sessions, "a", 0);
        sessions.settle(5000, 10);
        assert_eq!(sessions.current().unwrap().client_id, "m");
        assert_eq!(sessions.cursor.selected, 1);
    }

    #[test]
    fn figures_are_sorted_with_the_greatest_first_and_turned_around_by_the_same_column() {
        let mut sessions = Sessions::default();
        for (id, dropped) in [("a", 1), ("b", 3), ("c", 2)] {
            take(&mut sessions, id, dropped);
        }
        let order = |sessions: &mut Sessions| {
            sessions.settle(1, 10);
            (0..3).map(|row| sessions.row(row).unwrap().client_id.clone()).collect::<String>()
        };
        sessions.sort_by(Column::Dropped);
        assert_eq!(order(&mut sessions), "bca");
        sessions.sort_by(Column::Dropped);
        assert_eq!(order(&mut sessions), "acb");
    }

    #[test]
    fn a_session_that_is_gone_leaves_by_its_encoded_name() {
        let mut sessions = Sessions::default();
        take(&mut sessions, "a/b é", 0);
        assert_eq!(sessions.total(), 1);
        sessions.take("a%2Fb%20%C3%A9", b"");
        assert_eq!(sessions.total(), 0);
        assert_eq!(percent_decoded("%"), "%");
        assert_eq!(percent_decoded("%4"), "%4");
    }
}
