//! What must hold, beyond what clients see as they receive: see section 10 of the core's semantics.
//!
//! 1 what was acknowledged is delivered, queued or counted; 2 QoS 2 never doubles; 3 resends have DUP and a session to
//! resume; 4 order; 5 deliveries are what was published; 6 no gap between subscribing and publishing; 7 no stale
//! retained message; 8 packet identifiers and windows; 9 nothing leaves before it may; 10 one home and one connection
//! for a session; 11 refusals change nothing; 12 wills; 13 expiry; 14 shared subscriptions; 15 budgets, and everything
//! settles.

use std::collections::{BTreeMap, BTreeSet};

use super::client::{Client, ClientSession, ClientSubscription};
use super::ledger::{Outcome, Publication};
use super::link::Link;
use super::worker::Worker;
use super::world::World;
use super::*;

/// Something that must never happen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Violation {
    /// Which of the invariants.
    pub(super) invariant: u8,
    pub(super) text: String,
}

impl World {
    /// Reports a violation. The first one counts.
    pub(super) fn violate(&mut self, invariant: u8, text: String) {
        self.note(|_| format!("violation of invariant {invariant}: {text}"));
        self.violation.get_or_insert(Violation { invariant, text });
    }

    /// The retained messages that are left after a crash: the last acknowledged one, or a later one.
    pub(super) fn check_retained_after_restart(&mut self) {
        let retained: BTreeMap<String, String> = self.store.disk.retained_payloads().collect();
        for publisher in 0..self.clients.len() {
            let topic = format!("r/{publisher}");
            let Some(last) = self.ledger.last_acknowledged_at(&topic) else { continue };
            let found = retained.get(&topic).map_or("", String::as_str);
            let is_possible = |(number, publication): (usize, &Publication)| {
                let is_expired = publication.expiry_s.is_some() && found.is_empty();
                number >= last && (publication.payload == found || is_expired)
            };
            if !self.ledger.retained_at(&topic).any(is_possible) {
                let number = self.ledger.find(found);
                self.violate(7, format!("{number:?} is retained at {topic}, but {last} was acknowledged"));
            }
        }
    }

    /// What must hold at any moment.
    pub(super) fn check_sessions(&mut self) {
        let mut keys = BTreeSet::new();
        let mut broken = Vec::new();
        for worker in &self.workers {
            let core = &worker.core;
            for (slot, session) in core.sessions.iter() {
                let is_at_home = self.shared.home_of(&session.key) == core.worker;
                let is_only_one = keys.insert(&session.key.client_id);
                let connection = session.connection().map(|slot| &core.connections[slot as usize]);
                let is_bound = connection.is_none_or(|connection| {
                    connection.phase == super::super::connection::Phase::Connected
                        && connection.session == slot
                });
                if !is_at_home || !is_only_one || !is_bound {
                    broken.push(session.key.client_id.to_string());
                }
                let limits = &self.settings.limits;
                // What was sent before may go back into the queue.
                let longest = limits.max_queued_messages + usize::from(limits.max_inflight);
                if session.queue.len() > longest {
                    broken.push(format!("{} in the queue of {}", session.queue.len(), session.key.client_id));
                }
            }
        }
        if let Some(broken) = broken.pop() {
            self.violate(10, broken);
        }
    }

    /// What is still under way, if anything is.
    pub(super) fn unsettled(&self) -> Option<String> {
        let is_quiet = |client: &Client| {
            client.role.is_intruder || client.stays_away && client.link.is_none() || client.has_settled()
        };
        if let Some(client) = self.clients.iter().position(|client| !is_quiet(client)) {
            return Some(format!("client {client}"));
        }
        let is_over = |link: &Link| link.given_up_at.is_some() || !link.is_cut && link.to_server.is_empty();
        if let Some(link) = self.links.iter().position(|link| !is_over(link)) {
            return Some(format!("link {link}"));
        }
        for core in self.workers.iter().map(|worker| &worker.core) {
            let waits = |session: &Session| !session.queue.is_empty() || !session.outbound.is_empty();
            let mut connected = core.sessions.iter().filter(|(_, session)| session.connection().is_some());
            if let Some((_, session)) = connected.find(|(_, session)| waits(session)) {
                return Some(format!("messages for {}", session.key.client_id));
            }
        }
        let is_busy = |worker: &Worker| !worker.is_idle || !worker.mail.is_empty();
        let is_busy = self.store.len() > 0 || self.workers.iter().any(is_busy);
        is_busy.then(|| "workers or the store".into())
    }

