//! `$SYS/broker/vaux/sessions/…`: what is told of each session.
//!
//! It behaves as if it were retained, but is never kept: it is made when somebody subscribes, when something happens to
//! the session, and now and then while somebody watches.

use serde_json::{Map, Value, json};
use vaux_mqtt::topic::{TopicFilter, TopicName};

use super::Core;
use super::json::{percent_encoded, timestamp};
use super::observe::{SessionChange, VAUX, user_of, version_name};
use super::timeout::Timer;
use crate::config::SysSessions;
use crate::session::{Session, SessionSlot, Traffic};
use crate::time::Time;

/// How often some of the sessions are looked at whose figures may have changed.
const REFRESH_MS: u64 = 100;

/// A walk through all sessions, as long as an interval.
#[derive(Clone, Copy, Debug)]
pub(super) struct Refresh {
    began_at: Time,
    /// The place in the table that is looked at next.
    next: usize,
}

impl Core {
    /// What is known of a session.
    pub(super) fn session_report(&self, session: SessionSlot) -> Map<String, Value> {
        let state = &self.sessions[session];
        let mut report = Map::new();
        let mut put = |name: &str, value: Value| report.insert(name.to_owned(), value);
        put("client_id", json!(*state.key.client_id));
        if !state.key.mount.is_empty() {
            put("mount", json!(*state.key.mount));
        }
        put("user", json!(user_of(&state.identity)));
        put("connected", json!(state.connection().is_some()));
        let connection = state.connection().map(|slot| &self.connections[slot as usize]);
        put("address", json!(connection.map(|connection| connection.peer.get().to_string())));
        put("listener", json!(connection.map(|connection| &*connection.listener.name)));
        put("version", json!(connection.map(|connection| version_name(connection.version))));
        put("clean_start", json!(connection.map(|connection| connection.clean_start)));
        put("session_expiry", json!(expiry_s(state.expiry_ms)));
        put("keep_alive", json!(connection.map(|connection| connection.keep_alive)));
        put("connected_at", json!(connection.map(|connection| timestamp(connection.connected_at))));
        put("subscriptions", json!(state.subscriptions.len()));
        put("inflight", json!(state.outbound.len()));
        put("queued", json!(state.queue.len()));
        put("queued_bytes", json!(state.queue.bytes()));
        let traffic = self.traffic(state);
        put("messages_in", json!(traffic.messages_in));
        put("messages_out", json!(traffic.messages_out));
        put("bytes_in", json!(traffic.bytes_in));
        put("bytes_out", json!(traffic.bytes_out));
        put("dropped", json!(state.more().map_or(0, |more| more.dropped)));
        let will_topic = state.will.as_ref().map(|will| &will.topic[state.key.mount.len()..]);
        put("will_topic", json!(will_topic));
        report
    }

    /// What went through a session, with what its connection has counted.
    fn traffic(&self, state: &Session) -> Traffic {
        let mut traffic = state.more().map_or_else(Traffic::default, |more| more.traffic);
        if let Some(slot) = state.connection() {
            traffic.add(self.connections[slot as usize].traffic);
        }
        traffic
    }

    /// The report as a message. `None` when its topic does not match the filter.
    pub(super) fn session_message(
        &self,
        session: SessionSlot,
        filter: TopicFilter<'_>,
    ) -> Option<(String, Vec<u8>)> {
        let topic = session_topic(&self.sessions[session].key.client_id);
        let is_wanted = TopicName::new(&topic).is_ok_and(|name| filter.matches(name));
        is_wanted.then(|| (topic, Value::Object(self.session_report(session)).to_string().into_bytes()))
    }

    /// Something that is told of the session has changed.
    pub(super) fn report_later(&mut self, session: SessionSlot) {
        if self.tells_sessions() {
            let sid = self.sessions[session].sid;
            self.observations.changes.push_back(SessionChange::Changed(sid));
        }
    }

    /// The session is gone.
    pub(super) fn report_end(&mut self, session: SessionSlot) {
        if self.tells_sessions() {
            let client_id = self.sessions[session].key.client_id.clone();
            self.observations.changes.push_back(SessionChange::Ended(client_id));
        }
    }

    /// Whether sessions are reported, and somebody may be interested.
    pub(super) fn tells_sessions(&self) -> bool {
        self.is_watched() && self.settings.sys.sessions == SysSessions::Full
    }

    pub(super) fn publish_change(&mut self, now: Time, change: &SessionChange) {
        match change {
            SessionChange::Changed(sid) => {
                if let Some(session) = self.sessions.of_sid(*sid) {
                    self.publish_report(now, session);
                }
            }
            SessionChange::Ended(client_id) => {
                self.publish_own(now, &session_topic(client_id), &[], false);
            }
        }
    }

    fn publish_report(&mut self, now: Time, session: SessionSlot) {
        let topic = session_topic(&self.sessions[session].key.client_id);
        let report = Value::Object(self.session_report(session)).to_string();
        let state = &self.sessions[session];
        let activity = activity(state, &self.traffic(state));
        self.sessions[session].more_mut().reported = activity;
        self.publish_own(now, &topic, report.as_bytes(), false);
    }

    /// Begins to look for figures that have changed, as somebody may be interested now.
    pub(super) fn begin_refresh(&mut self, now: Time) {
        if self.refresh.is_none() && self.tells_sessions() {
            self.refresh = Some(Refresh { began_at: now, next: 0 });
            self.set_timer(now.plus_ms(REFRESH_MS), Timer::Refresh);
        }
    }

    /// Reports again what has changed of some of the sessions: each has its turn once in an interval, however many there
    /// are.
    pub(super) fn refresh_sessions(&mut self, now: Time) {
        let Some(refresh) = self.refresh.take().filter(|_| self.tells_sessions()) else { return };
        let interval_ms = (self.settings.sys.interval.as_millis() as u64).max(1000);
        let elapsed_ms = now.ms_since(refresh.began_at).min(interval_ms);
        let count = self.sessions.capacity() as u64;
        let end = usize::try_from(count * elapsed_ms / interval_ms).unwrap_or(usize::MAX);
        for index in refresh.next..end {
            let session = SessionSlot(index as u32);
            let is_news = self
                .sessions
                .get(session)
                .is_some_and(|state| reported(state) != activity(state, &self.traffic(state)));
            if is_news {
                self.report_later(session);
            }
        }
        self.refresh = Some(match elapsed_ms == interval_ms {
            true => Refresh { began_at: now, next: 0 },
            false => Refresh { next: end, ..refresh },
        });
        self.set_timer(now.plus_ms(REFRESH_MS), Timer::Refresh);
    }
}

/// A number that changes with every figure of the report.
fn activity(state: &Session, traffic: &Traffic) -> u64 {
    let Traffic { messages_in, messages_out, bytes_in, bytes_out } = *traffic;
    let dropped = state.more().map_or(0, |more| more.dropped);
    messages_in + messages_out + bytes_in + bytes_out + dropped + state.queue.bytes() as u64
}

/// What that number was when the session was reported last.
fn reported(state: &Session) -> u64 {
    state.more().map_or(0, |more| more.reported)
}

/// Where a session is told about.
pub(super) fn session_topic(client_id: &str) -> String {
    format!("{VAUX}sessions/{}", percent_encoded(client_id))
}

/// Seconds, as the protocol has them: the greatest number stands for "never".
fn expiry_s(expiry_ms: u64) -> u32 {
    u32::try_from(expiry_ms / 1000).unwrap_or(u32::MAX)
}
