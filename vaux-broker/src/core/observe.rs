//! What core tells of what it does: incidents for `why`, and events for those who watch.
//!
//! Incidents are remembered at once. Events are collected, and only while somebody subscribed below `$SYS/`; at the end of
//! the turn they are published like messages. What happens to the events themselves is remembered, but is no event: else
//! a watcher who reads too slowly would make ever more of them.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use serde_json::{Map, Value, json};
use vaux_mqtt::error::Rule;
use vaux_mqtt::{Error, Packet, QoS, ReasonCode, Version};

use super::connect_request::Refusal;
use super::connection::Phase;
use super::deliver::Publication;
use super::incident::{DropCause, Incident, IncidentKind, Incidents};
use super::json::timestamp;
use super::{Core, Effect};
use crate::config::SysSessions;
use crate::message::Content;
use crate::observe::EventKind;
use crate::peer::Peer;
use crate::session::SessionSlot;
use crate::time::Time;

/// What one worker remembers, and what it has not told yet.
#[derive(Debug, Default)]
pub(super) struct Observations {
    pub(super) incidents: Incidents,
    /// Events of this turn.
    events: VecDeque<Vec<u8>>,
    /// Sessions of which something has changed, and those that have ended.
    pub(super) changes: VecDeque<SessionChange>,
    /// Whether events are being published.
    is_telling: bool,
}

/// A change that `$SYS/broker/vaux/sessions/` tells.
#[derive(Debug)]
pub(super) enum SessionChange {
    /// Of the session with this number.
    Changed(u64),
    /// The session of this client identifier is gone.
    Ended(Arc<str>),
}

/// Why a connection ended.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ending {
    pub(super) cause: &'static str,
    pub(super) text: &'static str,
    pub(super) limit: Option<&'static str>,
    pub(super) reason: Option<ReasonCode>,
}

impl Ending {
    pub(super) const LOST: Ending = Ending::of("connection-lost", "the network connection ended", None);
    pub(super) const TAKEN_OVER: Ending = Ending::of(
        "taken-over",
        "the client identifier was used by another connection",
        Some(ReasonCode::SessionTakenOver),
    );
    pub(super) const SHUTDOWN: Ending =
        Ending::of("shutdown", "the broker was stopped", Some(ReasonCode::ServerShuttingDown));
    pub(super) const KICKED: Ending =
        Ending::of("kicked", "an operator ended the connection", Some(ReasonCode::AdministrativeAction));
    pub(super) const DELETED: Ending =
        Ending::of("deleted", "an operator deleted the session", Some(ReasonCode::AdministrativeAction));
    pub(super) const STORE_FAILED: Ending =
        Ending::of("store-failed", "the store failed", Some(ReasonCode::ImplementationSpecificError));
    const STORE_FULL: Ending = Ending {
        limit: Some("max_store_bytes"),
        ..Ending::of("store-full", "there is no room in the store", Some(ReasonCode::QuotaExceeded))
    };
    pub(super) const SUBSCRIPTION_REFUSED: Ending = Ending::of(
        "subscription-refused",
        "a subscription was refused, and version 3.1 has no code for it",
        None,
    );
    pub(super) const CREDENTIALS_EXPIRED: Ending = Ending::of(
        "credentials-expired",
        "the client's proof of who it is ran out",
        Some(ReasonCode::NotAuthorized),
    );
    pub(super) const CREDENTIALS_REVOKED: Ending = Ending::of(
        "credentials-revoked",
        "what the client logged in with does not count any more",
        Some(ReasonCode::NotAuthorized),
    );
    pub(super) const WRITE_STALL: Ending = Ending {
        limit: Some("write_stall"),
        ..Ending::of("write-stall", "the client read nothing for too long", None)
    };

    pub(super) const fn of(cause: &'static str, text: &'static str, reason: Option<ReasonCode>) -> Ending {
        Ending { cause, text, limit: None, reason }
    }