    /// Messages for a shared subscription must not wait for a member that is away while another one is there.
    pub(super) fn check_shared(&mut self) {
        let cores = || self.workers.iter().map(|worker| &worker.core);
        let mut stuck = None;
        for session in cores().flat_map(|core| core.sessions.iter().map(|(_, session)| session)) {
            let waiting = session.queue.iter().filter_map(|delivery| delivery.group.as_ref());
            for group in waiting.filter(|_| session.connection().is_none()) {
                let members = self.shared.interest.members(group);
                // One that has left keeps what nobody was there to take.
                let is_member = members.iter().any(|member| member.sid == session.sid);
                if is_member && members.iter().any(|member| member.state.is_online()) {
                    stuck = Some(session.key.client_id.to_string());
                }
            }
        }
        if let Some(stuck) = stuck {
            self.violate(14, format!("a message waits for {stuck} while another member is there"));
        }
    }

    /// What must hold when faults are over and all has settled.
    pub(super) fn check_end(&mut self) {
        self.check_sessions();
        self.check_deliveries();
        self.check_groups();
        self.check_retained();
        self.check_disk();
        self.check_budgets();
    }

    /// Everything that was acknowledged has arrived, or was counted.
    fn check_deliveries(&mut self) {
        let mut missing = Vec::new();
        for (number, publication) in self.ledger.publications.iter().enumerate() {
            for (index, client) in self.clients.iter().enumerate() {
                let Some(session) = &client.session else { continue };
                let has_it =
                    [true, false].iter().any(|retain| session.received.contains_key(&(number, *retain)));
                if !has_it && self.is_due(publication, session, client.stays_away) {
                    missing.push((number, index));
                }
            }
        }
        let (count, dropped) = (missing.len() as u64, self.dropped());
        if count > self.may_be_missing() {
            let is_will = |number: usize| self.ledger.publications[number].is_will;
            let invariant = match count > dropped.total() {
                // Nothing that is due has expired: what was dropped as if it had was dropped too early.
                false => 13,
                true if missing.iter().any(|(number, _)| is_will(*number)) => 12,
                true => 1,
            };
            let text = format!("never delivered (message, client): {missing:?}, dropped: {dropped:?}");
            self.violate(invariant, text);
        }
    }

    /// How much of what is due may have been dropped instead. What expired is not due.
    fn may_be_missing(&self) -> u64 {
        let dropped = self.dropped();
        dropped.total() - dropped.expired
    }

    /// Whether a session must have got a message.
    fn is_due(&self, publication: &Publication, session: &ClientSession, is_away: bool) -> bool {
        let is_expired = |seconds| publication.sent_at.plus_seconds(seconds) <= self.now;
        let is_kept = publication.outcome == Outcome::Acknowledged
            && publication.qos > QoS::AtMostOnce
            && !publication.payload.is_empty()
            && !publication.topic.starts_with("x/")
            && !publication.expiry_s.is_some_and(is_expired);
        let covers = |one: &&ClientSubscription| {
            one.matches(&publication.topic)
                && !one.is_shared()
                && !one.has_ended
                && one.qos > QoS::AtMostOnce
                && one.granted_at.is_some_and(|at| at < publication.sent_at)
        };
        is_kept && !is_away && session.subscriptions.iter().any(|one| covers(&one))
    }

