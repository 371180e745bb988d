//! What the workers share about subscriptions: which workers have any subscriber of a filter and where, and the members
//! of shared subscriptions.
//!
//! Read-mostly: publishers look here only when their topic cache misses. Each change raises the epoch after it is
//! made, so that a cache entry that carries the epoch loaded before its look-up is never newer than it says.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, PoisonError};

use vaux_mqtt::QoS;
use vaux_mqtt::packet::SubscriptionOptions;
use vaux_mqtt::topic::TopicName;

use super::filter_map::Search;
use super::local::LocalSlot;
use super::{FilterId, FilterMap};
use crate::core::WorkerId;
use crate::session::SessionSlot;
use crate::sync::{AtomicU64, RwLock};

/// The shared index of interest.
#[derive(Debug, Default)]
pub struct Interest {
    filters: RwLock<FilterMap<Entry>>,
    epoch: AtomicU64,
}

/// What is known of one filter. Most have subscribers on one worker, and nothing else.
#[derive(Debug, Default)]
struct Entry {
    worker: WorkerId,
    /// Where the filter stands in the table of `worker`. `None`: it has no subscriptions that are not shared.
    slot: Option<LocalSlot>,
    more: Option<Box<More>>,
}

#[derive(Debug, Default)]
struct More {
    /// Other workers with subscriptions that are not shared.
    workers: Vec<(WorkerId, LocalSlot)>,
    groups: Vec<Group>,
    /// Sessions that are stored, with subscriptions that are not shared.
    stored: Vec<StoredSubscriber>,
}

impl Entry {
    /// The workers with subscriptions that are not shared.
    fn workers(&self) -> impl Iterator<Item = (WorkerId, LocalSlot)> {
        let first = self.slot.map(|slot| (self.worker, slot));
        first.into_iter().chain(self.more.iter().flat_map(|more| more.workers.iter().copied()))
    }

    fn groups(&self) -> &[Group] {
        self.more.as_ref().map_or(&[], |more| &more.groups)
    }

    fn stored(&self) -> &[StoredSubscriber] {
        self.more.as_ref().map_or(&[], |more| &more.stored)
    }

    fn more_mut(&mut self) -> &mut More {
        self.more.get_or_insert_default()
    }

    fn is_unused(&self) -> bool {
        self.slot.is_none() && self.more.is_none()
    }

    /// Changes what only some filters have, and gives its memory back when nothing is left.
    fn change_more<R>(&mut self, change: impl FnOnce(&mut More) -> R) -> Option<R> {
        let more = self.more.as_mut()?;
        let result = change(more);
        if more.workers.is_empty() && more.groups.is_empty() && more.stored.is_empty() {
            self.more = None;
        }
        Some(result)
    }
}

/// The members of one shared subscription. Replaced as a whole when it changes, so that caches can hold it.
#[derive(Clone, Debug)]
pub struct Group {
    /// Which shared subscription it is.
    pub key: Arc<GroupKey>,
    /// Its members.
    pub members: Arc<[Member]>,
}

/// What identifies a shared subscription: share name and filter.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct GroupKey {
    /// The share name.
    pub share_name: Box<str>,
    /// The filter, with the listener's mount in front.
    pub filter: Box<str>,
}

/// A session that takes part in a shared subscription.
#[derive(Clone, Debug)]
pub struct Member {
    /// The session.
    pub sid: u64,
    /// Where it lives.
    pub home: WorkerId,
    /// Where it stands there.
    pub session: SessionSlot,
    /// The QoS that was granted.
    pub qos: QoS,
    /// Whether messages keep their RETAIN flag.
    pub retain_as_published: bool,
    /// The subscription identifier, 0 for none.
    pub identifier: u32,
    /// What its home tells about it.
    pub state: Arc<MemberState>,
}

/// What the home of a session tells the publishers about it. Changes without raising the epoch.
#[derive(Debug, Default)]
pub struct MemberState {
    /// Whether it is connected.
    pub online: AtomicBool,
    /// Messages with QoS above 0 that it has not acknowledged, or that wait for it.
    pub in_flight: AtomicU32,
    /// How many of them it takes at once.
    pub window: AtomicU32,
    /// Whether its session outlives the connection.
    pub durable: AtomicBool,
}

impl MemberState {
    /// Whether it is connected.
    pub fn is_online(&self) -> bool {
        self.online.load(Ordering::Relaxed)
    }

    /// Whether a message would be sent at once.
    pub fn has_room(&self) -> bool {
        self.in_flight.load(Ordering::Relaxed) < self.window.load(Ordering::Relaxed)
    }

    /// Whether its session outlives the connection.
    pub fn is_durable(&self) -> bool {
        self.durable.load(Ordering::Relaxed)
    }
}

/// A session that is stored: the publisher's worker records what it is to get, wherever it lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoredSubscriber {
    /// The session.
    pub sid: u64,
    /// Where it lives.
    pub home: WorkerId,
    /// How messages are delivered.
    pub options: SubscriptionOptions,
    /// The subscription identifier, 0 for none.
    pub identifier: u32,
}