    /// The client did something that ends the connection.
    pub(super) fn by(error: &Error) -> Ending {
        match error.rule() {
            Rule::StoreFull => return Ending::STORE_FULL,
            Rule::StoreFailed => return Ending::STORE_FAILED,
            _ => {}
        }
        let reason = error.reason_code();
        let (cause, limit) = match reason {
            ReasonCode::KeepAliveTimeout => ("keep-alive", None),
            ReasonCode::PacketTooLarge => ("packet-too-large", Some("max_packet_size")),
            ReasonCode::ReceiveMaximumExceeded => ("receive-maximum", Some("receive_maximum")),
            ReasonCode::TopicAliasInvalid => ("topic-alias", Some("topic_alias_maximum")),
            ReasonCode::QuotaExceeded => ("quota-exceeded", None),
            _ => ("protocol-error", None),
        };
        Ending { limit, ..Ending::of(cause, error.rule().text(), Some(reason)) }
    }
}

/// Under which the broker tells about itself.
pub(super) const VAUX: &str = "$SYS/broker/vaux/";
const EVENTS: &str = "$SYS/broker/vaux/events";

/// More events than this in one turn are counted and forgotten.
const MAX_EVENTS: usize = 1024;

impl Core {
    /// A session does not get a message.
    pub(super) fn drop_for(&mut self, now: Time, session: SessionSlot, cause: DropCause, topic: &str) {
        *cause.count_in(&mut self.counters.dropped) += 1;
        self.sessions[session].more_mut().dropped += 1;
        let is_told = (self.observations.is_telling || !self.is_watched()) && self.observed.is_none();
        let client_id = &self.sessions[session].key.client_id;
        if is_told && self.observations.incidents.repeat_drop(now, cause, client_id, topic) {
            return;
        }
        let state = &self.sessions[session];
        let incident = Incident::drop(now, cause, topic).of(&state.key.client_id, &state.identity);
        self.note(incident);
    }

    /// A message reaches none of the sessions that it was for, and these are not known.
    pub(super) fn drop_of(&mut self, now: Time, publisher: u64, cause: DropCause, topic: &str) {
        match self.sessions.of_sid(publisher) {
            Some(session) => self.drop_for(now, session, cause, topic),
            None => {
                *cause.count_in(&mut self.counters.dropped) += 1;
                self.note(Incident::drop(now, cause, topic));
            }
        }
    }

    /// A client is not let in.
    pub(super) fn note_refusal(&mut self, now: Time, slot: u32, client_id: Option<&str>, refusal: &Refusal) {
        self.counters.refused_connects += 1;
        let peer = self.connections[slot as usize].peer.get();
        // Wrong passwords are logged where they are found, with the user.
        if refusal.reason != ReasonCode::BadUserNameOrPassword {
            self.effects.push_back(Effect::Refused { peer, text: refusal.text });
        }
        let cause = match refusal.reason {
            ReasonCode::BadUserNameOrPassword => "bad-credentials",
            ReasonCode::NotAuthorized => "not-authorized",
            ReasonCode::ClientIdentifierNotValid => "client-id",
            ReasonCode::UnsupportedProtocolVersion => "version",
            ReasonCode::ServerBusy => "server-busy",
            ReasonCode::ConnectionRateExceeded => "connect-rate",
            ReasonCode::QuotaExceeded => "quota-exceeded",
            ReasonCode::UseAnotherServer | ReasonCode::ServerMoved => "redirected",
            _ => "connect-refused",
        };
        let incident = Incident {
            limit: refusal.limit,
            client_id: client_id.filter(|client_id| !client_id.is_empty()).map(Into::into),
            address: Some(self.connections[slot as usize].peer.get()),
            reason: Some(refusal.reason),
            ..Incident::new(now, IncidentKind::Refusal, cause, refusal.text)
        };
        self.note(incident);
    }

    /// A connection ends before anything is known of its client.
    pub fn handle_refused_socket(
        &mut self,
        now: Time,
        peer: Peer,
        cause: &'static str,
        text: &'static str,
        limit: Option<&'static str>,
    ) {
        self.counters.refused_connects += 1;
        self.effects.push_back(Effect::Refused { peer, text });
        let refusal = Incident::new(now, IncidentKind::Refusal, cause, text);
        self.note(Incident { limit, address: Some(peer), ..refusal });
    }

