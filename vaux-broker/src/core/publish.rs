//! PUBLISH from a client: checked first, which changes nothing, then applied, which cannot fail.

use std::rc::Rc;

use vaux_mqtt::error::Rule;
use vaux_mqtt::packet::{Ack, PacketId, PacketType, Publish};
use vaux_mqtt::property::{Properties, Property};
use vaux_mqtt::protocol::Receipt;
use vaux_mqtt::topic::levels;
use vaux_mqtt::{Error, QoS, ReasonCode, Version};

use super::connection::Aliases;
use super::deliver::Publication;
use super::incident::DropCause;
use super::{Core, Pressure, control};
use crate::config::Limits;
use crate::message::{Content, forwarded_properties};
use crate::observe::EventKind;
use crate::rights::Action;
use crate::router::cache::Matched;
use crate::session::SessionSlot;
use crate::store::{Record, Sequence, StoreState};
use crate::time::Time;

/// What checking a PUBLISH came to.
enum Plan {
    /// Route it.
    Accept,
    /// QoS 2 and received before: answer again, do not route.
    Duplicate,
    /// Do not route it, and say why in the answer.
    Refuse(DropCause),
}

/// The topic of the last PUBLISH among bytes that came together, once it is known that the client may publish under it.
/// Most of those that follow have the same: what was asked about it need not be asked again.
#[derive(Debug, Default)]
pub(super) struct LastTopic<'a> {
    /// As the client wrote it. Empty: there was none, or an alias stood for it, which may stand for another one next time.
    pub(super) topic: &'a str,
    /// What it matched.
    matched: Option<Rc<Matched>>,
}

impl LastTopic<'_> {
    /// Whether this is it: decoding gives the same text to those who follow with the same.
    fn is(&self, topic: &str) -> bool {
        std::ptr::eq(topic, self.topic) && !topic.is_empty()
    }
}

