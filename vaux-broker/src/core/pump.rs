//! Sending what waits, as the send window and the outbox have room: messages in flight again after a session was
//! resumed, then the queue, then retained messages.

use std::sync::atomic::Ordering;

use vaux_mqtt::packet::{Ack, PacketType};
use vaux_mqtt::protocol::Resend;
use vaux_mqtt::topic::TopicFilter;
use vaux_mqtt::{QoS, ReasonCode};

use super::Core;
use super::WorkerId;
use super::connection::Phase;
use super::deliver::Publication;
use super::frames::Manner;
use super::incident::DropCause;
use super::tour::{Errand, Reports};
use super::write_publish::has_outbox_room;
use crate::message::{Content, Message};
use crate::retained::Position;
use crate::router::cache::Terms;
use crate::session::{Delivery, Identifiers, SessionSlot};
use crate::store::{Record, Sequence};
use crate::time::Time;

/// Retained messages on their way to a new subscription.
#[derive(Debug)]
pub(super) struct Replay {
    pub(super) filter: Box<str>,
    pub(super) source: ReplaySource,
    pub(super) qos: QoS,
    pub(super) identifiers: Identifiers,
}

/// Where they come from, and how far the replay has come.
#[derive(Debug)]
pub(super) enum ReplaySource {
    /// The retained messages.
    Retained(Position),
    /// Reports of sessions, made as they are sent.
    Sessions {
        worker: u16,
        index: usize,
        /// Whether they have been asked for, and are on their way.
        is_awaited: bool,
    },
}

/// A replay fills the outbox up to here and goes on when it is written.
const REPLAY_BYTES: usize = 256 << 10;

/// How many retained messages are read under one lock.
const REPLAY_CHUNK: usize = 64;

/// What became of a message that waited.
enum Sent {
    /// It is on its way, and nobody needs it any more; or it is dropped.
    Done,
    /// It is on its way, and kept until it is acknowledged.
    Kept,
    /// The client may not be sent any more now.
    NoRoom,
}

impl Core {
    /// Sends what can be sent now.
    pub(super) fn pump(&mut self, now: Time, slot: u32) {
        let connection = &self.connections[slot as usize];
        if connection.phase != Phase::Connected || connection.awaits_connack() {
            return;
        }
        let session = connection.session;
        if self.has_waiting(slot, session) {
            self.resend(now, slot, session);
            self.drain_queue(now, slot, session);
            while self.replay(now, slot, session) {}
        }
        self.connections[slot as usize].settle();
    }

    /// Whether something is still to be sent to a client.
    pub(super) fn has_waiting(&self, slot: u32, session: SessionSlot) -> bool {
        let state = &self.sessions[session];
        !state.queue.is_empty()
            || !state.outbound.is_all_sent()
            || self.connections[slot as usize].has_replays()
    }

    fn resend(&mut self, now: Time, slot: u32, session: SessionSlot) {
        let version = self.connections[slot as usize].version;
        let max_outbox_bytes = self.settings.limits.max_outbox_bytes;
        while has_outbox_room(&self.connections[slot as usize], max_outbox_bytes) {
            let outbound = &mut self.sessions[session].outbound;
            let (packet_id, qos, delivery) = match outbound.next_resend() {
                None => return,
                Some(Resend::PubRel(packet_id)) => {
                    let pubrel = Ack::new(packet_id, ReasonCode::Success);
                    let needs = self.needs_for_resend(session);
                    self.acknowledge(slot, needs, |out| pubrel.encode(PacketType::PubRel, version, out));
                    continue;
                }
                Some(Resend::Publish { packet_id, qos, message }) => (packet_id, qos, message.clone()),
            };
            // A transient session keeps no messages, and is never resumed.
            let Some(delivery) = delivery else { continue };
            let content = delivery.message.content();
            if !self.may_receive(session, content.topic) {
                self.sessions[session].outbound.forget(packet_id);
                self.drop_for(now, session, DropCause::MayNotReceive, content.topic);
                self.finish_delivery(session, Some(&delivery));
                continue;
            }
            let needs = match qos {
                QoS::ExactlyOnce => self.needs_for_resend(session),
                _ => Sequence::NONE,
            };
            let manner = Manner {
                packet_id: Some(packet_id),
                dup: true,
                ..Manner::of(&delivery, content.topic, version)
            };
            if !self.send_kept(now, slot, &content, manner, needs) {
                // Too large for the client as it is now: as if it had been delivered.
                self.sessions[session].outbound.forget(packet_id);
                self.drop_for(now, session, DropCause::TooLarge, content.topic);
                self.finish_delivery(session, Some(&delivery));
            }
        }
    }

