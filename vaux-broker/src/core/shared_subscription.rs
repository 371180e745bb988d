//! Shared subscriptions: each message goes to one member.
//!
//! The publisher's worker picks: a member that is online and has room, else one that is online, else a durable one
//! that is offline. When a member goes, its home picks again for what it has not sent, and for QoS 1 that was not
//! acknowledged; sent QoS 2 stays with its session.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use vaux_mqtt::QoS;
use vaux_mqtt::protocol::SendState;

use super::Core;
use super::deliver::Publication;
use super::incident::DropCause;
use super::letter::{Letter, Picked};
use super::settings::stable_hash;
use crate::config::SharedStrategy;
use crate::message::Content;
use crate::router::cache::{MatchedGroup, Terms};
use crate::router::interest::{GroupKey, Member, MemberState};
use crate::session::{Delivery, Identifiers, SessionSlot, SessionSubscription};
use crate::store::Record;
use crate::time::Time;

impl Core {
    /// Delivers a message to one member.
    pub(super) fn deliver_shared(
        &mut self,
        now: Time,
        publication: &mut Publication<'_>,
        group: &MatchedGroup,
    ) {
        let members = &group.group.members;
        let turn = self.turn(publication, group, members.len());
        let strategy = self.settings.mqtt.shared_strategy;
        let Some(mut member) = pick(members, turn, strategy, None) else {
            let Content { publisher, topic, .. } = publication.content;
            return self.drop_of(now, publisher, DropCause::NoMember, topic);
        };
        if strategy == SharedStrategy::RoundRobin {
            group.cursor.set(turn.wrapping_add(1));
        }
        let is_denied = group.denied.contains(&member.sid);
        if is_denied {
            member = pick(members, 0, strategy, Some(member.sid)).unwrap_or(member);
        }
        self.send_to_member(now, publication, member, &group.group.key, is_denied);
    }

    /// Where in the list of members to begin looking.
    fn turn(&self, publication: &Publication<'_>, group: &MatchedGroup, count: usize) -> u32 {
        let count = count.max(1) as u64;
        match self.settings.mqtt.shared_strategy {
            SharedStrategy::RoundRobin => group.cursor.get(),
            SharedStrategy::Sticky | SharedStrategy::LeastInflight => 0,
            SharedStrategy::HashClient => (stable_hash(&publication.content.publisher) % count) as u32,
            SharedStrategy::HashTopic => (stable_hash(&publication.content.topic) % count) as u32,
        }
    }

    fn send_to_member(
        &mut self,
        now: Time,
        publication: &mut Publication<'_>,
        member: &Member,
        group: &Arc<GroupKey>,
        is_repicked: bool,
    ) {
        if member.home != self.worker {
            let is_recorded = self.record_for_member(publication, member, group);
            let picked = Picked {
                message: publication.share(&mut self.numbers),
                sid: member.sid,
                group: Arc::clone(group),
                qos: member.qos,
                retain_as_published: member.retain_as_published,
                identifier: member.identifier,
                is_repicked,
                is_recorded,
            };
            return self.post(member.home, Letter::Picked(Box::new(picked)));
        }
        let Some(session) = self.sessions.of_member(member.session, member.sid) else { return };
        // Who was picked first is one who may have it.
        let is_allowed = !is_repicked || self.may_receive(session, publication.content.topic);
        let terms = terms_of(member.qos, member.retain_as_published, member.identifier);
        self.deliver(now, publication, session, &terms, Some(group), is_allowed);
    }

    /// Records the message for a stored member on another worker. False when it is not to be stored.
    fn record_for_member(
        &mut self,
        publication: &mut Publication<'_>,
        member: &Member,
        group: &Arc<GroupKey>,
    ) -> bool {
        let terms = terms_of(member.qos, member.retain_as_published, member.identifier);
        let qos = self.delivery_qos(&terms, publication.content.qos);
        if !self.recorder.is_keeping() || !member.state.is_durable() || qos == QoS::AtMostOnce {
            return false;
        }
        let delivery = Delivery {
            message: publication.share(&mut self.numbers),
            qos,
            retain: publication.content.retain && terms.retain_as_published,
            identifiers: terms.identifiers,
            group: Some(Arc::clone(group)),
        };
        publication.require(self.recorder.record(|| Record::Delivery {
            sid: member.sid,
            delivery,
            packet_id: None,
        }));
        true
    }

