//! From a message to the outboxes and queues of those who get it.

use std::sync::Arc;

use vaux_mqtt::protocol::OutboundAlias;
use vaux_mqtt::{PacketId, QoS, Version};

use super::connection::Connection;
use super::frames::{Form, Manner, with_own_packet};
use super::letter::Letter;
use super::outbox::LARGE_PAYLOAD_BYTES;
use super::{Core, LANE_FULL_BYTES, LANE_HIGH_BYTES, Shared, WorkerId};
use crate::message::{Content, Message};
use crate::router::cache::{OwnMessages, Terms};
use crate::router::interest::GroupKey;
use crate::session::{Delivery, SessionSlot};
use crate::store::{Record, Sequence};
use crate::time::Time;

/// A message that is being routed.
#[derive(Debug)]
pub(super) struct Publication<'a> {
    pub(super) content: Content<'a>,
    /// The message as something that can be kept, made when somebody has to keep it.
    message: Option<Arc<Message>>,
    is_recorded: bool,
    needs: Sequence,
}

/// What routing a message came to.
pub(super) struct Routed {
    /// Whether anyone subscribed to it.
    pub(super) is_matched: bool,
    /// What its acknowledgement has to wait for.
    pub(super) needs: Sequence,
}

impl<'a> Publication<'a> {
    pub(super) fn new(content: Content<'a>) -> Self {
        Publication { content, message: None, is_recorded: false, needs: Sequence::NONE }
    }

    /// A message that exists already.
    pub(super) fn of(message: &'a Arc<Message>) -> Self {
        Publication { message: Some(Arc::clone(message)), ..Publication::new(message.content()) }
    }

    /// The message as something that can be kept.
    pub(super) fn share(&mut self, shared: &Shared) -> Arc<Message> {
        let content = &self.content;
        Arc::clone(self.message.get_or_insert_with(|| Arc::new(Message::new(shared.next_mid(), content))))
    }
}

impl Core {
    /// Sends a message of a local publisher to all who subscribed to it.
    pub(super) fn route(&mut self, now: Time, publication: &mut Publication<'_>) -> Routed {
        let matched = self.cache.matched(publication.content.topic, &self.table, &self.shared.interest);
        if matched.is_empty() {
            return Routed { is_matched: false, needs: Sequence::NONE };
        }
        self.deliver_here(now, publication, &matched);
        for &worker in &matched.remote {
            self.forward(publication, worker);
        }
        for group in &matched.groups {
            self.deliver_shared(now, publication, group);
        }
        Routed { is_matched: true, needs: publication.needs }
    }

    /// Delivers to the sessions of this worker, shared subscriptions left out.
    pub(super) fn deliver_here(
        &mut self,
        now: Time,
        publication: &mut Publication<'_>,
        matched: &crate::router::cache::Matched,
    ) {
        self.frames.clear();
        for target in &matched.local {
            let terms = match &target.own {
                OwnMessages::Same => &target.terms,
                own => {
                    let sid = self.sessions[target.session.0 as usize].sid;
                    match own {
                        _ if sid != publication.content.publisher => &target.terms,
                        OwnMessages::Other(terms) => terms,
                        _ => continue,
                    }
                }
            };
            self.deliver(now, publication, target.session, terms, None);
        }
    }

    /// Delivers to one session of this worker: into its outbox if it can be sent now, else into its queue.
    pub(super) fn deliver(
        &mut self,
        now: Time,
        publication: &mut Publication<'_>,
        session: SessionSlot,
        terms: &Terms,
        group: Option<&Arc<GroupKey>>,
    ) {
        let qos = match self.settings.mqtt.upgrade_outgoing_qos {
            true => terms.qos,
            false => terms.qos.min(publication.content.qos),
        };
        let retain = publication.content.retain && terms.retain_as_published;
        let state = &self.sessions[session.0 as usize];
        if qos == QoS::AtMostOnce
            && let Some(slot) = state.connection
        {
            self.send_qos0(now, publication, slot, terms, retain);
            return;
        }
        if qos == QoS::AtMostOnce && !(self.settings.limits.queue_qos0 && state.is_durable()) {
            return;
        }
        let sendable = state.connection.filter(|&slot| {
            state.queue.is_empty()
                && self.has_send_room(session)
                && has_outbox_room(&self.connections[slot as usize], self.settings.limits.max_outbox_bytes)
        });
        let is_kept = self.keeps_sent(session) || group.is_some() || sendable.is_none();
        let is_durable = state.is_durable();
        let delivery = is_kept.then(|| Delivery {
            message: publication.share(&self.shared),
            qos,
            retain,
            identifiers: terms.identifiers.clone(),
            group: group.cloned(),
        });
        if is_durable && qos > QoS::AtMostOnce {
            self.record_delivery(publication, session);
        }
        match (sendable, delivery) {
            (Some(slot), delivery) => {
                self.send_new(now, publication, slot, session, terms, qos, retain, delivery)
            }
            (None, Some(delivery)) => self.enqueue(session, delivery),
            (None, None) => unreachable!("what is not sent is kept"),
        }
    }