    /// What has to be durable before an exchange of QoS 2 goes on: what was recorded of it on another connection may
    /// still be under way.
    fn needs_for_resend(&self, session: SessionSlot) -> Sequence {
        match self.sessions[session].is_stored() {
            true => self.recorder.latest(),
            false => Sequence::NONE,
        }
    }

    fn drain_queue(&mut self, now: Time, slot: u32, session: SessionSlot) {
        let max_outbox_bytes = self.settings.limits.max_outbox_bytes;
        // What waits one behind the other often has one topic: what is known of it is found out once.
        let mut topic = std::mem::take(&mut self.drained_topic);
        topic.clear();
        let mut is_allowed = false;
        while has_outbox_room(&self.connections[slot as usize], max_outbox_bytes) {
            if !self.has_send_room(session) {
                break;
            }
            // What is not in memory is asked for below.
            let Some(delivery) = self.sessions[session].queue.pop() else { break };
            let message = &delivery.message;
            if *message.topic() != *topic.as_bytes() {
                topic.clear();
                topic.push_str(message.content().topic);
                is_allowed = self.may_receive(session, &topic);
            }
            let content = message.content_with(&topic);
            let refusal = match content.is_expired(now) {
                true => Some(DropCause::Expired),
                false => (!is_allowed).then_some(DropCause::MayNotReceive),
            };
            match refusal {
                None => {
                    let sent = self.send_queued(now, slot, session, &delivery, &content);
                    self.keep_sent(session, delivery, sent);
                }
                Some(cause) => {
                    self.drop_for(now, session, cause, content.topic);
                    self.finish_delivery(session, Some(&delivery));
                }
            }
        }
        self.drained_topic = topic;
        self.request_page(session);
    }

    fn send_queued(
        &mut self,
        now: Time,
        slot: u32,
        session: SessionSlot,
        delivery: &Delivery,
        content: &Content<'_>,
    ) -> Sent {
        let qos = delivery.qos;
        let manner = Manner::of(delivery, content.topic, self.connections[slot as usize].version);
        if qos == QoS::AtMostOnce {
            if !self.send_kept(now, slot, content, manner, Sequence::NONE) {
                self.drop_for(now, session, DropCause::TooLarge, content.topic);
            }
            return Sent::Done;
        }
        let is_kept = self.keeps_sent(session) || delivery.group.is_some();
        let state = &mut self.sessions[session];
        let Some(packet_id) = state.outbound.send(qos, None) else { return Sent::NoRoom };
        let mut needs = Sequence::NONE;
        if state.is_stored() {
            let (sid, mid) = (state.sid, delivery.message.mid);
            let sent = self.recorder.record(|| Record::Sent { sid, mid, packet_id });
            // Else the client could answer an identifier that nobody remembers after a crash.
            needs = if qos == QoS::ExactlyOnce { sent } else { needs };
        }
        let manner = Manner { packet_id: Some(packet_id), ..manner };
        if !self.send_kept(now, slot, content, manner, needs) {
            self.sessions[session].outbound.forget(packet_id);
            self.drop_for(now, session, DropCause::TooLarge, content.topic);
            self.finish_delivery(session, Some(delivery));
            return Sent::Done;
        }
        if is_kept { Sent::Kept } else { Sent::Done }
    }

    /// Puts a message where it belongs after [`Core::send_queued`].
    fn keep_sent(&mut self, session: SessionSlot, delivery: Delivery, sent: Sent) {
        let state = &mut self.sessions[session];
        match sent {
            Sent::Done => {}
            Sent::NoRoom => state.queue.push_front(delivery),
            Sent::Kept => {
                if let Some(last) = state.outbound.last_mut() {
                    *last = Some(delivery);
                }
            }
        }
    }

