//! Why a message was dropped, a client refused, a connection ended: what is remembered of it, for `why`.
//!
//! Each worker remembers the last incidents, within a budget. Alike ones that follow each other are counted together, so
//! that a flood of one kind does not push everything else out, and costs no memory.

use std::collections::VecDeque;
use std::sync::Arc;

use serde_json::{Map, Value, json};
use vaux_mqtt::ReasonCode;

use super::counters::Dropped;
use super::json::timestamp;
use crate::peer::Peer;
use crate::session::Identity;
use crate::time::Time;

/// What happened, why, to whom.
#[derive(Clone, Debug)]
pub(super) struct Incident {
    /// When it happened first.
    pub(super) at: Time,
    /// When it happened last.
    pub(super) until: Time,
    /// How often it happened, one after the other.
    pub(super) count: u64,
    /// What happened.
    pub(super) kind: IncidentKind,
    /// Why, as a word for programs.
    pub(super) cause: &'static str,
    /// Why, as a sentence for people.
    pub(super) text: &'static str,
    /// The key of the configuration that sets the limit that was reached.
    pub(super) limit: Option<&'static str>,
    /// The client, as far as it is known.
    pub(super) client_id: Option<Arc<str>>,
    /// Whom it belongs to.
    pub(super) user: Option<Arc<str>>,
    /// Where it came from.
    pub(super) address: Option<Peer>,
    /// The topic of the message, or the filter of the subscription.
    pub(super) topic: Option<Box<str>>,
    /// What the peer was told, or told.
    pub(super) reason: Option<ReasonCode>,
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum IncidentKind {
    /// A message was not delivered.
    Drop,
    /// A connection, a session or a subscription was refused.
    Refusal,
    /// A connection ended.
    Disconnect,
    /// A client was read more slowly.
    Pace,
}

/// Why a message is not delivered to one session, or goes nowhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DropCause {
    SlowReader,
    QueueFull,
    TooLarge,
    Expired,
    LaneFull,
    NoMember,
    Damaged,
    NotAuthorized,
    MayNotReceive,
    RetainSource,
    TopicInvalid,
    PayloadTooLarge,
    RetainedFull,
    StoreFull,
    StoreFailed,
    MemoryFull,
}

impl DropCause {
    /// The cause as a word, as a sentence, and the key of the limit that was reached.
    fn words(self) -> (&'static str, &'static str, Option<&'static str>) {
        match self {
            DropCause::SlowReader => {
                ("slow-reader", "the client does not read fast enough", Some("max_outbox_bytes"))
            }
            DropCause::QueueFull => {
                ("queue-full", "the queue of the session was full", Some("max_queued_messages"))
            }
            DropCause::TooLarge => ("too-large", "the packet would be larger than the client takes", None),
            DropCause::Expired => ("expired", "the message expired while it waited", None),
            DropCause::LaneFull => ("lane-full", "the worker of the subscribers does not keep up", None),
            DropCause::NoMember => ("no-member", "nobody is left of the shared subscription", None),
            DropCause::Damaged => ("damaged", "the message cannot be read from the store", None),
            DropCause::NotAuthorized => {
                ("not-authorized", "this client may not publish under this topic", None)
            }
            DropCause::MayNotReceive => {
                ("not-authorized", "this client may not have messages under this topic", None)
            }
            DropCause::RetainSource => (
                "retain-source",
                "who published this retained message may not publish there any more",
                Some("check_retain_source"),
            ),
            DropCause::TopicInvalid => {
                ("topic-invalid", "the topic is longer or deeper than allowed", Some("max_topic_levels"))
            }
            DropCause::PayloadTooLarge => {
                ("payload-too-large", "the payload is larger than allowed", Some("max_payload"))
            }
            DropCause::RetainedFull => {
                ("retained-full", "there is no room among the retained messages", Some("max_retained_bytes"))
            }
            DropCause::MemoryFull => ("memory-full", "memory is short", Some("memory_limit")),
            DropCause::StoreFull => ("store-full", "there is no room in the store", Some("max_store_bytes")),
            DropCause::StoreFailed => ("store-failed", "the store failed", None),
        }
    }