impl Core {
    pub(super) fn handle_publish<'a>(
        &mut self,
        now: Time,
        slot: u32,
        publish: &Publish<'a>,
        last: &mut LastTopic<'a>,
    ) -> Result<(), Error> {
        self.counters.messages_received += 1;
        self.counters.payload_bytes_received += publish.payload.len() as u64;
        let session = self.connections[slot as usize].session;
        self.connections[slot as usize].traffic.messages_in += 1;
        let topic = self.resolve_topic(slot, publish)?;
        let topic = topic.as_deref().unwrap_or(publish.topic);
        let plan = self.plan_publish(slot, session, publish, topic, last)?;
        let Plan::Accept = plan else {
            self.answer_unrouted(now, slot, session, publish, topic, &plan);
            return Ok(());
        };
        if !last.is(publish.topic) {
            *last = LastTopic { topic: publish.topic, matched: None };
        }
        if let Some(top) = &mut self.top {
            top.count(topic, &self.sessions[session].key.client_id, publish.payload.len());
        }
        self.observe_session(now, EventKind::Publish, session, Some(topic));
        if topic == control::TOPIC {
            return self.accept_control(now, slot, session, publish);
        }
        let mut scratch = Vec::new();
        let content = Content {
            publisher: self.sessions[session].sid,
            qos: publish.qos,
            retain: publish.retain,
            expires_at: self.message_expires_at(now, publish),
            topic,
            properties: forwarded_properties(publish, &mut scratch),
            payload: publish.payload,
        };
        let mut publication = Publication::new(content);
        let mut needs = Sequence::NONE;
        if publish.retain {
            let source = self.source_of(session);
            match self.retain(&mut publication, Some(&source)) {
                Ok(retained) => needs = retained,
                Err(_) if publish.qos > QoS::AtMostOnce => {
                    let plan = Plan::Refuse(DropCause::RetainedFull);
                    self.answer_unrouted(now, slot, session, publish, topic, &plan);
                    return Ok(());
                }
                Err(_) => self.drop_for(now, session, DropCause::RetainedFull, topic),
            }
        }
        let known = last.matched.take().filter(|known| known.is_true(&self.table, &self.shared.interest));
        let matched = known.unwrap_or_else(|| self.matched(topic));
        let routed = self.route_to(now, &mut publication, &matched);
        last.matched = Some(matched);
        needs = needs.max(routed.needs);
        if self.is_store_behind && needs > Sequence::NONE {
            self.pause_publisher(publication.content.publisher);
        }
        if let Some(packet_id) = publish.packet_id {
            let reason = match routed.is_matched {
                true => ReasonCode::Success,
                false => ReasonCode::NoMatchingSubscribers,
            };
            self.answer_routed(slot, session, publish.qos, packet_id, reason, needs);
        }
        Ok(())
    }

    /// The topic as it is known inside, when that differs from what the packet says: an alias stood for it, or the
    /// listener has a mount.
    fn resolve_topic(&mut self, slot: u32, publish: &Publish<'_>) -> Result<Option<String>, Error> {
        let connection = &mut self.connections[slot as usize];
        let alias = match publish.properties.is_empty() {
            true => None,
            false => publish.properties.topic_alias(),
        };
        if alias.is_none() && connection.listener.mount.is_empty() {
            return Ok(None);
        }
        let version = connection.version;
        let topic = match alias {
            None => Ok(publish.topic),
            Some(_) => {
                let maximum = connection.topic_alias_maximum;
                let aliases = &mut connection.extras.get_or_insert_default().aliases;
                let aliases = aliases.get_or_insert_with(|| Box::new(Aliases::new(maximum, 0)));
                aliases.inbound.resolve(publish.topic, alias)
            }
        };
        let topic = topic.map_err(|rule| Error::new(rule, version, 0))?;
        Ok(Some(format!("{}{topic}", connection.listener.mount)))
    }

    /// Checks a PUBLISH against what was announced, limits and rights.
    fn plan_publish(
        &self,
        slot: u32,
        session: SessionSlot,
        publish: &Publish<'_>,
        mounted_topic: &str,
        last: &LastTopic<'_>,
    ) -> Result<Plan, Error> {
        let connection = &self.connections[slot as usize];
        let state = &self.sessions[session];
        let limits = &self.settings.limits;
        let violation = |rule| Error::new(rule, connection.version, 0);
        if publish.qos > connection.listener.maximum_qos {
            return Err(violation(Rule::QosNotSupported));
        }
        if publish.retain && !self.settings.mqtt.retain_available {
            return Err(violation(Rule::RetainNotSupported));
        }
        if let Some(packet_id) = publish.packet_id {
            match state.inbound.check(publish.qos, packet_id).map_err(violation)? {
                Receipt::Duplicate => return Ok(Plan::Duplicate),
                Receipt::New => {}
            }
        }
        if !publish.properties.is_empty() {
            check_user_properties(&publish.properties, limits).map_err(violation)?;
        }
        if self.store_state != StoreState::Good && (publish.qos > QoS::AtMostOnce || publish.retain) {
            // Before version 5.0 there is no way to say so, and an acknowledgement would be a lie.
            let (cause, rule) = match self.store_state {
                StoreState::Failed => (DropCause::StoreFailed, Rule::StoreFailed),
                _ => (DropCause::StoreFull, Rule::StoreFull),
            };
            return match connection.version != Version::V5 && publish.qos > QoS::AtMostOnce {
                true => Err(violation(rule)),
                false => Ok(Plan::Refuse(cause)),
            };
        }
        let is_known = last.is(publish.topic);
        let topic = &mounted_topic[connection.listener.mount.len()..];
        if !is_known && (topic.len() > limits.max_topic_bytes || is_too_deep(topic, limits.max_topic_levels))
        {
            return Ok(Plan::Refuse(DropCause::TopicInvalid));
        }
        if limits.max_payload.is_some_and(|max| publish.payload.len() > max) {
            return Ok(Plan::Refuse(DropCause::PayloadTooLarge));
        }
        if !is_known && !self.may(session, Action::Publish, topic) {
            return Ok(Plan::Refuse(DropCause::NotAuthorized));
        }
        if publish.qos == QoS::AtMostOnce
            && self.shared.pressure() == Pressure::Shed
            && mounted_topic != control::TOPIC
        {
            return Ok(Plan::Refuse(DropCause::MemoryFull));
        }
        Ok(Plan::Accept)
    }

    /// Acknowledges a message that went its way.
    fn answer_routed(
        &mut self,
        slot: u32,
        session: SessionSlot,
        qos: QoS,
        packet_id: PacketId,
        reason: ReasonCode,
        mut needs: Sequence,
    ) {
        let state = &mut self.sessions[session];
        let mut packet_type = PacketType::PubAck;
        if qos == QoS::ExactlyOnce {
            packet_type = PacketType::PubRec;
            state.inbound.receive(qos, packet_id);
            if state.is_stored() {
                let sid = state.sid;
                needs = needs.max(self.recorder.record(|| Record::Received { sid, packet_id }));
            }
        }
        self.send_ack(slot, packet_type, &Ack::new(packet_id, reason), needs);
    }

    /// Acknowledges a message that goes nowhere. Before version 5.0 there is no way to say so.
    fn answer_unrouted(
        &mut self,
        now: Time,
        slot: u32,
        session: SessionSlot,
        publish: &Publish<'_>,
        topic: &str,
        plan: &Plan,
    ) {
        let (reason, text) = match plan {
            Plan::Accept | Plan::Duplicate => (ReasonCode::Success, None),
            Plan::Refuse(cause) => {
                self.drop_for(now, session, *cause, topic);
                (cause.reason(), Some(cause.text()))
            }
        };
        let Some(packet_id) = publish.packet_id else { return };
        let version = self.connections[slot as usize].version;
        let is_exactly_once = publish.qos == QoS::ExactlyOnce;
        if is_exactly_once && version != Version::V5 && matches!(plan, Plan::Refuse(_)) {
            // The exchange goes on to its end: the client cannot be told that there is none.
            self.sessions[session].inbound.receive(publish.qos, packet_id);
        }
        let packet_type = if is_exactly_once { PacketType::PubRec } else { PacketType::PubAck };
        let needs = match plan {
            // It stands for the message that came first, perhaps on another connection.
            Plan::Duplicate if self.sessions[session].is_stored() => self.recorder.latest(),
            _ => Sequence::NONE,
        };
        self.send_explained_ack(slot, packet_type, &Ack::new(packet_id, reason), text, needs);
    }

    /// Carries out a request to the broker itself.
    fn accept_control(
        &mut self,
        now: Time,
        slot: u32,
        session: SessionSlot,
        publish: &Publish<'_>,
    ) -> Result<(), Error> {
        // It is acknowledged first: what it asks for may end this connection.
        if let Some(packet_id) = publish.packet_id {
            self.answer_routed(slot, session, publish.qos, packet_id, ReasonCode::Success, Sequence::NONE);
        }
        self.handle_control(now, slot, publish);
        Ok(())
    }

    /// Sends PUBACK, PUBREC, PUBREL or PUBCOMP once `needs` is durable. An error is explained, to those who want it and if
    /// the packet is then not too large for them.
    pub(super) fn send_ack(&mut self, slot: u32, packet_type: PacketType, ack: &Ack<'_>, needs: Sequence) {
        self.send_explained_ack(slot, packet_type, ack, None, needs);
    }

    /// The same, with an explanation that says more than the name of the reason.
    fn send_explained_ack(
        &mut self,
        slot: u32,
        packet_type: PacketType,
        ack: &Ack<'_>,
        text: Option<&'static str>,
        needs: Sequence,
    ) {
        let connection = &self.connections[slot as usize];
        let version = connection.version;
        if !ack.reason.is_error() {
            return self.acknowledge(slot, needs, |out| ack.encode(packet_type, version, out));
        }
        let mut reason_string = None;
        if connection.wants_problem_information && version == Version::V5 {
            reason_string = Some(Property::ReasonString(text.unwrap_or(ack.reason.name())));
        }
        let explained = Ack { properties: Properties::from_slice(reason_string.as_slice()), ..ack.clone() };
        let fits = connection.takes(explained.encoded_len(version));
        let ack = if fits { &explained } else { ack };
        self.acknowledge(slot, needs, |out| ack.encode(packet_type, version, out));
    }

    fn message_expires_at(&self, now: Time, publish: &Publish<'_>) -> Time {
        let longest = self.settings.limits.max_message_expiry;
        let longest_at = longest.map_or(Time::NEVER, |longest| now.plus_ms(longest.as_millis() as u64));
        if publish.properties.is_empty() {
            return longest_at;
        }
        let expiry = publish.properties.message_expiry_interval();
        expiry.map_or(Time::NEVER, |seconds| now.plus_seconds(seconds)).min(longest_at)
    }
}

/// Whether a topic has more than `max_levels` levels. Short topics cannot.
pub(super) fn is_too_deep(topic: &str, max_levels: usize) -> bool {
    topic.len() >= max_levels && levels(topic).count() > max_levels
}

/// Limits on what a client can make the broker carry in user properties.
pub(super) fn check_user_properties(properties: &Properties<'_>, limits: &Limits) -> Result<(), Rule> {
    // One takes at least five bytes, so that most lists are too short to be over a limit.
    let most_bytes = properties.body_len();
    if most_bytes <= limits.max_user_properties_bytes && most_bytes / 5 <= limits.max_user_properties {
        return Ok(());
    }
    let mut count = 0;
    let mut bytes = 0;
    for (name, value) in properties.user_properties() {
        count += 1;
        bytes += name.len() + value.len();
    }
    if count > limits.max_user_properties || bytes > limits.max_user_properties_bytes {
        return Err(Rule::UserPropertiesTooMany);
    }
    Ok(())
}
