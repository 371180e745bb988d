//! What the workers share about subscriptions: which workers have any subscriber of a filter, and the members of
//! shared subscriptions.
//!
//! Read-mostly: publishers look here only when their topic cache misses. Each change raises the epoch after it is
//! made, so that a cache entry that carries the epoch loaded before its look-up is never newer than it says.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, PoisonError};

use vaux_mqtt::QoS;
use vaux_mqtt::packet::SubscriptionOptions;
use vaux_mqtt::topic::TopicName;

use super::FilterMap;
use crate::core::WorkerId;
use crate::sync::{AtomicU64, RwLock};

/// The shared index of interest.
#[derive(Debug, Default)]
pub struct Interest {
    filters: RwLock<FilterMap<Entry>>,
    epoch: AtomicU64,
}

/// What is known of one filter.
#[derive(Debug, Default)]
struct Entry {
    /// Workers with subscriptions that are not shared, and how many.
    workers: Vec<(WorkerId, u32)>,
    groups: Vec<Group>,
    /// Sessions that are stored, with subscriptions that are not shared.
    stored: Vec<StoredSubscriber>,
}

impl Entry {
    fn is_unused(&self) -> bool {
        self.workers.is_empty() && self.groups.is_empty() && self.stored.is_empty()
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
    /// Workers with subscriptions that are not shared, each once.
    pub workers: Vec<WorkerId>,
    /// Shared subscriptions.
    pub groups: Vec<Group>,
    /// Sessions that are stored, once for each subscription, those of one session together.
    pub stored: Vec<StoredSubscriber>,
}

impl Interest {
    /// Load it before looking up what is to be cached under it.
    pub fn epoch(&self) -> u64 {
        self.epoch.load(Ordering::Acquire)
    }

    /// A worker has one more subscription with this filter.
    pub fn add(&self, filter: &str, worker: WorkerId) {
        let is_new_worker = self.change(|filters| {
            let workers = &mut filters.get_or_default(filter).workers;
            match workers.iter_mut().find(|(other, _)| *other == worker) {
                Some((_, count)) => {
                    *count += 1;
                    false
                }
                None => {
                    workers.reserve_exact(1);
                    workers.push((worker, 1));
                    true
                }
            }
        });
        self.raise_epoch_if(is_new_worker);
    }

    /// A worker has one subscription less with this filter.
    pub fn remove(&self, filter: &str, worker: WorkerId) {
        let was_last = self.change(|filters| {
            let Some(entry) = filters.get_mut(filter) else { return false };
            let Some(index) = entry.workers.iter().position(|(other, _)| *other == worker) else {
                return false;
            };
            entry.workers[index].1 -= 1;
            if entry.workers[index].1 > 0 {
                return false;
            }
            entry.workers.swap_remove(index);
            if entry.is_unused() {
                filters.remove(filter);
            }
            true
        });
        self.raise_epoch_if(was_last);
    }

    /// A stored session subscribed, or subscribed again on other terms.
    pub fn remember(&self, filter: &str, subscriber: StoredSubscriber) {
        self.change(|filters| {
            let stored = &mut filters.get_or_default(filter).stored;
            match stored.iter_mut().find(|other| other.sid == subscriber.sid) {
                Some(other) => *other = subscriber,
                None => {
                    stored.reserve_exact(1);
                    stored.push(subscriber);
                }
            }
        });
        self.raise_epoch_if(true);
    }

    /// A stored session unsubscribed.
    pub fn forget(&self, filter: &str, sid: u64) {
        self.change(|filters| {
            let Some(entry) = filters.get_mut(filter) else { return };
            entry.stored.retain(|other| other.sid != sid);
            if entry.is_unused() {
                filters.remove(filter);
            }
        });
        self.raise_epoch_if(true);
    }

    /// Adds a member to a shared subscription, or replaces it. True when it is new.
    pub fn join(&self, share_name: &str, filter: &str, member: Member) -> bool {
        let is_new = self.change(|filters| {
            let groups = &mut filters.get_or_default(filter).groups;
            let group = match groups.iter().position(|group| *group.key.share_name == *share_name) {
                Some(index) => &mut groups[index],
                None => {
                    let key = GroupKey { share_name: share_name.into(), filter: filter.into() };
                    groups.push(Group { key: Arc::new(key), members: Arc::default() });
                    groups.last_mut().expect("a group was pushed")
                }
            };
            let mut members: Vec<Member> = group.members.to_vec();
            let existing = members.iter().position(|other| other.sid == member.sid);
            match existing {
                Some(index) => members[index] = member,
                None => members.push(member),
            }
            group.members = members.into();
            existing.is_none()
        });
        self.raise_epoch_if(true);
        is_new
    }