    /// The member that was picked has gone meanwhile: once more, then QoS 0 is dropped and the others wait with whom
    /// they can.
    pub(super) fn repick(&mut self, now: Time, picked: &Picked) {
        let members = self.shared.interest.members(&picked.group);
        let strategy = self.settings.mqtt.shared_strategy;
        let is_lost = picked.message.qos == QoS::AtMostOnce && picked.is_repicked;
        let Some(member) = pick(&members, 0, strategy, Some(picked.sid)).filter(|_| !is_lost) else {
            // The member may still be there, offline and durable.
            return self.keep_with(now, picked);
        };
        self.frames.clear();
        self.send_to_member(now, &mut Publication::of(&picked.message), member, &picked.group, true);
        self.forget_picked(picked);
    }

    /// The member that was recorded to get a message does not get it.
    fn forget_picked(&mut self, picked: &Picked) {
        if picked.is_recorded {
            let (sid, mid) = (picked.sid, picked.message.mid);
            self.recorder.record(|| Record::Delivered { sid, mid });
        }
    }

    fn keep_with(&mut self, now: Time, picked: &Picked) {
        let session = self.sessions.of_sid(picked.sid);
        match session.filter(|session| self.sessions[*session].is_durable()) {
            Some(session) => {
                let terms = terms_of(picked.qos, picked.retain_as_published, picked.identifier);
                self.frames.clear();
                let recorded = picked.recorded();
                let mut publication = Publication::of(&picked.message).recorded_for(recorded);
                let is_allowed = self.may_receive(session, publication.content.topic);
                self.deliver(now, &mut publication, session, &terms, Some(&picked.group), is_allowed);
            }
            None => {
                let Content { publisher, topic, .. } = picked.message.content();
                self.drop_of(now, publisher, DropCause::NoMember, topic);
                self.forget_picked(picked);
            }
        }
    }

    /// Offers what a session holds of shared subscriptions to other members: it is offline, has ended, or has
    /// unsubscribed. Called for sessions that hold nothing, too.
    pub(super) fn repick_of(&mut self, now: Time, session: SessionSlot) {
        let state = &mut self.sessions[session];
        if state.member().is_none() {
            return;
        }
        let is_online = state.connection().is_some();
        let sid = state.sid;
        let still_member: Vec<Arc<GroupKey>> = state.subscriptions.groups().cloned().collect();
        let left = |group: &Arc<GroupKey>| !still_member.contains(group);
        let to_offer =
            |group: &Option<Arc<GroupKey>>| group.as_ref().is_some_and(|group| !is_online || left(group));
        let sent = state.outbound.extract(|entry| {
            entry.state == SendState::AwaitPubAck
                && entry.message.as_ref().is_some_and(|message| {
                    message.as_ref().is_some_and(|delivery| !is_online && to_offer(&delivery.group))
                })
        });
        let queued = state.queue.extract(|delivery| to_offer(&delivery.group));
        let is_ending = state.subscriptions.is_empty();
        let sent = sent.into_iter().filter_map(|entry| entry.message.flatten());
        let mut kept = Vec::new();
        for delivery in sent.chain(queued) {
            if let Some(delivery) = self.offer(now, sid, delivery) {
                kept.push(delivery);
            }
        }
        let state = &self.sessions[session];
        let (keeps, is_stored) = (state.is_durable() && !is_ending, state.is_stored());
        if keeps && !kept.is_empty() {
            self.list_backlog(session);
        }
        for delivery in kept.into_iter().rev() {
            if keeps {
                self.sessions[session].queue.push_front(delivery);
                continue;
            }
            if is_stored {
                let mid = delivery.message.mid;
                self.recorder.record(|| Record::Delivered { sid, mid });
            }
            self.drop_for(now, session, DropCause::NoMember, delivery.message.content().topic);
        }
        self.count_in_flight(session);
    }

