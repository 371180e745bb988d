//! Lists, a page at a time.

use serde_json::{Map, Value, json};
use vaux_mqtt::topic::TopicFilter;

use super::Ask;
use super::answer::Answer;
use super::request::{Cursor, Request};
use crate::core::Core;
use crate::core::incident::Incident;
use crate::core::json::put_payload;
use crate::message::Message;
use crate::retained::Position;
use crate::session::{SessionSlot, SessionSubscription};
use crate::time::Time;

/// A page of retained messages ends before it holds more than this, unless one message is larger alone.
const PAGE_BYTES: usize = 1 << 20;

impl Core {
    pub(super) fn list_sessions(&self, ask: &mut Ask) {
        let Request::Sessions { cursor, .. } = &ask.request else { return };
        let start = self.start_of(*cursor);
        for index in start.index as usize..self.sessions.capacity() {
            if self.sessions.get(SessionSlot(index as u32)).is_none() {
                continue;
            }
            if ask.is_page_full() {
                let next = Cursor { worker: self.worker.0, index: index as u32, offset: 0 };
                ask.next = Some(next.to_json());
                return;
            }
            let report = self.session_report(SessionSlot(index as u32));
            ask.push(Value::Object(report));
        }
    }

    /// The subscriptions of all sessions here, or of one.
    pub(super) fn list_subscriptions(&self, ask: &mut Ask, only: Option<SessionSlot>) {
        let Request::Subscriptions { cursor, .. } = &ask.request else { return };
        let start = self.start_of(*cursor);
        let indexes = match only {
            Some(session) => session.0 as usize..session.0 as usize + 1,
            None => start.index as usize..self.sessions.capacity(),
        };
        for index in indexes {
            let Some(state) = self.sessions.get(SessionSlot(index as u32)) else { continue };
            let skipped = if index == start.index as usize { start.offset as usize } else { 0 };
            for (offset, subscription) in state.subscriptions.iter().enumerate().skip(skipped) {
                if ask.is_page_full() {
                    let next = Cursor { worker: self.worker.0, index: index as u32, offset: offset as u32 };
                    ask.next = Some(next.to_json());
                    return;
                }
                let subscription = self.full_subscription(SessionSlot(index as u32), subscription);
                ask.push(subscription_json(&state.key.client_id, &subscription));
            }
        }
    }

    /// Where on this worker a list goes on.
    fn start_of(&self, cursor: Option<Cursor>) -> Cursor {
        cursor.filter(|cursor| cursor.worker == self.worker.0).unwrap_or_default()
    }

    pub(super) fn list_retained(&self, now: Time, ask: &mut Ask) {
        let Request::Retained { cursor, filter, .. } = &ask.request else { return };
        let Ok(filter) = TopicFilter::new(filter.as_deref().unwrap_or("#")) else { return };
        let mut position = cursor.as_deref().map_or_else(Position::default, Position::behind);
        let limit = ask.request.limit();
        // One more than the page holds tells whether there is another page.
        let messages = self.shared.retained.next(filter, &mut position, limit + 1, now);
        let mut bytes = 0;
        for (index, kept) in messages.iter().enumerate() {
            bytes += kept.message.size_bytes();
            if index == limit || index > 0 && bytes > PAGE_BYTES {
                ask.next = messages.get(index - 1).map(|last| json!(last.message.content().topic));
                return;
            }
            ask.push(retained_json(&kept.message, now));
        }
    }

    /// The newest incidents of this worker that are asked for.
    pub(super) fn list_incidents(&self, ask: &mut Ask) {
        let Request::Why { client_id, topic, .. } = &ask.request else { return };
        let is_wanted = |incident: &&Incident| {
            client_id.as_ref().is_none_or(|wanted| incident.client_id.as_deref() == Some(wanted))
                && topic.as_ref().is_none_or(|wanted| incident.topic.as_deref() == Some(wanted))
        };
        let limit = ask.request.limit();
        let incidents = self.observations.incidents.newest_first().filter(is_wanted).take(limit);
        let mut items: Vec<_> =
            incidents.map(|incident| (incident.until, Value::Object(incident.to_json()))).collect();
        // Those of one time stay in their order when all are sorted by it.
        items.reverse();
        ask.items.extend(items);
    }

    /// The answer of a list that has been everywhere.
    pub(super) fn list_answer(&self, ask: &mut Ask) -> Answer {
        let (command, limit) = (ask.request.command(), ask.request.limit());
        let mut items = std::mem::take(&mut ask.items);
        let name = match ask.request {
            Request::Why { .. } => {
                items.sort_by_key(|(at, _)| *at);
                let surplus = items.len().saturating_sub(limit);
                items.drain(..surplus);
                "incidents"
            }
            _ => command,
        };
        let items: Vec<Value> = items.into_iter().map(|(_, item)| item).collect();
        let answer = Answer::done(command).with(name, Value::Array(items));
        match ask.next.take() {
            Some(next) => answer.with("next", next),
            None => answer,
        }
    }
}

impl Ask {
    fn is_page_full(&self) -> bool {
        self.items.len() >= self.request.limit()
    }

    fn push(&mut self, item: Value) {
        self.items.push((Time(0), item));
    }
}

fn subscription_json(client_id: &str, subscription: &SessionSubscription) -> Value {
    let options = &subscription.options;
    let mut object = Map::from_iter([
        ("client_id".to_owned(), json!(client_id)),
        ("filter".to_owned(), json!(*subscription.text)),
        ("qos".to_owned(), json!(options.qos.bits())),
        ("no_local".to_owned(), json!(options.no_local)),
        ("retain_as_published".to_owned(), json!(options.retain_as_published)),
        ("retain_handling".to_owned(), json!(options.retain_handling as u8)),
    ]);
    if subscription.identifier != 0 {
        object.insert("identifier".to_owned(), json!(subscription.identifier));
    }
    Value::Object(object)
}

fn retained_json(message: &Message, now: Time) -> Value {
    let content = message.content();
    let mut object = Map::from_iter([
        ("topic".to_owned(), json!(content.topic)),
        ("qos".to_owned(), json!(message.qos.bits())),
    ]);
    put_payload(&mut object, content.payload);
    if let Some(seconds) = content.expiry_interval(now) {
        object.insert("expires_in_s".to_owned(), json!(seconds));
    }
    Value::Object(object)
}