    /// Removes a member from a shared subscription.
    pub fn leave(&self, share_name: &str, filter: &str, sid: u64) {
        self.change(|filters| {
            let Some(entry) = filters.get_mut(filter) else { return };
            let Some(index) = entry.groups.iter().position(|group| *group.key.share_name == *share_name)
            else {
                return;
            };
            let group = &mut entry.groups[index];
            group.members = group.members.iter().filter(|member| member.sid != sid).cloned().collect();
            if group.members.is_empty() {
                entry.groups.swap_remove(index);
            }
            if entry.is_unused() {
                filters.remove(filter);
            }
        });
        self.raise_epoch_if(true);
    }

    /// The present members of a shared subscription.
    pub fn members(&self, key: &GroupKey) -> Arc<[Member]> {
        let filters = self.filters.read().unwrap_or_else(PoisonError::into_inner);
        filters
            .get(&key.filter)
            .and_then(|entry| entry.groups.iter().find(|group| group.key.share_name == key.share_name))
            .map_or_else(Arc::default, |group| Arc::clone(&group.members))
    }

    /// Who is interested in `topic`.
    pub fn matches(&self, topic: TopicName<'_>) -> Interested {
        let filters = self.filters.read().unwrap_or_else(PoisonError::into_inner);
        let mut found = Interested::default();
        filters.for_each_match(topic, |_, entry| {
            found.workers.extend(entry.workers.iter().map(|(worker, _)| *worker));
            found.groups.extend(entry.groups.iter().cloned());
            found.stored.extend_from_slice(&entry.stored);
        });
        found.stored.sort_unstable_by_key(|subscriber| subscriber.sid);
        found.workers.sort_unstable();
        found.workers.dedup();
        found
    }

    /// A panic under the lock is caught by the shard, which stops the broker: the poisoned state is seen by nobody
    /// who goes on.
    fn change<R>(&self, change: impl FnOnce(&mut FilterMap<Entry>) -> R) -> R {
        change(&mut self.filters.write().unwrap_or_else(PoisonError::into_inner))
    }

    fn raise_epoch_if(&self, has_changed: bool) {
        if has_changed {
            self.epoch.fetch_add(1, Ordering::Release);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(sid: u64) -> Member {
        Member {
            sid,
            home: WorkerId(0),
            qos: QoS::AtMostOnce,
            retain_as_published: false,
            identifier: 0,
            state: Arc::default(),
        }
    }

    fn topic() -> TopicName<'static> {
        TopicName::new("a/b").unwrap()
    }

    #[test]
    fn a_worker_is_interested_until_its_last_subscription_goes() {
        let interest = Interest::default();
        interest.add("a/+", WorkerId(1));
        interest.add("a/+", WorkerId(1));
        interest.add("a/b", WorkerId(0));
        assert_eq!(interest.matches(topic()).workers, [WorkerId(0), WorkerId(1)]);
        interest.remove("a/+", WorkerId(1));
        assert_eq!(interest.matches(topic()).workers.len(), 2);
        interest.remove("a/+", WorkerId(1));
        assert_eq!(interest.matches(topic()).workers, [WorkerId(0)]);
    }

    #[test]
    fn members_join_once_and_leave() {
        let interest = Interest::default();
        assert!(interest.join("g", "a/b", member(1)));
        assert!(!interest.join("g", "a/b", member(1)));
        assert!(interest.join("g", "a/b", member(2)));
        let groups = interest.matches(topic()).groups;
        assert_eq!(groups[0].members.len(), 2);
        interest.leave("g", "a/b", 1);
        interest.leave("g", "a/b", 2);
        assert!(interest.matches(topic()).groups.is_empty());
        assert!(interest.members(&groups[0].key).is_empty());
    }

    #[test]
    fn every_change_of_the_answer_raises_the_epoch() {
        let interest = Interest::default();
        let mut last = interest.epoch();
        let mut has_risen = || std::mem::replace(&mut last, interest.epoch()) != interest.epoch();
        interest.add("a", WorkerId(0));
        assert!(has_risen());
        interest.add("a", WorkerId(0));
        assert!(!has_risen());
        interest.join("g", "a", member(1));
        assert!(has_risen());
        interest.leave("g", "a", 1);
        assert!(has_risen());
        interest.remove("a", WorkerId(0));
        interest.remove("a", WorkerId(0));
        assert!(has_risen());
    }
}