/// What a topic matches anywhere.
#[derive(Debug, Default)]
pub struct Interested {
    /// Workers with subscriptions that are not shared, once for each filter, and where it stands in their tables.
    pub workers: Vec<(WorkerId, LocalSlot)>,
    /// Shared subscriptions.
    pub groups: Vec<Group>,
    /// Sessions that are stored, once for each subscription, those of one session together.
    pub stored: Vec<StoredSubscriber>,
    search: Search,
}

impl Interest {
    /// Load it before looking up what is to be cached under it.
    pub fn epoch(&self) -> u64 {
        self.epoch.load(Ordering::Acquire)
    }

    /// Where a filter stands in the table of a worker that has subscriptions with it.
    pub fn local_slot(&self, filter: &str, worker: WorkerId) -> Option<LocalSlot> {
        let filters = self.filters.read().unwrap_or_else(PoisonError::into_inner);
        let mut workers = filters.value(filters.find(filter)?).workers();
        workers.find(|(other, _)| *other == worker).map(|(_, slot)| slot)
    }

    /// The text of a filter that somebody subscribed with.
    pub fn text(&self, filter: FilterId) -> Box<str> {
        self.filters.read().unwrap_or_else(PoisonError::into_inner).text(filter).into()
    }

    /// Whether the text of a filter that somebody subscribed with begins like this.
    pub fn starts_with(&self, filter: FilterId, beginning: &str) -> bool {
        let filters = self.filters.read().unwrap_or_else(PoisonError::into_inner);
        filters.text(filter).starts_with(beginning)
    }

    /// A worker has its first subscription with this filter, which stands at `slot` in its table.
    pub fn add(&self, filter: &str, worker: WorkerId, slot: LocalSlot) -> FilterId {
        let id = self.change(|filters| {
            let id = filters.insert(filter);
            let entry = filters.value_mut(id);
            match entry.slot {
                None => (entry.worker, entry.slot) = (worker, Some(slot)),
                Some(_) => {
                    let workers = &mut entry.more_mut().workers;
                    workers.reserve_exact(1);
                    workers.push((worker, slot));
                }
            }
            id
        });
        self.raise_epoch();
        id
    }

    /// A worker has no subscription any more with this filter.
    pub fn remove(&self, filter: FilterId, worker: WorkerId) {
        self.change(|filters| {
            let entry = filters.value_mut(filter);
            if entry.worker == worker {
                entry.slot = None;
            } else {
                entry.change_more(|more| more.workers.retain(|(other, _)| *other != worker));
            }
            remove_unused(filters, filter);
        });
        self.raise_epoch();
    }

    /// A stored session subscribed, or subscribed again on other terms.
    pub fn remember(&self, filter: FilterId, subscriber: StoredSubscriber) {
        self.change(|filters| {
            let stored = &mut filters.value_mut(filter).more_mut().stored;
            match stored.iter_mut().find(|other| other.sid == subscriber.sid) {
                Some(other) => *other = subscriber,
                None => {
                    if stored.is_empty() {
                        stored.reserve_exact(1);
                    }
                    stored.push(subscriber);
                }
            }
        });
        self.raise_epoch();
    }

    /// A stored session is about to unsubscribe.
    pub fn forget(&self, filter: FilterId, sid: u64) {
        self.change(|filters| {
            filters.value_mut(filter).change_more(|more| more.stored.retain(|other| other.sid != sid));
        });
        self.raise_epoch();
    }

    /// Adds a member to a shared subscription, or replaces it.
    pub fn join(&self, share_name: &str, filter: &str, member: Member) -> Arc<GroupKey> {
        let key = self.change(|filters| {
            let id = filters.insert(filter);
            let groups = &mut filters.value_mut(id).more_mut().groups;
            let group = match groups.iter().position(|group| *group.key.share_name == *share_name) {
                Some(index) => &mut groups[index],
                None => {
                    let key = GroupKey { share_name: share_name.into(), filter: filter.into() };
                    groups.push(Group { key: Arc::new(key), members: Arc::default() });
                    groups.last_mut().expect("a group was pushed")
                }
            };
            let mut members: Vec<Member> = group.members.to_vec();
            match members.iter_mut().find(|other| other.sid == member.sid) {
                Some(old) => *old = member,
                None => members.push(member),
            }
            group.members = members.into();
            Arc::clone(&group.key)
        });
        self.raise_epoch();
        key
    }

    /// Removes a member from a shared subscription.
    pub fn leave(&self, key: &GroupKey, sid: u64) {
        self.change(|filters| {
            let Some(id) = filters.find(&key.filter) else { return };
            filters.value_mut(id).change_more(|more| {
                let is_it = |group: &Group| group.key.share_name == key.share_name;
                let Some(index) = more.groups.iter().position(is_it) else { return };
                let group = &mut more.groups[index];
                group.members = group.members.iter().filter(|member| member.sid != sid).cloned().collect();
                if group.members.is_empty() {
                    more.groups.swap_remove(index);
                }
            });
            remove_unused(filters, id);
        });
        self.raise_epoch();
    }