    fn record_delivery(&mut self, publication: &mut Publication<'_>, session: SessionSlot) {
        if !self.recorder.is_keeping() {
            return;
        }
        let sid = self.sessions[session.0 as usize].sid;
        let message = publication.share(&self.shared);
        let mid = message.mid;
        if !std::mem::replace(&mut publication.is_recorded, true) {
            self.recorder.record(|| Record::Message(message));
        }
        publication.needs = self.recorder.record(|| Record::Delivery { sid, mid });
    }

    fn send_qos0(
        &mut self,
        now: Time,
        publication: &mut Publication<'_>,
        slot: u32,
        terms: &Terms,
        retain: bool,
    ) {
        let max_outbox_bytes = self.settings.limits.max_outbox_bytes;
        if !has_outbox_room(&self.connections[slot as usize], max_outbox_bytes) {
            self.counters.dropped.slow_reader += 1;
            return;
        }
        if !self.write_publish(now, publication, slot, terms, QoS::AtMostOnce, retain, None) {
            self.counters.dropped.too_large += 1;
        }
    }

    #[expect(clippy::too_many_arguments, reason = "one message, one receiver, and how they come together")]
    fn send_new(
        &mut self,
        now: Time,
        publication: &mut Publication<'_>,
        slot: u32,
        session: SessionSlot,
        terms: &Terms,
        qos: QoS,
        retain: bool,
        delivery: Option<Delivery>,
    ) {
        let state = &mut self.sessions[session.0 as usize];
        let Some(packet_id) = state.outbound.send(qos, delivery) else {
            unreachable!("there was room in the window")
        };
        if self.write_publish(now, publication, slot, terms, qos, retain, Some(packet_id)) {
            self.count_in_flight(session);
            return;
        }
        // Too large for the client: as if it had been delivered.
        let state = &mut self.sessions[session.0 as usize];
        state.outbound.forget(packet_id);
        self.counters.dropped.too_large += 1;
    }

    /// Appends a PUBLISH to an outbox. False when it is larger than the client takes.
    #[expect(clippy::too_many_arguments, reason = "one message, one receiver, and how they come together")]
    fn write_publish(
        &mut self,
        now: Time,
        publication: &mut Publication<'_>,
        slot: u32,
        terms: &Terms,
        qos: QoS,
        retain: bool,
        packet_id: Option<PacketId>,
    ) -> bool {
        let content = publication.content;
        let connection = &mut self.connections[slot as usize];
        let needs_own = !terms.identifiers.is_empty()
            || connection.aliases.is_some()
            || !connection.listener.mount.is_empty();
        let is_written = if needs_own {
            let manner = Manner {
                version: connection.version,
                qos,
                retain,
                dup: false,
                packet_id,
                identifiers: terms.identifiers.as_slice(),
                alias: OutboundAlias::None,
                topic: content.topic,
            };
            write_own(connection, &mut self.buffers, &content, manner, now)
        } else {
            let form = self.frames.form(&content, connection.version, qos, retain, now);
            form.packet_len as usize <= connection.maximum_packet_size && {
                let frame = self.frames.bytes(form);
                write_form(connection, &mut self.buffers, form, frame, packet_id);
                if content.payload.len() >= LARGE_PAYLOAD_BYTES {
                    let message = publication.share(&self.shared);
                    self.connections[slot as usize].outbox.push_payload(message);
                }
                true
            }
        };
        if is_written {
            self.counters.messages_sent += 1;
            self.mark_dirty(slot);
        }
        is_written
    }

