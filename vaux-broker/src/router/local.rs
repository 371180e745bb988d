//! The subscriptions of one worker's own sessions, shared ones left out.
//!
//! Which filters match a topic, the shared index knows ([`super::interest`]): it has for each filter the place in this
//! table.

use std::num::NonZero;

use vaux_mqtt::packet::SubscriptionOptions;

use super::FilterId;
use crate::session::SessionSlot;
use crate::slots::Slots;

/// Filters of the sessions that live on this worker.
#[derive(Debug, Default)]
pub struct LocalTable {
    filters: Slots<LocalFilter>,
    epoch: u64,
}

/// The place of a filter in a [`LocalTable`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LocalSlot(NonZero<u32>);

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

#[derive(Debug)]
struct LocalFilter {
    filter: FilterId,
    subscriptions: Several,
}

/// Most filters have one subscriber.
#[derive(Debug)]
enum Several {
    One(LocalSubscription),
    Many(Box<Many>),
}

#[derive(Debug, Default)]
struct Many(Vec<LocalSubscription>);

impl LocalSlot {
    fn new(index: usize) -> LocalSlot {
        LocalSlot(NonZero::<u32>::MIN.saturating_add(index as u32))
    }

    fn index(self) -> usize {
        self.0.get() as usize - 1
    }
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

    /// Adds a filter with its first subscription. `announce` makes the place known, and says the filter's number.
    pub fn add_filter(
        &mut self,
        subscription: LocalSubscription,
        announce: impl FnOnce(LocalSlot) -> FilterId,
    ) -> LocalSlot {
        self.epoch += 1;
        let slot = LocalSlot::new(self.filters.next_index());
        let filter = announce(slot);
        self.filters.insert(LocalFilter { filter, subscriptions: Several::One(subscription) });
        slot
    }

    /// Adds a subscription that its session does not have.
    pub fn add(&mut self, slot: LocalSlot, subscription: LocalSubscription) {
        self.epoch += 1;
        let subscriptions = &mut self.filters[slot.index()].subscriptions;
        match subscriptions {
            Several::One(first) => {
                *subscriptions = Several::Many(Box::new(Many(vec![*first, subscription])));
            }
            Several::Many(many) => many.0.push(subscription),
        }
    }

    /// Replaces the subscription that the session has with this filter.
    pub fn replace(&mut self, slot: LocalSlot, subscription: LocalSubscription) {
        self.epoch += 1;
        let subscriptions = self.filters[slot.index()].subscriptions.as_mut_slice();
        if let Some(old) = subscriptions.iter_mut().find(|other| other.session == subscription.session) {
            *old = subscription;
        }
    }

    /// How many subscriptions there are with this filter.
    pub fn subscriber_count(&self, slot: LocalSlot) -> usize {
        self.filters[slot.index()].subscriptions.as_slice().len()
    }

    /// Whether the session has a subscription with this filter.
    pub fn is_subscribed(&self, slot: LocalSlot, session: SessionSlot) -> bool {
        let subscriptions = self.filters[slot.index()].subscriptions.as_slice();
        subscriptions.iter().any(|subscription| subscription.session == session)
    }

    /// Removes the subscription that the session has with this filter. When it was the last, so is the filter, whose
    /// number is returned.
    pub fn remove(&mut self, slot: LocalSlot, session: SessionSlot) -> Option<FilterId> {
        self.epoch += 1;
        let filter = &mut self.filters[slot.index()];
        let is_last = match &mut filter.subscriptions {
            Several::One(_) => true,
            Several::Many(many) => {
                let index = many.0.iter().position(|other| other.session == session);
                index.map(|index| many.0.swap_remove(index));
                many.0.is_empty()
            }
        };
        is_last.then(|| self.filters.remove(slot.index()).filter)
    }

    /// The number of the filter in the shared index.
    pub fn filter_id(&self, slot: LocalSlot) -> FilterId {
        self.filters[slot.index()].filter
    }

    /// All subscriptions with these filters, those of one session together.
    /// They replace what is in `found`.
    pub fn subscriptions(&self, slots: impl Iterator<Item = LocalSlot>, found: &mut Vec<LocalSubscription>) {
        found.clear();
        for slot in slots {
            found.extend_from_slice(self.filters[slot.index()].subscriptions.as_slice());
        }
        found.sort_by_key(|subscription| subscription.session);
    }
}

impl Several {
    fn as_slice(&self) -> &[LocalSubscription] {
        match self {
            Several::One(one) => std::slice::from_ref(one),
            Several::Many(many) => &many.0,
        }
    }

    fn as_mut_slice(&mut self) -> &mut [LocalSubscription] {
        match self {
            Several::One(one) => std::slice::from_mut(one),
            Several::Many(many) => &mut many.0,
        }
    }
}
