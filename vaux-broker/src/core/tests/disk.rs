//! A disk as the simulation has it: records applied to plain maps, with nothing of an engine's cleverness.

use std::collections::{BTreeMap, BTreeSet};

use vaux_mqtt::PacketId;

use crate::retained::Kept;
use crate::session::{Delivery, SessionSubscription};
use crate::store::{Contents, Page, PageRequest, Record, SessionRecord, StoredSession, Submission, Waiting};

/// What is on the disk.
#[derive(Clone, Debug, Default)]
pub(super) struct Disk {
    sessions: BTreeMap<u64, SessionRecord>,
    subscriptions: BTreeMap<(u64, Box<str>), SessionSubscription>,
    deliveries: BTreeMap<(u64, u64), (Delivery, Option<PacketId>)>,
    releasing: BTreeSet<(u64, PacketId)>,
    received: BTreeSet<(u64, PacketId)>,
    retained: BTreeMap<Box<str>, Kept>,
    last_sid: u64,
    last_mid: u64,
}

impl Disk {
    /// Writes a submission. `retained` says what the tree holds.
    pub(super) fn write(&mut self, submission: &Submission, retained: impl Fn(&str) -> Option<Kept>) {
        submission.records.iter().for_each(|record| self.apply(record, &retained));
    }

    fn apply(&mut self, record: &Record, retained: &impl Fn(&str) -> Option<Kept>) {
        match record.clone() {
            Record::Session(session) => {
                self.last_sid = self.last_sid.max(session.sid);
                self.sessions.insert(session.sid, *session);
            }
            Record::Absent { sid, expiry_ms, ends_at, will_due_at } => {
                let Some(session) = self.sessions.get_mut(&sid) else { return };
                (session.expiry_ms, session.ends_at, session.is_connected) = (expiry_ms, ends_at, false);
                session.will.iter_mut().for_each(|will| will.due_at = will_due_at);
            }
            Record::WillGone { sid } => {
                self.sessions.entry(sid).and_modify(|session| session.will = None);
            }
            Record::SessionEnded { sid } => self.end(sid),
            Record::Subscribed { sid, subscription } => {
                self.subscriptions.insert((sid, subscription.text.clone()), *subscription);
            }
            Record::Unsubscribed { sid, filter } => {
                self.subscriptions.remove(&(sid, filter));
            }
            Record::Delivery { sid, delivery, packet_id } => {
                self.last_mid = self.last_mid.max(delivery.message.mid);
                self.deliveries.insert((sid, delivery.message.mid), (delivery, packet_id));
            }
            Record::Sent { sid, mid, packet_id } => {
                self.deliveries.entry((sid, mid)).and_modify(|(_, sent)| *sent = Some(packet_id));
            }
            Record::Arrived { sid, mid, packet_id } => {
                self.deliveries.remove(&(sid, mid));
                self.releasing.insert((sid, packet_id));
            }
            Record::Completed { sid, packet_id } => {
                self.releasing.remove(&(sid, packet_id));
            }
            Record::Delivered { sid, mid } => {
                self.deliveries.remove(&(sid, mid));
            }
            Record::Received { sid, packet_id } => {
                self.received.insert((sid, packet_id));
            }
            Record::Released { sid, packet_id } => {
                self.received.remove(&(sid, packet_id));
            }
            Record::Retained { topic } => {
                match retained(&topic) {
                    Some(kept) => self.retained.insert(topic, kept),
                    None => self.retained.remove(&topic),
                };
            }
        }
    }

    fn end(&mut self, sid: u64) {
        self.sessions.remove(&sid);
        self.subscriptions.retain(|(owner, _), _| *owner != sid);
        self.deliveries.retain(|(owner, _), _| *owner != sid);
        self.releasing.retain(|(owner, _)| *owner != sid);
        self.received.retain(|(owner, _)| *owner != sid);
    }

    /// What a broker finds that starts on it.
    pub(super) fn contents(&self) -> Contents {
        let sessions = self.sessions.values().map(|session| {
            let is_mine = |sid: u64| sid == session.sid;
            let ids = |set: &BTreeSet<(u64, PacketId)>| {
                set.iter().filter(|(sid, _)| is_mine(*sid)).map(|(_, id)| *id).collect()
            };
            let subscriptions = self.subscriptions.iter().filter(|((sid, _), _)| is_mine(*sid));
            let deliveries = self.deliveries.iter().filter(|((sid, _), _)| is_mine(*sid));
            let (waiting, deliveries): (Vec<_>, Vec<_>) = deliveries
                .partition(|(_, (delivery, packet_id))| packet_id.is_none() && delivery.group.is_none());
            let waiting = waiting.into_iter().map(|((_, mid), (delivery, _))| Waiting {
                mid: *mid,
                size_bytes: delivery.message.size_bytes(),
            });
            StoredSession {
                session: session.clone(),
                subscriptions: subscriptions.map(|(_, subscription)| subscription.clone()).collect(),
                deliveries: deliveries.into_iter().map(|(_, delivery)| delivery.clone()).collect(),
                waiting: waiting.collect(),
                releasing: ids(&self.releasing),
                received: ids(&self.received),
            }
        });
        Contents {
            sessions: sessions.collect(),
            retained: self.retained.values().cloned().collect(),
            last_sid: self.last_sid,
            last_mid: self.last_mid,
        }
    }

    /// Reads part of a queue.
    pub(super) fn read(&self, request: &PageRequest) -> Page {
        let PageRequest { sid, ref mids } = *request;
        let read = |&mid| (mid, self.deliveries.get(&(sid, mid)).map(|(delivery, _)| delivery.clone()));
        Page { sid, deliveries: mids.iter().map(read).collect() }
    }

    /// Loses the messages that are picked.
    pub(super) fn damage(&mut self, is_picked: impl Fn(&Delivery) -> bool) {
        self.deliveries.retain(|_, (delivery, _)| !is_picked(delivery));
    }

    /// The number of a client's session.
    pub(super) fn sid_of(&self, client_id: &str) -> u64 {
        let mut sessions = self.sessions.values();
        sessions.find(|session| *session.key.client_id == *client_id).map(|session| session.sid).unwrap()
    }

    /// The topics and payloads of the retained messages.
    pub(super) fn retained_payloads(&self) -> impl Iterator<Item = (String, String)> {
        self.retained.iter().map(|(topic, kept)| {
            (topic.to_string(), String::from_utf8_lossy(kept.message.payload()).into_owned())
        })
    }

    /// The retained message of a topic.
    pub(super) fn retained_at(&self, topic: &str) -> Option<Kept> {
        self.retained.get(topic).cloned()
    }

    /// Whether there is anything of a session that is not there.
    pub(super) fn has_rows_of_others(&self) -> bool {
        let subscribers = self.subscriptions.keys().map(|(sid, _)| sid);
        let receivers = self.deliveries.keys().map(|(sid, _)| sid);
        let exchanges = self.releasing.iter().chain(&self.received).map(|(sid, _)| sid);
        subscribers.chain(receivers).chain(exchanges).any(|sid| !self.sessions.contains_key(sid))
    }
}