    /// The present members of a shared subscription.
    pub fn members(&self, key: &GroupKey) -> Arc<[Member]> {
        let filters = self.filters.read().unwrap_or_else(PoisonError::into_inner);
        let groups = filters.find(&key.filter).map_or(&[][..], |id| filters.value(id).groups());
        let group = groups.iter().find(|group| group.key.share_name == key.share_name);
        group.map_or_else(Arc::default, |group| Arc::clone(&group.members))
    }

    /// Who is interested in `topic`.
    pub fn matches(&self, topic: TopicName<'_>) -> Interested {
        let mut found = Interested::default();
        self.find(topic, &mut found);
        found
    }

    /// The same, in the place of what was found before, whose memory is used again.
    pub fn find(&self, topic: TopicName<'_>, found: &mut Interested) {
        let Interested { workers, groups, stored, search } = found;
        workers.clear();
        groups.clear();
        stored.clear();
        let filters = self.filters.read().unwrap_or_else(PoisonError::into_inner);
        filters.for_each_match(topic, search, |_, entry| {
            workers.extend(entry.workers());
            groups.extend(entry.groups().iter().cloned());
            stored.extend_from_slice(entry.stored());
        });
        stored.sort_unstable_by_key(|subscriber| subscriber.sid);
        workers.sort_unstable();
    }

    /// A panic under the lock is caught by the shard, which stops the broker: the poisoned state is seen by nobody
    /// who goes on.
    fn change<R>(&self, change: impl FnOnce(&mut FilterMap<Entry>) -> R) -> R {
        change(&mut self.filters.write().unwrap_or_else(PoisonError::into_inner))
    }

    fn raise_epoch(&self) {
        self.epoch.fetch_add(1, Ordering::Release);
    }
}

fn remove_unused(filters: &mut FilterMap<Entry>, id: FilterId) {
    if filters.value(id).is_unused() {
        filters.remove(id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::router::local::{LocalSubscription, LocalTable};

    fn member(sid: u64) -> Member {
        Member {
            sid,
            home: WorkerId(0),
            session: SessionSlot(0),
            qos: QoS::AtMostOnce,
            retain_as_published: false,
            identifier: 0,
            state: Arc::default(),
        }
    }

    fn topic() -> TopicName<'static> {
        TopicName::new("a/b").unwrap()
    }

    fn slot(number: usize) -> LocalSlot {
        let mut table = LocalTable::default();
        let options = SubscriptionOptions::default();
        let subscription = LocalSubscription { session: SessionSlot(0), options, identifier: 0 };
        let interest = Interest::default();
        let mut add = |_| table.add_filter(subscription, |slot| interest.add("x", WorkerId(0), slot));
        (0..=number).map(&mut add).last().unwrap()
    }

    #[test]
    fn a_worker_is_interested_as_long_as_the_filter_is_in_its_table() {
        let interest = Interest::default();
        let id = interest.add("a/+", WorkerId(1), slot(5));
        interest.add("a/b", WorkerId(0), slot(6));
        assert_eq!(interest.add("a/+", WorkerId(0), slot(7)), id);
        let expected = [(WorkerId(0), slot(6)), (WorkerId(0), slot(7)), (WorkerId(1), slot(5))];
        assert_eq!(interest.matches(topic()).workers, expected);
        assert_eq!(interest.local_slot("a/+", WorkerId(0)), Some(slot(7)));
        assert_eq!(interest.local_slot("a/b", WorkerId(1)), None);
        interest.remove(id, WorkerId(1));
        assert_eq!(interest.matches(topic()).workers, expected[..2]);
        interest.remove(id, WorkerId(0));
        assert_eq!(interest.matches(topic()).workers, expected[..1]);
        assert_eq!(interest.local_slot("a/+", WorkerId(0)), None);
    }

    #[test]
    fn members_join_once_and_leave() {
        let interest = Interest::default();
        let key = interest.join("g", "a/b", member(1));
        assert_eq!(interest.join("g", "a/b", member(1)), key);
        assert_eq!(interest.join("g", "a/b", member(2)), key);
        let groups = interest.matches(topic()).groups;
        assert_eq!(groups[0].members.len(), 2);
        interest.leave(&key, 1);
        interest.leave(&key, 2);
        assert!(interest.matches(topic()).groups.is_empty());
        assert!(interest.members(&key).is_empty());
    }

    #[test]
    fn every_change_of_the_answer_raises_the_epoch() {
        let interest = Interest::default();
        let mut last = interest.epoch();
        let mut has_risen = || std::mem::replace(&mut last, interest.epoch()) != interest.epoch();
        let id = interest.add("a", WorkerId(0), slot(0));
        assert!(has_risen());
        let key = interest.join("g", "a", member(1));
        assert!(has_risen());
        let options = SubscriptionOptions::default();
        interest.remember(id, StoredSubscriber { sid: 1, home: WorkerId(0), options, identifier: 0 });
        assert!(has_risen());
        interest.forget(id, 1);
        assert!(has_risen());
        interest.leave(&key, 1);
        assert!(has_risen());
        interest.remove(id, WorkerId(0));
        assert!(has_risen());
        assert!(interest.matches(TopicName::new("a").unwrap()).workers.is_empty());
    }
}