    /// Appends a kept message to the outbox once `needs` is durable. False when it is larger than the client takes.
    pub(super) fn send_kept(
        &mut self,
        now: Time,
        slot: u32,
        content: &Content<'_>,
        manner: Manner<'_>,
        needs: Sequence,
    ) -> bool {
        if needs > self.durable {
            return self.hold_publish(now, slot, content, manner, needs);
        }
        self.write_own_publish(now, slot, content, manner)
    }

    /// Sends a chunk of the first replay. False when nothing more can be done now.
    fn replay(&mut self, now: Time, slot: u32, session: SessionSlot) -> bool {
        let connection = &mut self.connections[slot as usize];
        let Some(extras) = &mut connection.extras else { return false };
        let Some(mut replay) = extras.replays.pop_front() else { return false };
        if connection.outbox.len() >= REPLAY_BYTES {
            extras.replays.push_front(replay);
            return false;
        }
        let ReplaySource::Retained(position) = &mut replay.source else {
            return self.replay_sessions(now, slot, replay);
        };
        let room = match replay.qos {
            QoS::AtMostOnce => REPLAY_CHUNK,
            // One at a time: how many the window takes is known only as they are sent.
            _ => 1,
        };
        let is_behind = !self.sessions[session].queue.is_empty();
        if replay.qos > QoS::AtMostOnce && (is_behind || !self.has_send_room(session)) {
            self.connections[slot as usize].extras_mut().replays.push_front(replay);
            return false;
        }
        let Ok(filter) = TopicFilter::new(&replay.filter) else { return true };
        let messages = self.shared.retained.next(filter, position, room, now);
        let is_done = messages.len() < room;
        for kept in messages {
            let topic = kept.message.content().topic;
            if !self.may_receive(session, topic) {
                continue;
            }
            match self.is_source_allowed(&kept) {
                true => self.send_retained(now, slot, session, &replay, kept.message),
                false => self.drop_for(now, session, DropCause::RetainSource, topic),
            }
        }
        if !is_done {
            self.connections[slot as usize].extras_mut().replays.push_front(replay);
        }
        true
    }

    /// Sends a chunk of reports of sessions, or asks the worker for it whose sessions come next.
    fn replay_sessions(&mut self, now: Time, slot: u32, mut replay: Replay) -> bool {
        let connection = self.connection_id(slot);
        let ReplaySource::Sessions { worker, index, is_awaited } = &mut replay.source else { return true };
        if *worker >= self.shared.workers {
            return true;
        }
        if *is_awaited {
            self.connections[slot as usize].extras_mut().replays.push_front(replay);
            return false;
        }
        *is_awaited = true;
        let (worker, index) = (*worker, *index);
        let reports =
            Reports { connection, filter: replay.filter.clone(), index: Some(index), messages: Vec::new() };
        self.connections[slot as usize].extras_mut().replays.push_front(replay);
        // What lives here comes back at once.
        self.send_on_tour(now, worker..worker + 1, Errand::Reports(Box::new(reports)));
        WorkerId(worker) == self.worker
    }

    /// Makes a chunk of reports of the sessions here.
    pub(super) fn serve_reports(&self, reports: &mut Reports) {
        let Ok(filter) = TopicFilter::new(&reports.filter) else { return };
        let mut index = reports.index.unwrap_or(0);
        while index < self.sessions.capacity() && reports.messages.len() < REPLAY_CHUNK {
            if self.sessions.get(SessionSlot(index as u32)).is_some() {
                reports.messages.extend(self.session_message(SessionSlot(index as u32), filter));
            }
            index += 1;
        }
        reports.index = (index < self.sessions.capacity()).then_some(index);
    }

    /// Reports that were asked for have come.
    pub(super) fn finish_reports(&mut self, now: Time, reports: Reports) {
        let Some(slot) = self.slot_of(reports.connection) else { return };
        let connection = &mut self.connections[slot as usize];
        // Whoever unsubscribed meanwhile, or was lost, waits for nothing.
        let first = connection.extras.as_mut().and_then(|extras| extras.replays.front_mut());
        let Some(replay) = first.filter(|replay| replay.filter == reports.filter) else { return };
        let ReplaySource::Sessions { worker, index, is_awaited: is_awaited @ true } = &mut replay.source
        else {
            return;
        };
        *is_awaited = false;
        (*worker, *index) = match reports.index {
            Some(next) => (*worker, next),
            None => (*worker + 1, 0),
        };
        let is_here = WorkerId(*worker) == self.worker;
        let terms = Terms {
            qos: QoS::AtMostOnce,
            retain_as_published: true,
            identifiers: replay.identifiers.clone(),
        };
        let session = connection.session;
        for (topic, payload) in reports.messages {
            self.send_report(now, slot, session, &terms, &topic, &payload);
        }
        if !is_here || reports.index.is_none() {
            self.pump(now, slot);
        }
    }

