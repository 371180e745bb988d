//! What topics matched lately, so that a message costs one look-up.
//!
//! What was found carries the epochs of the local table and of the shared index as they were before the look-up; when either
//! has moved on, the entry is made anew. When the cache is full, a topic gets in that comes for the second time within a
//! while, and others go for it, one at a time and without looking which: a flood of topics that never come again changes
//! nothing, whoever goes through more topics than there is room for finds many of them here, and nobody waits until all
//! are gone. Topics that nobody is interested in have to come twice at any time.

use std::cell::Cell;
use std::hash::BuildHasher;
use std::rc::Rc;
use std::sync::Arc;

use hashbrown::{DefaultHashBuilder, HashMap, HashTable};
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
    entries: Vec<Entry>,
    /// Where they are, by topic.
    places: HashTable<u32>,
    hasher: DefaultHashBuilder,
    /// The one that was asked for last: many publishers keep to one topic, and what is read at once is of one of them.
    last: u32,
    bytes: usize,
    /// Which entry goes next, as a number without a limit.
    next_victim: u32,
    /// Of hashes of topics that came lately and were not let in, the upper halves, each at a place that the lower half
    /// says.
    turned_away: Box<[u32]>,
    /// Whose turn it is in each shared subscription. Kept apart from the entries, which come and go.
    cursors: HashMap<Arc<GroupKey>, Rc<Cell<u32>>>,
    /// With so many of them it is time to forget those of shared subscriptions that no entry knows any more.
    max_cursors: usize,
    /// What was looked up last, for its memory.
    interested: Interested,
    subscriptions: Vec<LocalSubscription>,
}

#[derive(Debug)]
struct Entry {
    topic: Box<str>,
    hash: u64,
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
    local_epoch: u64,
    shared_epoch: u64,
}

impl Matched {
    /// Whether it is still so.
    pub fn is_true(&self, local: &LocalTable, interest: &Interest) -> bool {
        self.local_epoch == local.epoch() && self.shared_epoch == interest.epoch()
    }

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
    /// Those of them that live here and may not have the message.
    pub denied: Box<[u64]>,
    /// Whose turn it is.
    pub cursor: Rc<Cell<u32>>,
}

/// Beyond it entries go: random topics of a flood must not fill the memory.
const MAX_BYTES: usize = 16 << 20;

/// How many topics are remembered that were turned away.
const TURNED_AWAY: usize = 1 << 14;

/// So many shared subscriptions are remembered at least, whether they are still there or not.
const MIN_CURSORS: usize = 256;

/// What an entry costs beside the text of its topic and its targets.
const ENTRY_BYTES: usize = size_of::<Entry>() + 3 * size_of::<u32>() + size_of::<Matched>() + 16;

impl TopicCache {
    /// An empty cache of a worker.
    pub fn new(worker: WorkerId) -> Self {
        TopicCache {
            worker,
            entries: Vec::new(),
            places: HashTable::new(),
            hasher: DefaultHashBuilder::default(),
            last: 0,
            bytes: 0,
            next_victim: 0,
            turned_away: Box::default(),
            cursors: HashMap::new(),
            max_cursors: MIN_CURSORS,
            interested: Interested::default(),
            subscriptions: Vec::new(),
        }
    }

    /// Forgets everything: what it knows of rights is not true any more.
    pub fn clear(&mut self) {
        self.entries = Vec::new();
        self.places = HashTable::new();
        self.bytes = 0;
        self.turned_away = Box::default();
        self.forget_cursors();
    }

    fn forget_cursors(&mut self) {
        self.cursors.retain(|_, cursor| Rc::strong_count(cursor) > 1);
        self.max_cursors = MIN_CURSORS.max(2 * self.cursors.len());
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
        if let Some(last) = self.entries.get(self.last as usize)
            && *last.topic == *topic
            && last.matched.is_true(local, interest)
        {
            return Rc::clone(&last.matched);
        }
        let hash = self.hasher.hash_one(topic);
        let place = self.places.find(hash, |place| *self.entries[*place as usize].topic == *topic).copied();
        if let Some(place) = place {
            self.last = place;
            let entry = &self.entries[place as usize];
            if entry.matched.is_true(local, interest) {
                return Rc::clone(&entry.matched);
            }
        }
        let matched = self.look_up(topic, local, interest, may_receive);
        let topic = place.map_or_else(|| topic.into(), |place| self.remove(place).topic);
        self.insert(Entry { topic, hash, matched: Rc::clone(&matched) });
        matched
    }