    /// A sentence for people.
    pub(super) fn text(self) -> &'static str {
        self.words().1
    }

    /// What the publisher is told whose message goes nowhere.
    pub(super) fn reason(self) -> ReasonCode {
        match self {
            DropCause::NotAuthorized | DropCause::MayNotReceive => ReasonCode::NotAuthorized,
            DropCause::TopicInvalid => ReasonCode::TopicNameInvalid,
            DropCause::StoreFailed => ReasonCode::ImplementationSpecificError,
            _ => ReasonCode::QuotaExceeded,
        }
    }

    /// Where it is counted.
    pub(super) fn count_in(self, dropped: &mut Dropped) -> &mut u64 {
        match self {
            DropCause::SlowReader => &mut dropped.slow_reader,
            DropCause::QueueFull => &mut dropped.queue_full,
            DropCause::TooLarge => &mut dropped.too_large,
            DropCause::Expired => &mut dropped.expired,
            DropCause::LaneFull => &mut dropped.lane_full,
            DropCause::NoMember => &mut dropped.no_member,
            DropCause::MemoryFull => &mut dropped.memory_full,
            DropCause::Damaged => &mut dropped.damaged,
            DropCause::NotAuthorized
            | DropCause::MayNotReceive
            | DropCause::RetainSource
            | DropCause::TopicInvalid
            | DropCause::PayloadTooLarge
            | DropCause::RetainedFull
            | DropCause::StoreFull
            | DropCause::StoreFailed => &mut dropped.refused,
        }
    }
}

impl Incident {
    /// Something that happened now, to nobody in particular.
    pub(super) fn new(at: Time, kind: IncidentKind, cause: &'static str, text: &'static str) -> Incident {
        Incident {
            at,
            until: at,
            count: 1,
            kind,
            cause,
            text,
            limit: None,
            client_id: None,
            user: None,
            address: None,
            topic: None,
            reason: None,
        }
    }

    /// A message that was dropped. No topic has no characters: then nobody knows it.
    pub(super) fn drop(at: Time, cause: DropCause, topic: &str) -> Incident {
        let (word, text, limit) = cause.words();
        let topic = (!topic.is_empty()).then(|| topic.into());
        Incident { limit, topic, ..Incident::new(at, IncidentKind::Drop, word, text) }
    }

    /// The same, of a client.
    pub(super) fn of(mut self, client_id: &Arc<str>, identity: &Identity) -> Incident {
        self.client_id = Some(Arc::clone(client_id));
        self.user = match identity {
            Identity::Anonymous => None,
            Identity::User(name) => Some(Arc::clone(name)),
        };
        self
    }

    /// Whether another one is the same thing again.
    fn is_like(&self, other: &Incident) -> bool {
        self.kind == other.kind
            && self.cause == other.cause
            && self.client_id == other.client_id
            && self.topic == other.topic
            && self.address.map(|peer| peer.ip()) == other.address.map(|peer| peer.ip())
            && self.reason == other.reason
            && self.user == other.user
    }

    /// What it takes, roughly, beside the struct.
    fn extra_bytes(&self) -> usize {
        self.topic.as_ref().map_or(0, |topic| topic.len())
            + self.client_id.as_ref().map_or(0, |client_id| client_id.len())
    }

    /// As `why` and events tell it.
    pub(super) fn to_json(&self) -> Map<String, Value> {
        let mut object = Map::new();
        let mut put = |name: &str, value: Value| object.insert(name.to_owned(), value);
        put("at", json!(timestamp(self.at)));
        let kind = match self.kind {
            IncidentKind::Drop => "drop",
            IncidentKind::Refusal => "refusal",
            IncidentKind::Disconnect => "disconnect",
            IncidentKind::Pace => "pace",
        };
        put("kind", json!(kind));
        put("cause", json!(self.cause));
        put("text", json!(self.text));
        if let Some(client_id) = &self.client_id {
            put("client_id", json!(**client_id));
        }
        if let Some(user) = &self.user {
            put("user", json!(**user));
        }
        if let Some(address) = &self.address {
            put("address", json!(address.to_string()));
        }
        if let Some(topic) = &self.topic {
            put("topic", json!(**topic));
        }
        if let Some(limit) = self.limit {
            put("limit", json!(limit));
        }
        if let Some(reason) = self.reason {
            put("reason_code", json!(reason.value()));
            put("reason", json!(reason.name()));
        }
        if self.count > 1 {
            put("count", json!(self.count));
            put("until", json!(timestamp(self.until)));
        }
        object
    }
}