    /// Everything for a shared subscription has reached one member.
    fn check_groups(&mut self) {
        let members: Vec<&Client> = self
            .clients
            .iter()
            .filter(|client| client.role.client_id.starts_with('m') && !client.role.is_intruder)
            .collect();
        if members.is_empty()
            || members.iter().any(|member| member.ended_sessions > 0 || member.role.expiry_s == 0)
        {
            return;
        }
        let mut lost = Vec::new();
        let mut doubled = Vec::new();
        for (number, publication) in self.ledger.publications.iter().enumerate() {
            let receivers = members.iter().filter(|member| member.ever.contains(&number)).count();
            let is_member = |member: &&&Client| {
                let session = member.session.as_ref();
                session.is_some_and(|session| {
                    session.subscriptions.iter().any(|one| {
                        one.is_shared()
                            && one.matches(&publication.topic)
                            && !one.has_ended
                            && one.granted_at.is_some_and(|at| at < publication.sent_at)
                    })
                })
            };
            let has_member = members.iter().any(|member| is_member(&member));
            let is_expired = |seconds| publication.sent_at.plus_seconds(seconds) <= self.now;
            let is_due = publication.topic.starts_with("n/")
                && publication.outcome == Outcome::Acknowledged
                && publication.qos > QoS::AtMostOnce
                && !publication.expiry_s.is_some_and(is_expired);
            if is_due && has_member && receivers == 0 && !members.iter().any(|member| member.stays_away) {
                lost.push(number);
            }
            let is_exact = publication.qos == QoS::ExactlyOnce
                && members.iter().all(|member| member.role.filters[0].1 == QoS::ExactlyOnce);
            if publication.topic.starts_with("n/") && is_exact && receivers > 1 {
                doubled.push(number);
            }
        }
        if lost.len() as u64 > self.may_be_missing() {
            self.violate(14, format!("no member got {lost:?}"));
        }
        if !doubled.is_empty() {
            self.violate(14, format!("two members got {doubled:?}"));
        }
    }

    /// Who subscribed on a connection that lasts has seen what is retained now, retained or live.
    fn check_retained(&mut self) {
        let mut missing = Vec::new();
        for publisher in 0..self.clients.len() {
            let topic = format!("r/{publisher}");
            let Some(message) = self.shared.retained.message(&topic) else { continue };
            if message.content().is_expired(self.now) {
                continue;
            }
            let payload = String::from_utf8_lossy(message.payload()).into_owned();
            let Some(number) = self.ledger.find(&payload) else { continue };
            for (index, client) in self.clients.iter().enumerate() {
                let Some(session) = &client.session else { continue };
                let sees = |one: &ClientSubscription| {
                    one.matches(&topic)
                        && !one.is_shared()
                        && !one.has_ended
                        && one.granted_at.is_some()
                        && Some(one.link) == client.link
                };
                let has_it =
                    [true, false].iter().any(|retain| session.received.contains_key(&(number, *retain)));
                if session.subscriptions.iter().any(sees) && !has_it && !client.stays_away {
                    missing.push((number, index));
                }
            }
        }
        if missing.len() as u64 > self.may_be_missing() {
            self.violate(6, format!("retained, and neither seen live nor retained: {missing:?}"));
        }
    }