    /// Puts a message into the queue of a session, within its limits.
    pub(super) fn enqueue(&mut self, session: SessionSlot, delivery: Delivery) {
        let limits = &self.settings.limits;
        let state = &mut self.sessions[session.0 as usize];
        match state.queue.push(delivery, limits.max_queued_messages, limits.max_queued_bytes) {
            Ok(dropped) => {
                self.counters.dropped.queue_full += dropped as u64;
                self.count_in_flight(session);
            }
            Err(refused) => {
                self.counters.dropped.queue_full += 1;
                let (sid, mid) = (state.sid, refused.0.message.mid);
                if state.is_durable() {
                    self.recorder.record(|| Record::Delivered { sid, mid });
                }
            }
        }
    }

    /// Sends a message to another worker, which delivers it to its own sessions.
    fn forward(&mut self, publication: &mut Publication<'_>, worker: WorkerId) {
        let lane_bytes = self.shared.lane(self.worker, worker).load(std::sync::atomic::Ordering::Relaxed)
            + self.lanes[usize::from(worker.0)].size_bytes();
        if publication.content.qos == QoS::AtMostOnce && lane_bytes >= LANE_FULL_BYTES {
            self.counters.dropped.lane_full += 1;
            return;
        }
        // A small message that nobody here keeps is copied: that is cheaper than to share it, and it may well be that
        // nobody there keeps it either.
        if publication.message.is_none() && publication.content.payload.len() < LARGE_PAYLOAD_BYTES {
            self.lanes[usize::from(worker.0)].push_content(&publication.content);
        } else {
            let message = publication.share(&self.shared);
            self.post(worker, Letter::Message(message));
        }
        if lane_bytes >= LANE_HIGH_BYTES {
            self.pause_publisher(publication.content.publisher);
        }
    }

    /// Adds a letter to the parcel for a worker.
    pub(super) fn post(&mut self, worker: WorkerId, letter: Letter) {
        self.lanes[usize::from(worker.0)].push(letter);
    }

    /// Stops the input of a publisher until the lanes have drained.
    fn pause_publisher(&mut self, sid: u64) {
        let Some(session) = self.by_sid.get(&sid) else { return };
        let Some(slot) = self.sessions[session.0 as usize].connection else { return };
        let id = self.connection_id(slot);
        let connection = &mut self.connections[slot as usize];
        if !std::mem::replace(&mut connection.is_paused, true) {
            self.paused.push(id);
        }
    }
}

/// An empty outbox takes any one packet.
pub(super) fn has_outbox_room(connection: &Connection, max_outbox_bytes: usize) -> bool {
    connection.outbox.len() < max_outbox_bytes
}

fn write_form(
    connection: &mut Connection,
    buffers: &mut Vec<Vec<u8>>,
    form: Form,
    frame: &[u8],
    packet_id: Option<PacketId>,
) {
    let tail = connection.outbox.tail(buffers);
    let start = tail.len();
    tail.extend_from_slice(frame);
    if let Some(packet_id) = packet_id {
        form.set_packet_id(&mut tail[start..], packet_id);
    }
}

/// Appends a PUBLISH that only this subscriber gets in this form. False when it is larger than the client takes.
pub(super) fn write_own<'a>(
    connection: &mut Connection,
    buffers: &mut Vec<Vec<u8>>,
    content: &Content<'a>,
    mut manner: Manner<'a>,
    now: Time,
) -> bool {
    let Some(topic) =
        content.topic.strip_prefix(&*connection.listener.mount).filter(|topic| !topic.is_empty())
    else {
        return false;
    };
    manner.topic = topic;
    let version = manner.version;
    let len = with_own_packet(content, &manner, now, |publish| publish.encoded_len(version));
    // An alias makes the packet longer by at most three bytes, or shorter.
    let max = connection.maximum_packet_size;
    if len > max {
        return false;
    }
    if version == Version::V5
        && len + 3 <= max
        && let Some(aliases) = &mut connection.aliases
    {
        manner.alias = aliases.outbound.assign(topic);
    }
    let tail = connection.outbox.tail(buffers);
    with_own_packet(content, &manner, now, |publish| publish.encode(version, tail));
    true
}