    fn send_report(
        &mut self,
        now: Time,
        slot: u32,
        session: SessionSlot,
        terms: &Terms,
        topic: &str,
        payload: &[u8],
    ) {
        if !self.may_receive(session, topic) {
            return;
        }
        let content = Content {
            publisher: 0,
            qos: QoS::AtMostOnce,
            retain: true,
            expires_at: Time::NEVER,
            topic,
            properties: &[],
            payload,
        };
        self.frames.clear();
        let mut publication = Publication::new(content);
        if !self.write_publish(now, &mut publication, slot, terms, QoS::AtMostOnce, true, None) {
            self.drop_for(now, session, DropCause::TooLarge, topic);
        }
    }

    fn send_retained(
        &mut self,
        now: Time,
        slot: u32,
        session: SessionSlot,
        replay: &Replay,
        message: Message,
    ) {
        let qos = match self.settings.mqtt.upgrade_outgoing_qos {
            true => replay.qos,
            false => replay.qos.min(message.qos),
        };
        let is_recorded = self.sessions[session].is_stored() && qos > QoS::AtMostOnce;
        // The store knows deliveries by the number of the message: the copy that is sent live, or for another
        // subscription, is another delivery.
        let message = match is_recorded {
            true => Message::new(self.numbers.next(), &message.content()),
            false => message,
        };
        let delivery =
            Delivery { message, qos, retain: true, identifiers: replay.identifiers.clone(), group: None };
        if is_recorded {
            self.record_delivery(session, delivery.clone(), None);
        }
        let sent = self.send_queued(now, slot, session, &delivery, &delivery.message.content());
        self.keep_sent(session, delivery, sent);
        self.count_in_flight(session);
    }

    /// A durable session has a message, or will never get it: its record goes.
    pub(super) fn finish_delivery(&mut self, session: SessionSlot, delivery: Option<&Delivery>) {
        let state = &self.sessions[session];
        if let Some(delivery) = delivery
            && state.is_stored()
        {
            let (sid, mid) = (state.sid, delivery.message.mid);
            self.recorder.record(|| Record::Delivered { sid, mid });
        }
        self.count_in_flight(session);
    }

    /// Whether another message with QoS above 0 may be sent: the window has room, in messages and in bytes.
    pub(super) fn has_send_room(&self, session: SessionSlot) -> bool {
        let outbound = &self.sessions[session].outbound;
        let max_bytes = self.settings.limits.max_inflight_bytes;
        outbound.has_room()
            && max_bytes.is_none_or(|max| {
                let kept = outbound.in_flight().filter_map(|entry| entry.message.as_ref()?.as_ref());
                kept.map(|delivery| delivery.message.content().payload.len()).sum::<usize>() < max
            })
    }

    /// Whether a session keeps what it sent until it is acknowledged: to send it again, or to know its size.
    pub(super) fn keeps_sent(&self, session: SessionSlot) -> bool {
        let state = &self.sessions[session];
        state.is_durable() || state.is_stored() || self.settings.limits.max_inflight_bytes.is_some()
    }

    /// Lists a session among those whose queues are summed up. It leaves the list when its queue is found empty.
    pub(super) fn list_backlog(&mut self, session: SessionSlot) {
        let state = &mut self.sessions[session];
        if !std::mem::replace(&mut state.is_backlogged, true) {
            self.backlogged.push(session);
        }
    }

    /// Tells publishers how busy a member of shared subscriptions is.
    pub(super) fn count_in_flight(&mut self, session: SessionSlot) {
        let state = &self.sessions[session];
        if let Some(member) = state.member() {
            let count = state.outbound.len() + state.queue.len();
            member.in_flight.store(u32::try_from(count).unwrap_or(u32::MAX), Ordering::Relaxed);
        }
    }
}
