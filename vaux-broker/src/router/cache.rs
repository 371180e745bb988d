//! What topics matched lately, so that a message costs one look-up.
//!
//! An entry carries the epochs of the local table and of the shared index as they were before the look-up; when either
//! has moved on, the entry is made anew.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;

use hashbrown::HashMap;
use vaux_mqtt::QoS;
use vaux_mqtt::packet::SubscriptionOptions;
use vaux_mqtt::topic::TopicName;

use super::interest::{Group, GroupKey, Interest, Interested, StoredSubscriber};
use super::local::{LocalSlot, LocalSubscription, LocalTable};
use crate::core::WorkerId;
use crate::session::{Identifiers, SessionSlot};

/// The topic cache of one worker.
#[derive(Debug)]
pub struct TopicCache {
    worker: WorkerId,
    entries: HashMap<Box<str>, Entry>,
    bytes: usize,
    /// Whose turn it is in each shared subscription. Kept apart from the entries, which come and go.
    cursors: HashMap<Arc<GroupKey>, Rc<Cell<u32>>>,
}

#[derive(Debug)]
struct Entry {
    local_epoch: u64,
    shared_epoch: u64,
    matched: Rc<Matched>,
}

/// All that a topic matches, as seen from one worker.
#[derive(Debug, Default)]
pub struct Matched {
    /// Sessions that live here, each once.
    pub local: Box<[Target]>,
    /// Other workers that have subscribers.
    pub remote: Box<[WorkerId]>,
    /// Shared subscriptions.
    pub groups: Box<[MatchedGroup]>,
    /// Stored sessions that live on other workers, each once.
    pub stored: Box<[StoredTarget]>,
}

impl Matched {
    /// Whether nobody is interested.
    pub fn is_empty(&self) -> bool {
        self.local.is_empty() && self.remote.is_empty() && self.groups.is_empty()
    }
}

/// A session that a topic matches, all its matching subscriptions taken together.
#[derive(Clone, Debug)]
pub struct Target {
    /// The session.
    pub session: SessionSlot,
    /// How it gets messages of others.
    pub terms: Terms,
    /// How it gets its own messages.
    pub own: OwnMessages,
}

/// A stored session on another worker that a topic matches.
#[derive(Clone, Debug)]
pub struct StoredTarget {
    /// The session.
    pub sid: u64,
    /// Where it lives.
    pub home: WorkerId,
    /// How it gets messages. None of them is its own: a session publishes where it lives.
    pub terms: Terms,
}

/// How a session gets a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Terms {
    /// The highest QoS that was granted.
    pub qos: QoS,
    /// Whether the message keeps its RETAIN flag.
    pub retain_as_published: bool,
    /// The identifiers of the matching subscriptions.
    pub identifiers: Identifiers,
}

/// What No Local makes of a session's own messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OwnMessages {
    /// It gets them like any other.
    Same,
    /// It does not get them.
    Never,
    /// It gets them by those of its subscriptions that allow it.
    Other(Terms),
}

/// A shared subscription that a topic matches.
#[derive(Clone, Debug)]
pub struct MatchedGroup {
    /// The members.
    pub group: Group,
    /// Whose turn it is.
    pub cursor: Rc<Cell<u32>>,
}

/// Beyond it the cache is emptied: random topics of a flood must not fill the memory.
const MAX_BYTES: usize = 4 << 20;

/// What an entry costs beside the text of its topic and its targets.
const ENTRY_BYTES: usize = 128;

impl TopicCache {
    /// An empty cache of a worker.
    pub fn new(worker: WorkerId) -> Self {
        TopicCache { worker, entries: HashMap::new(), bytes: 0, cursors: HashMap::new() }
    }

    /// Forgets everything: what it knows of rights is not true any more.
    pub fn clear(&mut self) {
        self.entries.clear();
        self.cursors.retain(|_, cursor| Rc::strong_count(cursor) > 1);
        self.bytes = 0;
    }

    /// What `topic` matches now. Sessions that live here are asked about by `may_receive`, when the answer is not known
    /// from last time.
    pub fn matched(
        &mut self,
        topic: &str,
        local: &LocalTable,
        interest: &Interest,
        may_receive: impl Fn(SessionSlot) -> bool,
    ) -> Rc<Matched> {
        let shared_epoch = interest.epoch();
        if let Some(entry) = self.entries.get(topic)
            && entry.local_epoch == local.epoch()
            && entry.shared_epoch == shared_epoch
        {
            return Rc::clone(&entry.matched);
        }
        self.look_up(topic, shared_epoch, local, interest, may_receive)
    }