    /// What carries a connection cannot go on. After CONNECT that is told as a lost connection.
    pub fn handle_failed_transport(&mut self, now: Time, slot: u32, cause: &'static str, text: &'static str) {
        if self.connections[slot as usize].phase == Phase::AwaitConnect {
            self.handle_refusal(now, slot, cause, text, None);
        }
    }

    /// A connection is to end before it has brought a CONNECT.
    pub fn handle_refusal(
        &mut self,
        now: Time,
        slot: u32,
        cause: &'static str,
        text: &'static str,
        limit: Option<&'static str>,
    ) {
        let peer = self.connections[slot as usize].peer.get();
        self.handle_refused_socket(now, peer, cause, text, limit);
    }

    /// A subscription is refused.
    pub(super) fn note_refused_subscription(
        &mut self,
        now: Time,
        slot: u32,
        filter: &str,
        reason: ReasonCode,
    ) {
        let (cause, limit) = match reason {
            ReasonCode::NotAuthorized => ("not-authorized", None),
            ReasonCode::TopicFilterInvalid => ("filter-invalid", Some("max_topic_levels")),
            ReasonCode::QuotaExceeded => ("quota-exceeded", Some("max_subscriptions_per_client")),
            _ => ("not-supported", None),
        };
        let text = "the subscription was refused";
        let state = &self.sessions[self.connections[slot as usize].session];
        let incident = Incident {
            limit,
            topic: Some(filter.into()),
            reason: Some(reason),
            ..Incident::new(now, IncidentKind::Refusal, cause, text)
        };
        self.note(incident.of(&state.key.client_id, &state.identity));
    }

    /// A client's connection ends.
    pub(super) fn note_disconnect(&mut self, now: Time, slot: u32, ending: &Ending) {
        let connection = &self.connections[slot as usize];
        let state = &self.sessions[connection.session];
        let incident = Incident {
            limit: ending.limit,
            address: Some(connection.peer.get()),
            reason: ending.reason,
            ..Incident::new(now, IncidentKind::Disconnect, ending.cause, ending.text)
        };
        self.note(incident.of(&state.key.client_id, &state.identity));
    }

    /// A client has connected.
    pub(super) fn tell_connect(
        &mut self,
        now: Time,
        session: SessionSlot,
        is_takeover: bool,
        session_present: bool,
    ) {
        let (name, kind) = match is_takeover {
            true => ("takeover", EventKind::Takeover),
            false => ("connect", EventKind::Connect),
        };
        self.observe_session(now, kind, session, None);
        self.tell(now, name, session, |core, event| {
            let report = core.session_report(session).into_iter();
            const TOLD: [&str; 5] = ["address", "listener", "version", "clean_start", "keep_alive"];
            event.extend(report.filter(|(name, _)| TOLD.contains(&name.as_str())));
            event.insert("session_present".to_owned(), json!(session_present));
        });
        self.report_later(session);
    }

    /// A packet comes from a client that is traced.
    #[cold]
    pub(super) fn trace_received(&mut self, now: Time, slot: u32, packet: &Packet<'_>, len: usize) {
        let session = self.connections[slot as usize].session;
        self.tell(now, "trace", session, |_, event| {
            event.insert("direction".to_owned(), json!("in"));
            event.insert("packet".to_owned(), json!(packet.packet_type().name()));
            event.insert("bytes".to_owned(), json!(len));
            if let Packet::Publish(publish) = packet {
                event.insert("topic".to_owned(), json!(publish.topic));
                event.insert("qos".to_owned(), json!(publish.qos.bits()));
                event.insert("retain".to_owned(), json!(publish.retain));
            }
        });
    }

    /// A message goes to a client that is traced.
    #[cold]
    pub(super) fn trace_sent(&mut self, now: Time, slot: u32, content: &Content<'_>) {
        if self.observations.is_telling {
            return;
        }
        let session = self.connections[slot as usize].session;
        self.tell(now, "trace", session, |_, event| {
            event.insert("direction".to_owned(), json!("out"));
            event.insert("packet".to_owned(), json!("PUBLISH"));
            event.insert("topic".to_owned(), json!(content.topic));
            event.insert("bytes".to_owned(), json!(content.payload.len()));
        });
    }