    #[inline(never)]
    fn look_up(
        &mut self,
        topic: &str,
        local: &LocalTable,
        interest: &Interest,
        may_receive: impl Fn(SessionSlot) -> bool,
    ) -> Rc<Matched> {
        let Ok(name) = TopicName::new(topic) else { return Rc::default() };
        let (local_epoch, shared_epoch) = (local.epoch(), interest.epoch());
        if self.cursors.len() >= self.max_cursors {
            self.forget_cursors();
        }
        interest.find(name, &mut self.interested);
        let Interested { workers, groups, stored, .. } = &mut self.interested;
        let (workers, stored, groups) = (&*workers, &*stored, std::mem::take(groups));
        local.subscriptions(slots_of(self.worker, workers), &mut self.subscriptions);
        let denied = |group: &Group| -> Box<[u64]> {
            let here = group.members.iter().filter(|member| member.home == self.worker);
            here.filter(|member| !may_receive(member.session)).map(|member| member.sid).collect()
        };
        let matched_group = |group: Group| MatchedGroup {
            denied: denied(&group),
            cursor: Rc::clone(self.cursors.entry_ref(&group.key).or_default()),
            group,
        };
        Rc::new(Matched {
            groups: groups.into_iter().map(matched_group).collect(),
            local: targets(&self.subscriptions, may_receive),
            remote: others(self.worker, workers),
            stored: stored_targets(self.worker, stored),
            local_epoch,
            shared_epoch,
        })
    }

    fn insert(&mut self, entry: Entry) {
        let is_full = self.bytes + entry.cost() > MAX_BYTES;
        if (is_full || entry.matched.is_empty()) && !self.comes_again(entry.hash) {
            return;
        }
        self.bytes += entry.cost();
        while self.bytes > MAX_BYTES && !self.entries.is_empty() {
            // A step that leads everywhere before it comes back.
            self.next_victim = self.next_victim.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let victim = (u64::from(self.next_victim) * self.entries.len() as u64) >> 32;
            self.remove(victim as u32);
        }
        let entries = &self.entries;
        let hash_of = |place: &u32| entries[*place as usize].hash;
        self.places.insert_unique(entry.hash, entries.len() as u32, hash_of);
        self.entries.push(entry);
    }

    /// Whether a topic was turned away not long ago. If not, it is now.
    fn comes_again(&mut self, hash: u64) -> bool {
        if self.turned_away.is_empty() {
            self.turned_away = vec![0; TURNED_AWAY].into();
        }
        let mark = (hash >> 32) as u32;
        std::mem::replace(&mut self.turned_away[hash as usize % TURNED_AWAY], mark) == mark
    }

    fn remove(&mut self, place: u32) -> Entry {
        let removed = self.entries.swap_remove(place as usize);
        self.bytes -= removed.cost();
        if let Ok(found) = self.places.find_entry(removed.hash, |other| *other == place) {
            found.remove();
        }
        let old_place = self.entries.len() as u32;
        if let Some(moved) = self.entries.get(place as usize)
            && let Some(found) = self.places.find_mut(moved.hash, |other| *other == old_place)
        {
            *found = place;
        }
        removed
    }
}

impl Entry {
    fn cost(&self) -> usize {
        let Matched { local, remote, groups, stored, .. } = &*self.matched;
        let denied: usize = groups.iter().map(|group| size_of_val(&*group.denied)).sum();
        let targets = size_of_val(&**local) + size_of_val(&**stored) + denied;
        ENTRY_BYTES + self.topic.len() + targets + size_of_val(&**remote) + size_of_val(&**groups)
    }
}

/// Where the filters stand in the table of a worker.
fn slots_of(worker: WorkerId, workers: &[(WorkerId, LocalSlot)]) -> impl Iterator<Item = LocalSlot> {
    workers.iter().filter(move |(other, _)| *other == worker).map(|(_, slot)| *slot)
}

/// The workers other than this one, each once. They come sorted.
fn others(worker: WorkerId, workers: &[(WorkerId, LocalSlot)]) -> Box<[WorkerId]> {
    let each = workers.chunk_by(|(one, _), (other, _)| one == other);
    let each = each.filter_map(|of_one| of_one.first().map(|(worker, _)| *worker));
    each.filter(|other| *other != worker).collect()
}