    /// Sends a message to another member. It comes back when there is none who could take it.
    fn offer(&mut self, now: Time, holder: u64, delivery: Delivery) -> Option<Delivery> {
        let group = delivery.group.clone()?;
        if delivery.message.content().is_expired(now) {
            self.forget_held(holder, &delivery);
            if let Some(session) = self.sessions.of_sid(holder) {
                self.drop_for(now, session, DropCause::Expired, delivery.message.content().topic);
            }
            return None;
        }
        let members = self.shared.interest.members(&group);
        let is_member = members.iter().any(|member| member.sid == holder);
        let strategy = self.settings.mqtt.shared_strategy;
        let member = pick(&members, 0, strategy, Some(holder)).filter(|member| {
            // Between two that are offline there is nothing to choose.
            member.state.is_online() || !is_member
        });
        let Some(member) = member else { return Some(delivery) };
        self.frames.clear();
        self.send_to_member(now, &mut Publication::of(&delivery.message), member, &group, true);
        self.forget_held(holder, &delivery);
        None
    }

    /// A session no longer holds a message.
    fn forget_held(&mut self, holder: u64, delivery: &Delivery) {
        if self.sessions.of_sid(holder).is_some_and(|session| self.sessions[session].is_stored()) {
            let mid = delivery.message.mid;
            self.recorder.record(|| Record::Delivered { sid: holder, mid });
        }
    }

    /// A member has come online: those who are offline offer what they hold.
    pub(super) fn offer_shared(&mut self, session: SessionSlot) {
        let state = &self.sessions[session];
        if state.member().is_none() {
            return;
        }
        let sid = state.sid;
        let keys: Vec<Arc<GroupKey>> = state.subscriptions.groups().cloned().collect();
        for key in keys {
            for member in self.shared.interest.members(&key).iter() {
                let holds = member.state.in_flight.load(Ordering::Relaxed) > 0;
                if member.sid != sid && !member.state.is_online() && holds {
                    self.post(member.home, Letter::MemberOnline { holder: member.sid });
                }
            }
        }
    }

    /// Makes a session a member.
    pub(super) fn join_group(
        &mut self,
        session: SessionSlot,
        share_name: &str,
        subscription: &SessionSubscription,
    ) -> Arc<GroupKey> {
        let max_inflight = self.settings.limits.max_inflight;
        let state = &mut self.sessions[session];
        let (is_online, is_durable) = (state.connection().is_some(), state.is_durable());
        let window = state.outbound.window().min(max_inflight);
        let member_state = Arc::clone(state.more_mut().member.get_or_insert_with(|| {
            let member = MemberState::default();
            member.online.store(is_online, Ordering::Relaxed);
            member.durable.store(is_durable, Ordering::Relaxed);
            member.window.store(u32::from(window), Ordering::Relaxed);
            Arc::new(member)
        }));
        let member = Member {
            sid: state.sid,
            home: self.worker,
            session,
            qos: subscription.options.qos,
            retain_as_published: subscription.options.retain_as_published,
            identifier: subscription.identifier,
            state: member_state,
        };
        self.shared.interest.join(share_name, &subscription.filter, member)
    }
}

/// How a member of a shared subscription gets messages.
pub(super) fn terms_of(qos: QoS, retain_as_published: bool, identifier: u32) -> Terms {
    let identifiers = Identifiers::new((identifier != 0).then_some(identifier).into_iter());
    Terms { qos, retain_as_published, identifiers }
}

/// Picks a member, looking from `turn` on: online with room, else online, else offline and durable. Never `except`.
fn pick(members: &[Member], turn: u32, strategy: SharedStrategy, except: Option<u64>) -> Option<&Member> {
    let start = if members.is_empty() { 0 } else { turn as usize % members.len() };
    let (late, early) = members.split_at(start);
    let candidates = || early.iter().chain(late).filter(|member| Some(member.sid) != except);
    if strategy == SharedStrategy::LeastInflight {
        let in_flight = |member: &&Member| member.state.in_flight.load(Ordering::Relaxed);
        if let Some(member) = candidates().filter(|member| member.state.is_online()).min_by_key(in_flight) {
            return Some(member);
        }
    }
    let is_ready = |member: &&Member| member.state.is_online() && member.state.has_room();
    // Mostly it is the first one.
    let first = members.get(start).filter(|first| Some(first.sid) != except).filter(is_ready);
    first
        .or_else(|| candidates().find(is_ready))
        .or_else(|| candidates().find(|member| member.state.is_online()))
        .or_else(|| candidates().find(|member| member.state.is_durable()))
}