    pub(super) fn note(&mut self, incident: Incident) {
        self.counters.reached.count(incident.limit);
        self.observe_incident(&incident);
        if self.is_watched() && !self.observations.is_telling {
            let name = match incident.kind {
                IncidentKind::Drop => "drop",
                IncidentKind::Refusal => "refused",
                IncidentKind::Disconnect => "disconnect",
                IncidentKind::Pace => "pace",
            };
            let mut event = event_of(name);
            event.extend(incident.to_json().into_iter().filter(|(member, _)| member != "kind"));
            self.push_event(event);
        }
        self.observations.incidents.push(incident);
    }

    /// Whether anybody may be interested in events.
    pub(super) fn is_watched(&self) -> bool {
        self.shared.sys_watchers.load(Ordering::Relaxed) > 0 && self.settings.sys.sessions != SysSessions::Off
    }

    /// Tells an event of a session. `describe` adds what is particular to it.
    pub(super) fn tell(
        &mut self,
        now: Time,
        name: &str,
        session: SessionSlot,
        describe: impl FnOnce(&Core, &mut Map<String, Value>),
    ) {
        if !self.is_watched() {
            return;
        }
        let state = &self.sessions[session];
        let mut event = event_of(name);
        event.insert("at".to_owned(), json!(timestamp(now)));
        event.insert("client_id".to_owned(), json!(*state.key.client_id));
        event.extend(user_of(&state.identity).map(|user| ("user".to_owned(), json!(user))));
        describe(self, &mut event);
        self.push_event(event);
    }

    /// Something that concerns no client.
    pub fn handle_event(&mut self, now: Time, name: &str, text: &str) {
        if self.is_watched() {
            let mut event = event_of(name);
            event.insert("at".to_owned(), json!(timestamp(now)));
            event.insert("text".to_owned(), json!(text));
            self.push_event(event);
        }
    }

    fn push_event(&mut self, event: Map<String, Value>) {
        if self.observations.events.len() >= MAX_EVENTS {
            self.counters.forgotten_events += 1;
            return;
        }
        self.observations.events.push_back(Value::Object(event).to_string().into_bytes());
    }

    /// Whether [`Core::publish_events`] has anything to do.
    pub fn has_events(&self) -> bool {
        !self.observations.events.is_empty() || !self.observations.changes.is_empty()
    }

    /// Publishes the events of this turn.
    pub fn publish_events(&mut self, now: Time) {
        if !self.has_events() {
            return;
        }
        self.observations.is_telling = true;
        while let Some(event) = self.observations.events.pop_front() {
            self.publish_own(now, EVENTS, &event, false);
        }
        while let Some(change) = self.observations.changes.pop_front() {
            self.publish_change(now, &change);
        }
        self.observations.is_telling = false;
    }

    /// Publishes a message of the broker itself, with QoS 0. It is never stored.
    pub(super) fn publish_own(&mut self, now: Time, topic: &str, payload: &[u8], retain: bool) {
        let content = Content {
            publisher: 0,
            qos: QoS::AtMostOnce,
            retain,
            expires_at: Time::NEVER,
            topic,
            properties: &[],
            payload,
        };
        let mut publication = Publication::new(content);
        if retain {
            let message = publication.share(&mut self.numbers);
            self.shared.retained.set_own(message);
        }
        self.route(now, &mut publication);
    }
}

/// The beginning of an event.
fn event_of(name: &str) -> Map<String, Value> {
    Map::from_iter([("event".to_owned(), json!(name))])
}

/// The name of a user who has one.
pub(super) fn user_of(identity: &crate::session::Identity) -> Option<&str> {
    match identity {
        crate::session::Identity::Anonymous => None,
        crate::session::Identity::User(name) => Some(name),
    }
}

/// A version as the configuration calls it.
pub(super) fn version_name(version: Version) -> &'static str {
    match version {
        Version::V31 => "3.1",
        Version::V311 => "3.1.1",
        Version::V5 => "5",
    }
}