/// The last incidents, oldest first.
#[derive(Debug, Default)]
pub(super) struct Incidents {
    ring: VecDeque<Incident>,
    extra_bytes: usize,
}

/// How many incidents a worker remembers at most.
const MAX_INCIDENTS: usize = 4096;
/// How many bytes of topics and client identifiers they hold at most.
const MAX_EXTRA_BYTES: usize = 512 << 10;
/// How far back a like one is looked for.
const LOOK_BACK: usize = 8;

impl Incidents {
    /// Remembers an incident, or counts it with a like one.
    pub(super) fn push(&mut self, incident: Incident) {
        if let Some(like) = self.ring.iter_mut().rev().take(LOOK_BACK).find(|old| old.is_like(&incident)) {
            like.count += 1;
            like.until = incident.at;
            return;
        }
        self.extra_bytes += incident.extra_bytes();
        self.ring.push_back(incident);
        while self.ring.len() > MAX_INCIDENTS || self.extra_bytes > MAX_EXTRA_BYTES {
            let Some(oldest) = self.ring.pop_front() else { break };
            self.extra_bytes -= oldest.extra_bytes();
        }
    }

    /// Counts a drop that is like a late one, without making an incident of it. False when there is none.
    pub(super) fn repeat_drop(
        &mut self,
        at: Time,
        cause: DropCause,
        client_id: &Arc<str>,
        topic: &str,
    ) -> bool {
        let word = cause.words().0;
        let like = self.ring.iter_mut().rev().take(LOOK_BACK).find(|old| {
            old.kind == IncidentKind::Drop
                && old.cause == word
                && old.client_id.as_ref() == Some(client_id)
                && old.topic.as_deref().unwrap_or_default() == topic
        });
        if let Some(like) = like {
            like.count += 1;
            like.until = at;
            return true;
        }
        false
    }

    /// All of them, the newest first.
    pub(super) fn newest_first(&self) -> impl Iterator<Item = &Incident> {
        self.ring.iter().rev()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drop_of(client_id: &str, topic: &str, at: u64) -> Incident {
        Incident::drop(Time(at), DropCause::QueueFull, topic).of(&client_id.into(), &Identity::Anonymous)
    }

    #[test]
    fn alike_ones_are_counted_together_even_when_others_come_between() {
        let mut incidents = Incidents::default();
        for at in 0..100 {
            incidents.push(drop_of("a", "t", at));
            incidents.push(drop_of("b", "t", at));
        }
        let told: Vec<_> = incidents.newest_first().map(|one| (one.count, one.at.0, one.until.0)).collect();
        assert_eq!(told, [(100, 0, 99), (100, 0, 99)]);
    }

    #[test]
    fn the_oldest_go_when_there_are_too_many_or_they_are_too_long() {
        let mut incidents = Incidents::default();
        for number in 0..MAX_INCIDENTS + 10 {
            incidents.push(drop_of("a", &format!("t/{number}"), 0));
        }
        assert_eq!(incidents.newest_first().count(), MAX_INCIDENTS);
        for number in 0..100 {
            incidents.push(drop_of("a", &format!("{number}/{}", "x".repeat(65_000)), 0));
        }
        assert!(incidents.extra_bytes <= MAX_EXTRA_BYTES);
        assert_eq!(incidents.newest_first().count(), 8);
    }

    #[test]
    fn what_does_not_apply_is_left_out_of_the_json() {
        let mut incident = drop_of("a", "t", 1_764_148_442_113);
        assert_eq!(
            Value::Object(incident.to_json()),
            json!({
                "at": "2025-11-26T09:14:02.113Z", "kind": "drop", "cause": "queue-full",
                "text": "the queue of the session was full", "client_id": "a", "topic": "t",
                "limit": "max_queued_messages",
            })
        );
        incident.reason = Some(ReasonCode::QuotaExceeded);
        assert_eq!(incident.to_json()["reason_code"], 0x97);
    }
}