    #[cold]
    fn look_up(
        &mut self,
        topic: &str,
        shared_epoch: u64,
        local: &LocalTable,
        interest: &Interest,
        may_receive: impl Fn(SessionSlot) -> bool,
    ) -> Rc<Matched> {
        let Ok(name) = TopicName::new(topic) else { return Rc::default() };
        let Interested { workers, groups, stored } = interest.matches(name);
        let matched = Rc::new(Matched {
            local: targets(&local.subscriptions(self.slots_here(&workers)), may_receive),
            remote: self.others(&workers),
            groups: groups.into_iter().map(|group| self.matched_group(group)).collect(),
            stored: self.stored_targets(&stored),
        });
        let cost = ENTRY_BYTES
            + topic.len()
            + matched.local.len() * size_of::<Target>()
            + matched.stored.len() * size_of::<StoredTarget>();
        if self.bytes + cost > MAX_BYTES {
            self.clear();
        }
        let entry = Entry { local_epoch: local.epoch(), shared_epoch, matched: Rc::clone(&matched) };
        if self.entries.insert(topic.into(), entry).is_none() {
            self.bytes += cost;
        }
        matched
    }

    /// Where the filters stand in the table of this worker.
    fn slots_here(&self, workers: &[(WorkerId, LocalSlot)]) -> impl Iterator<Item = LocalSlot> {
        workers.iter().filter(|(worker, _)| *worker == self.worker).map(|(_, slot)| *slot)
    }

    /// The other workers, each once. They come sorted.
    fn others(&self, workers: &[(WorkerId, LocalSlot)]) -> Box<[WorkerId]> {
        let each = workers.chunk_by(|(one, _), (other, _)| one == other);
        let each = each.filter_map(|of_one| of_one.first().map(|(worker, _)| *worker));
        each.filter(|worker| *worker != self.worker).collect()
    }

    /// Takes the subscriptions of each session together, those that live here left out. They come sorted by session.
    fn stored_targets(&self, subscribers: &[StoredSubscriber]) -> Box<[StoredTarget]> {
        let target = |group: &[StoredSubscriber]| {
            let StoredSubscriber { sid, home, .. } = *group.first()?;
            let terms = combine(group.iter().map(|one| (one.options, one.identifier)))?;
            (home != self.worker).then_some(StoredTarget { sid, home, terms })
        };
        subscribers.chunk_by(|one, other| one.sid == other.sid).filter_map(target).collect()
    }

    fn matched_group(&mut self, group: Group) -> MatchedGroup {
        let cursor = self.cursors.entry_ref(&group.key).or_default();
        MatchedGroup { cursor: Rc::clone(cursor), group }
    }
}

/// Takes the subscriptions of each session together. They come sorted by session.
fn targets(subscriptions: &[LocalSubscription], may_receive: impl Fn(SessionSlot) -> bool) -> Box<[Target]> {
    let sessions = subscriptions.chunk_by(|one, other| one.session == other.session);
    sessions
        .filter(|group| group.first().is_some_and(|one| may_receive(one.session)))
        .filter_map(target)
        .collect()
}

fn target(subscriptions: &[LocalSubscription]) -> Option<Target> {
    let all = subscriptions.iter().map(|one| (one.options, one.identifier));
    let others = all.clone().filter(|(options, _)| !options.no_local);
    let own = match combine(others) {
        _ if !subscriptions.iter().any(|one| one.options.no_local) => OwnMessages::Same,
        Some(terms) => OwnMessages::Other(terms),
        None => OwnMessages::Never,
    };
    Some(Target { session: subscriptions.first()?.session, terms: combine(all)?, own })
}

/// One copy goes out for all: at the highest QoS, with all identifiers.
fn combine(subscriptions: impl Iterator<Item = (SubscriptionOptions, u32)> + Clone) -> Option<Terms> {
    let qos = subscriptions.clone().map(|(options, _)| options.qos).max()?;
    let identifiers = subscriptions.clone().map(|(_, identifier)| identifier).filter(|&id| id != 0);
    Some(Terms {
        qos,
        retain_as_published: subscriptions.clone().any(|(options, _)| options.retain_as_published),
        identifiers: Identifiers::new(identifiers),
    })
}
