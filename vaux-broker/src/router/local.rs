//! The subscriptions of one worker's own sessions, shared ones left out.

use vaux_mqtt::packet::SubscriptionOptions;
use vaux_mqtt::topic::TopicName;

use super::FilterMap;
use crate::session::SessionSlot;

/// Filters of the sessions that live on this worker.
#[derive(Debug, Default)]
pub struct LocalTable {
    filters: FilterMap<Vec<LocalSubscription>>,
    epoch: u64,
}

/// One subscription of a local session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LocalSubscription {
    /// Whose it is.
    pub session: SessionSlot,
    /// How messages are delivered.
    pub options: SubscriptionOptions,
    /// The subscription identifier, 0 for none.
    pub identifier: u32,
}

impl LocalTable {
    /// Changes with every change of a subscription.
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// What was found lately may be answered otherwise now.
    pub fn bump(&mut self) {
        self.epoch += 1;
    }

    /// Adds a subscription or replaces the one that the session has with this filter. True when it is new.
    pub fn insert(&mut self, filter: &str, subscription: LocalSubscription) -> bool {
        self.epoch += 1;
        let subscriptions = self.filters.get_or_default(filter);
        match subscriptions.iter_mut().find(|other| other.session == subscription.session) {
            Some(other) => {
                *other = subscription;
                false
            }
            None => {
                // Most filters have one subscriber: room for four would be three for nothing.
                if subscriptions.is_empty() {
                    subscriptions.reserve_exact(1);
                }
                subscriptions.push(subscription);
                true
            }
        }
    }

    /// Removes the subscription that the session has with this filter.
    pub fn remove(&mut self, filter: &str, session: SessionSlot) {
        self.epoch += 1;
        let Some(subscriptions) = self.filters.get_mut(filter) else { return };
        subscriptions.retain(|subscription| subscription.session != session);
        if subscriptions.is_empty() {
            self.filters.remove(filter);
        }
    }

    /// All subscriptions that `topic` matches, those of one session together.
    pub fn matches(&self, topic: TopicName<'_>) -> Vec<LocalSubscription> {
        let mut found = Vec::new();
        self.filters.for_each_match(topic, |_, subscriptions| found.extend_from_slice(subscriptions));
        found.sort_by_key(|subscription| subscription.session);
        found
    }
}