/// Takes the subscriptions of each session together, those that live on this worker left out. They come sorted by
/// session.
fn stored_targets(worker: WorkerId, subscribers: &[StoredSubscriber]) -> Box<[StoredTarget]> {
    let target = |group: &[StoredSubscriber]| {
        let StoredSubscriber { sid, home, .. } = *group.first()?;
        let terms = combine(group.iter().map(|one| (one.options, one.identifier)))?;
        (home != worker).then_some(StoredTarget { sid, home, terms })
    };
    subscribers.chunk_by(|one, other| one.sid == other.sid).filter_map(target).collect()
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::router::interest::Member;

    /// A worker with one subscriber of everything.
    struct Worker {
        cache: TopicCache,
        table: LocalTable,
        interest: Interest,
        looked_up: Cell<u32>,
    }

    impl Worker {
        fn new() -> Worker {
            let (mut table, interest) = (LocalTable::default(), Interest::default());
            let options = SubscriptionOptions::default();
            let subscription = LocalSubscription { session: SessionSlot(7), options, identifier: 0 };
            table.add_filter(subscription, |slot| interest.add("#", WorkerId(0), slot));
            Worker { cache: TopicCache::new(WorkerId(0)), table, interest, looked_up: Cell::new(0) }
        }

        /// Looks for a topic, and says whether it was known.
        fn knows(&mut self, topic: &str) -> bool {
            self.looked_up.set(0);
            let matched = self.cache.matched(topic, &self.table, &self.interest, |session| {
                self.looked_up.set(self.looked_up.get() + 1);
                session == SessionSlot(7)
            });
            assert_eq!(matched.local.len(), 1);
            assert!(self.cache.bytes <= MAX_BYTES);
            assert_eq!(self.cache.entries.len(), self.cache.places.len());
            self.looked_up.get() == 0
        }
    }

    #[test]
    fn a_topic_is_looked_up_once_until_something_changes() {
        let mut worker = Worker::new();
        assert!(!worker.knows("a") && worker.knows("a") && !worker.knows("b") && worker.knows("a"));
        worker.table.bump();
        assert!(!worker.knows("a") && worker.knows("a"));
        assert_eq!(worker.cache.entries.len(), 2);
        worker.cache.clear();
        assert!(!worker.knows("a") && worker.cache.bytes == worker.cache.entries[0].cost());
    }

    #[test]
    fn what_matches_nothing_is_remembered_when_it_comes_again() {
        let mut worker = Worker::new();
        let mut matches = |topic| {
            let matched = worker.cache.matched(topic, &worker.table, &worker.interest, |_| true);
            (matched.is_empty(), worker.cache.entries.len())
        };
        assert_eq!(
            [matches("$a"), matches("$b"), matches("$a"), matches("$a")],
            [(true, 0), (true, 0), (true, 1), (true, 1)]
        );
    }

    #[test]
    fn shared_subscriptions_that_are_gone_are_forgotten() {
        let mut worker = Worker::new();
        for number in 0..10 * MIN_CURSORS as u64 {
            let member = Member {
                sid: number,
                home: WorkerId(0),
                session: SessionSlot(0),
                qos: QoS::AtMostOnce,
                retain_as_published: false,
                identifier: 0,
                state: Arc::default(),
            };
            let key = worker.interest.join(&format!("group-{number}"), "a", member);
            assert!(!worker.knows("a"));
            worker.interest.leave(&key, number);
        }
        assert!(worker.cache.cursors.len() <= MIN_CURSORS, "{}", worker.cache.cursors.len());
    }

    #[test]
    fn a_flood_of_topics_drives_nothing_out_and_what_comes_again_gets_in() {
        let mut worker = Worker::new();
        let topic = |number: usize| format!("some/topic/of/many/{number:06}");
        let mut fitting = 0;
        while !worker.knows(&topic(fitting)) && worker.cache.entries.len() == fitting + 1 {
            fitting += 1;
        }
        assert!(fitting > 10_000);
        assert!((fitting + 1..2 * fitting).all(|number| !worker.knows(&topic(number))));
        assert!((0..fitting).all(|number| worker.knows(&topic(number))));
        // Often enough for all of them, whatever their marks stand in place of.
        let again = || 2 * fitting..2 * fitting + 1000;
        let found = (0..4).map(|_| again().filter(|number| worker.knows(&topic(*number))).count()).last();
        assert!(found > Some(900), "{found:?}");
        assert!(worker.cache.entries.len() <= fitting);
    }
}
