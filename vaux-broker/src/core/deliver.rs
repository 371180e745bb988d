//! From a message to the outboxes and queues of those who get it.

use std::rc::Rc;
use std::sync::Arc;

use vaux_mqtt::{PacketId, QoS};

use super::frames::Manner;
use super::incident::DropCause;
use super::letter::Letter;
use super::numbers::MessageNumbers;
use super::outbox::LARGE_PAYLOAD_BYTES;
use super::permission::may_receive;
use super::write_publish::has_outbox_room;
use super::{Core, LANE_FULL_BYTES, LANE_HIGH_BYTES, WorkerId};
use crate::message::{Content, Message};
use crate::router::cache::{Matched, OwnMessages, StoredTarget, Terms};
use crate::router::interest::GroupKey;
use crate::session::{Delivery, SessionSlot};
use crate::store::{Record, Sequence};
use crate::time::Time;

/// A message that is being routed.
#[derive(Debug)]
pub(super) struct Publication<'a> {
    pub(super) content: Content<'a>,
    /// The message as something that can be kept, made when somebody has to keep it.
    message: Option<Message>,
    /// Whether who gets it next is the last to get it here.
    pub(super) is_last: bool,
    /// Sessions of this worker that the publisher's worker has recorded to get it.
    pub(super) recorded: &'a [u64],
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
        Publication { content, message: None, is_last: false, recorded: &[], needs: Sequence::NONE }
    }

    /// A message that exists already.
    pub(super) fn of(message: &'a Message) -> Self {
        Publication { message: Some(message.clone()), ..Publication::new(message.content()) }
    }

    /// The same, recorded by another worker for these sessions already.
    pub(super) fn recorded_for(self, recorded: &'a [u64]) -> Self {
        Publication { recorded, ..self }
    }

    /// The acknowledgement has to wait for this, too.
    pub(super) fn require(&mut self, needs: Sequence) {
        self.needs = self.needs.max(needs);
    }

    /// The message as something that can be kept.
    pub(super) fn share(&mut self, numbers: &mut MessageNumbers) -> Message {
        let content = &self.content;
        self.message.get_or_insert_with(|| Message::new(numbers.next(), content)).clone()
    }

    /// The same for a queue, where it stays alone when nobody else gets it: to count one who holds it would wait until
    /// all that was just written is in the memory.
    fn share_with_queue(&mut self, numbers: &mut MessageNumbers) -> Message {
        match self.is_last {
            true => self.message.take().unwrap_or_else(|| Message::new(numbers.next(), &self.content)),
            false => self.share(numbers),
        }
    }
}

impl Core {
    /// Sends a message of a local publisher to all who subscribed to it.
    pub(super) fn route(&mut self, now: Time, publication: &mut Publication<'_>) -> Routed {
        let matched = self.matched(publication.content.topic);
        self.route_to(now, publication, &matched)
    }

    /// The same, to those whom its topic is known to match.
    pub(super) fn route_to(
        &mut self,
        now: Time,
        publication: &mut Publication<'_>,
        matched: &Matched,
    ) -> Routed {
        if matched.is_empty() {
            return Routed { is_matched: false, needs: Sequence::NONE };
        }
        publication.is_last =
            matched.local.len() == 1 && matched.remote.is_empty() && matched.groups.is_empty();
        self.deliver_here(now, publication, matched);
        for &worker in &matched.remote {
            let recorded = self.record_for(publication, worker, &matched.stored);
            self.forward(now, publication, worker, recorded);
        }
        for (index, group) in matched.groups.iter().enumerate() {
            publication.is_last = index + 1 == matched.groups.len();
            self.deliver_shared(now, publication, group);
        }
        Routed { is_matched: true, needs: publication.needs }
    }

    /// What a topic matches, sessions of this worker left out that may not have it.
    pub(super) fn matched(&mut self, topic: &str) -> Rc<Matched> {
        let (sessions, rights) = (&self.sessions, &*self.rights);
        self.cache.matched(topic, &self.table, &self.shared.interest, |session| {
            may_receive(sessions, rights, session, topic)
        })
    }

    /// Delivers to the sessions of this worker, shared subscriptions left out.
    pub(super) fn deliver_here(&mut self, now: Time, publication: &mut Publication<'_>, matched: &Matched) {
        self.frames.clear();
        for target in &matched.local {
            let terms = match &target.own {
                OwnMessages::Same => &target.terms,
                own => {
                    let sid = self.sessions[target.session].sid;
                    match own {
                        _ if sid != publication.content.publisher => &target.terms,
                        OwnMessages::Other(terms) => terms,
                        _ => continue,
                    }
                }
            };
            self.deliver(now, publication, target.session, terms, None, true);
        }
    }