    /// The disk holds what the memory holds.
    fn check_disk(&mut self) {
        let on_disk = self.store.disk.contents();
        let mut wrong = Vec::new();
        let mut sids = BTreeSet::new();
        for core in self.workers.iter().map(|worker| &worker.core) {
            let stored = core.sessions.iter().filter(|(_, session)| session.stored != Stored::Nothing);
            for (slot, session) in stored {
                let sid = session.sid;
                sids.insert(sid);
                let Some(stored) = on_disk.sessions.iter().find(|stored| stored.session.sid == sid) else {
                    wrong.push(format!("session {} is not there", session.key.client_id));
                    continue;
                };
                if let Some(difference) = difference(core, slot, stored) {
                    wrong.push(format!("{} of {}", difference, session.key.client_id));
                }
            }
        }
        wrong.extend(
            on_disk
                .sessions
                .iter()
                .filter(|stored| !sids.contains(&stored.session.sid))
                .map(|stored| format!("session {} has ended", stored.session.key.client_id)),
        );
        if self.store.disk.has_rows_of_others() {
            wrong.push("rows of sessions that have ended".into());
        }
        let tree =
            |topic: &str| self.shared.retained.message(topic).map(|message| message.payload().to_vec());
        for kept in &on_disk.retained {
            let topic = kept.message.content().topic;
            let in_memory = self.shared.retained.kept(topic);
            let same_source = in_memory.is_some_and(|in_memory| in_memory.source == kept.source);
            if tree(topic).as_deref() != Some(kept.message.payload()) || !same_source {
                wrong.push(format!("retained at {topic}"));
            }
        }
        if on_disk.retained.len() != self.shared.retained.len() {
            wrong.push("the number of retained messages".into());
        }
        if let Some(wrong) = wrong.pop() {
            self.violate(15, format!("disk and memory differ: {wrong}"));
        }
    }

    /// Everything that was taken has been given back.
    fn check_budgets(&mut self) {
        let workers = self.workers.len() as u16;
        let lanes: usize = (0..workers)
            .flat_map(|from| (0..workers).map(move |to| (WorkerId(from), WorkerId(to))))
            .map(|(from, to)| self.shared.lane(from, to).load(Ordering::Relaxed))
            .sum();
        let cores = || self.workers.iter().map(|worker| &worker.core);
        let sessions: usize = cores().map(|core| core.sessions.len()).sum();
        let connected: usize = cores()
            .map(|core| core.sessions.iter().filter(|(_, session)| session.connection().is_some()).count())
            .sum();
        let counted = self.shared.sessions.load(Ordering::Relaxed);
        let counted_active = self.shared.active_sessions.load(Ordering::Relaxed);
        if lanes != 0 || (sessions, connected) != (counted, counted_active) {
            self.violate(15, format!("{lanes} bytes in lanes, {sessions} sessions of {counted}, {connected} connected of {counted_active}"));
        }
    }
}

/// What differs between a session and its rows.
fn difference(core: &Core, slot: SessionSlot, stored: &crate::store::StoredSession) -> Option<&'static str> {
    let session = &core.sessions[slot];
    let is_stored = session.stored == Stored::Session;
    if session.will.is_some() != stored.session.will.is_some() {
        return Some("the will");
    }
    if session.expiry_ms != stored.session.expiry_ms && session.connection().is_none() {
        return Some("the expiry");
    }
    let subscriptions = session.subscriptions.iter().filter(|_| is_stored);
    let mut subscriptions: Vec<_> = subscriptions.map(|one| core.full_subscription(slot, one)).collect();
    subscriptions.sort_by(|one, other| one.text.cmp(&other.text));
    if subscriptions != stored.subscriptions {
        return Some("the subscriptions");
    }
    let mids = |deliveries: &mut dyn Iterator<Item = u64>| deliveries.collect::<BTreeSet<u64>>();
    let queued = session
        .queue
        .iter()
        .filter(|delivery| delivery.qos > QoS::AtMostOnce)
        .map(|delivery| delivery.message.mid);
    let sent =
        session.outbound.in_flight().filter_map(|entry| Some(entry.message.as_ref()?.as_ref()?.message.mid));
    if mids(&mut queued.chain(sent))
        != mids(&mut stored.deliveries.iter().map(|(delivery, _)| delivery.message.mid))
    {
        return Some("the deliveries");
    }
    let mut received: Vec<PacketId> = session.inbound.unreleased_ids().collect();
    received.sort();
    if received != stored.received {
        return Some("the received identifiers");
    }
    let releasing = session.outbound.in_flight().filter(|entry| entry.message.is_none()).count();
    (releasing != stored.releasing.len()).then_some("the identifiers that await PUBCOMP")
}