    /// Delivers to one session of this worker that may have the message, if that `is_allowed`: into its outbox if it can be
    /// sent now, else into its queue.
    pub(super) fn deliver(
        &mut self,
        now: Time,
        publication: &mut Publication<'_>,
        session: SessionSlot,
        terms: &Terms,
        group: Option<&Arc<GroupKey>>,
        is_allowed: bool,
    ) {
        let qos = self.delivery_qos(terms, publication.content.qos);
        let retain = publication.content.retain && terms.retain_as_published;
        let state = &self.sessions[session];
        let is_recorded = !publication.recorded.is_empty() && publication.recorded.contains(&state.sid);
        if is_recorded && (qos == QoS::AtMostOnce || !state.is_stored() || !is_allowed) {
            // Its terms have changed since.
            let (sid, mid) = (state.sid, publication.share(&mut self.numbers).mid);
            self.recorder.record(|| Record::Delivered { sid, mid });
        }
        if !is_allowed {
            self.drop_for(now, session, DropCause::MayNotReceive, publication.content.topic);
            return;
        }
        let state = &self.sessions[session];
        let connection = state.connection().filter(|&slot| !self.connections[slot as usize].awaits_connack());
        // It may pass what waits with QoS above 0, but not its own kind.
        if qos == QoS::AtMostOnce
            && !state.queue.holds_qos0()
            && let Some(slot) = connection
        {
            self.send_qos0(now, publication, slot, session, terms, retain);
            return;
        }
        if qos == QoS::AtMostOnce && !(self.settings.limits.queue_qos0 && state.is_durable()) {
            return;
        }
        let sendable = connection.filter(|&slot| {
            state.queue.is_empty()
                && self.has_send_room(session)
                && has_outbox_room(&self.connections[slot as usize], self.settings.limits.max_outbox_bytes)
        });
        let is_kept = self.keeps_sent(session) || group.is_some() || sendable.is_none();
        let is_stored = state.is_stored() && qos > QoS::AtMostOnce;
        let delivery = is_kept.then(|| Delivery {
            // Before the message is written: to count one more waits for all writes.
            group: group.cloned(),
            identifiers: terms.identifiers.clone(),
            message: match sendable {
                Some(_) => publication.share(&mut self.numbers),
                None => publication.share_with_queue(&mut self.numbers),
            },
            qos,
            retain,
        });
        match (sendable, delivery) {
            (Some(slot), delivery) => {
                self.send_new(now, publication, slot, session, terms, qos, retain, delivery)
            }
            (None, Some(delivery)) => {
                if is_stored && !is_recorded {
                    publication.needs = self.record_delivery(session, delivery.clone(), None);
                }
                self.enqueue(now, session, delivery);
            }
            (None, None) => unreachable!("what is not sent is kept"),
        }
    }

    fn send_qos0(
        &mut self,
        now: Time,
        publication: &mut Publication<'_>,
        slot: u32,
        session: SessionSlot,
        terms: &Terms,
        retain: bool,
    ) {
        let max_outbox_bytes = self.settings.limits.max_outbox_bytes;
        if !has_outbox_room(&self.connections[slot as usize], max_outbox_bytes) {
            let topic = publication.content.topic;
            return self.drop_for(now, session, DropCause::SlowReader, topic);
        }
        if !self.write_publish(now, publication, slot, terms, QoS::AtMostOnce, retain, None) {
            let topic = publication.content.topic;
            self.drop_for(now, session, DropCause::TooLarge, topic);
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
        let state = &mut self.sessions[session];
        let stored = delivery.clone().filter(|_| state.is_stored());
        let Some(packet_id) = state.outbound.send(qos, delivery) else {
            unreachable!("there was room in the window")
        };
        let needs = match &stored {
            Some(delivery) => self.record_sent_new(publication, session, delivery, packet_id),
            None => Sequence::NONE,
        };
        let is_written = match stored {
            // Else the client could answer an identifier that nobody remembers after a crash.
            Some(delivery) if qos == QoS::ExactlyOnce => {
                let (content, version) =
                    (delivery.message.content(), self.connections[slot as usize].version);
                let manner = Manner::of(&delivery, content.topic, version);
                self.send_kept(now, slot, &content, Manner { packet_id: Some(packet_id), ..manner }, needs)
            }
            _ => self.write_publish(now, publication, slot, terms, qos, retain, Some(packet_id)),
        };
        if is_written {
            self.count_in_flight(session);
            return;
        }
        // Too large for the client: as if it had been delivered.
        let delivery = self.sessions[session].outbound.forget(packet_id);
        self.drop_for(now, session, DropCause::TooLarge, publication.content.topic);
        self.finish_delivery(session, delivery.flatten().as_ref());
    }

    /// Records that a session of this worker is to get a message, and that it is sent if there is an identifier.
    pub(super) fn record_delivery(
        &mut self,
        session: SessionSlot,
        delivery: Delivery,
        packet_id: Option<PacketId>,
    ) -> Sequence {
        let sid = self.sessions[session].sid;
        self.recorder.record(|| Record::Delivery { sid, delivery, packet_id })
    }

    /// Records that a message is sent as soon as it has come, and says what has to be durable before it leaves.
    fn record_sent_new(
        &mut self,
        publication: &mut Publication<'_>,
        session: SessionSlot,
        delivery: &Delivery,
        packet_id: PacketId,
    ) -> Sequence {
        let sid = self.sessions[session].sid;
        if publication.recorded.contains(&sid) {
            let mid = delivery.message.mid;
            return self.recorder.record(|| Record::Sent { sid, mid, packet_id });
        }
        publication.needs = self.record_delivery(session, delivery.clone(), Some(packet_id));
        publication.needs
    }

    /// Records the message for the stored sessions of another worker, and says which they are.
    fn record_for(
        &mut self,
        publication: &mut Publication<'_>,
        worker: WorkerId,
        stored: &[StoredTarget],
    ) -> Box<[u64]> {
        let mut recorded = Vec::new();
        for target in stored.iter().filter(|target| target.home == worker) {
            let qos = self.delivery_qos(&target.terms, publication.content.qos);
            if qos == QoS::AtMostOnce {
                continue;
            }
            let delivery = Delivery {
                message: publication.share(&mut self.numbers),
                qos,
                retain: publication.content.retain && target.terms.retain_as_published,
                identifiers: target.terms.identifiers.clone(),
                group: None,
            };
            let sid = target.sid;
            publication.needs = self.recorder.record(|| Record::Delivery { sid, delivery, packet_id: None });
            recorded.push(sid);
        }
        recorded.into()
    }

    /// The QoS that a message is delivered with.
    pub(super) fn delivery_qos(&self, terms: &Terms, published: QoS) -> QoS {
        match self.settings.mqtt.upgrade_outgoing_qos {
            true => terms.qos,
            false => terms.qos.min(published),
        }
    }

    /// Puts a message into the queue of a session, within its limits.
    pub(super) fn enqueue(&mut self, now: Time, session: SessionSlot, delivery: Delivery) {
        self.list_backlog(session);
        let memory = self.memory_for(session, &delivery);
        let limits = &self.settings.limits;
        let state = &mut self.sessions[session];
        match state.queue.push(delivery, limits.max_queued_messages, limits.max_queued_bytes, memory) {
            Ok(dropped) => {
                for delivery in dropped {
                    self.drop_for(now, session, DropCause::QueueFull, delivery.message.content().topic);
                }
                self.count_in_flight(session);
            }
            Err(refused) => {
                let message = refused.0.message;
                let (sid, mid) = (state.sid, message.mid);
                if state.is_stored() {
                    self.recorder.record(|| Record::Delivered { sid, mid });
                }
                self.drop_for(now, session, DropCause::QueueFull, message.content().topic);
            }
        }
    }

    /// Sends a message to another worker, which delivers it to its own sessions.
    fn forward(
        &mut self,
        now: Time,
        publication: &mut Publication<'_>,
        worker: WorkerId,
        recorded: Box<[u64]>,
    ) {
        let lane_bytes = self.shared.lane(self.worker, worker).load(std::sync::atomic::Ordering::Relaxed)
            + self.lanes[usize::from(worker.0)].size_bytes();
        if publication.content.qos == QoS::AtMostOnce && lane_bytes >= LANE_FULL_BYTES {
            let Content { publisher, topic, .. } = publication.content;
            return self.drop_of(now, publisher, DropCause::LaneFull, topic);
        }
        // A small message that nobody here keeps is copied: that is cheaper than to share it, and it may well be that
        // nobody there keeps it either.
        if !recorded.is_empty() {
            let message = publication.share(&mut self.numbers);
            self.post(worker, Letter::Recorded(message, recorded));
        } else if publication.message.is_none() && publication.content.payload.len() < LARGE_PAYLOAD_BYTES {
            self.lanes[usize::from(worker.0)].push_content(&publication.content);
        } else {
            let message = publication.share(&mut self.numbers);
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

    /// Stops the input of a publisher until the lanes and the store have drained.
    pub(super) fn pause_publisher(&mut self, sid: u64) {
        let Some(session) = self.sessions.of_sid(sid) else { return };
        let Some(slot) = self.sessions[session].connection() else { return };
        let id = self.connection_id(slot);
        let connection = &mut self.connections[slot as usize];
        if !std::mem::replace(&mut connection.is_paused, true) {
            self.paused.push(id);
        }
    }
}
