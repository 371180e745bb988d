//! The subscriptions of one session.

use std::sync::Arc;

use vaux_mqtt::packet::SubscriptionOptions;
use vaux_mqtt::topic::TopicFilter;

use crate::router::interest::GroupKey;
use crate::router::local::LocalSlot;

/// A session's subscriptions, in the order in which they were made. Most sessions have one or none.
#[derive(Debug, Default)]
pub struct Subscriptions(Several);

#[derive(Debug, Default)]
enum Several {
    #[default]
    None,
    One(KeptSubscription),
    Many(Box<Many>),
}

#[derive(Debug)]
struct Many(Vec<KeptSubscription>);

/// A subscription as the session remembers it. The text of its filter stands where filters are found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptSubscription {
    /// Where it stands.
    pub place: Place,
    /// How messages are delivered, the QoS as granted.
    pub options: SubscriptionOptions,
    /// The subscription identifier, 0 for none.
    pub identifier: u32,
}

/// Where a subscription stands, beside its session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// In the table of the session's worker.
    Local(LocalSlot),
    /// Among the members of a shared subscription.
    Group(Arc<GroupKey>),
}

/// A subscription with all its texts, as it is made, stored and told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionSubscription {
    /// The filter as the client wrote it, `$share/…` included.
    pub text: Box<str>,
    /// The filter that topics are matched with: without the share name, with the listener's mount.
    pub filter: Box<str>,
    /// The share name of a shared subscription.
    pub share_name: Option<Box<str>>,
    /// How messages are delivered, the QoS as granted.
    pub options: SubscriptionOptions,
    /// The subscription identifier, 0 for none.
    pub identifier: u32,
}

impl SessionSubscription {
    /// The subscription that a client asks for.
    pub fn new(filter: TopicFilter<'_>, mount: &str, options: SubscriptionOptions, identifier: u32) -> Self {
        let shared = filter.shared();
        let plain = shared.map_or(filter, |shared| shared.filter);
        SessionSubscription {
            text: filter.as_str().into(),
            filter: format!("{mount}{plain}").into_boxed_str(),
            share_name: shared.map(|shared| shared.share_name.into()),
            options,
            identifier,
        }
    }
}

impl Subscriptions {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.as_slice().len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        matches!(self.0, Several::None)
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &KeptSubscription> {
        self.as_slice().iter()
    }

    /// The shared subscriptions among them.
    pub fn groups(&self) -> impl Iterator<Item = &Arc<GroupKey>> {
        self.iter().filter_map(|one| match &one.place {
            Place::Group(key) => Some(key),
            Place::Local(_) => None,
        })
    }

    /// Whether there is one at this place.
    pub fn contains(&self, place: &Place) -> bool {
        self.iter().any(|one| one.place == *place)
    }

    /// Adds a subscription at a place where there is none.
    pub fn add(&mut self, subscription: KeptSubscription) {
        match &mut self.0 {
            Several::Many(many) => many.push(subscription),
            Several::None => self.0 = Several::One(subscription),
            Several::One(_) => {
                let mut many = Many(self.take());
                many.push(subscription);
                self.0 = Several::Many(Box::new(many));
            }
        }
    }

    /// Replaces the subscription at the same place.
    pub fn replace(&mut self, subscription: KeptSubscription) {
        if let Some(old) = self.as_mut_slice().iter_mut().find(|old| old.place == subscription.place) {
            *old = subscription;
        }
    }

    /// Removes the subscription at this place.
    pub fn remove(&mut self, place: &Place) -> Option<KeptSubscription> {
        let index = self.iter().position(|one| one.place == *place)?;
        let mut all = self.take();
        let removed = all.remove(index);
        self.0 = match all.len() {
            0 => Several::None,
            1 => all.pop().map_or(Several::None, Several::One),
            _ => Several::Many(Box::new(Many(all))),
        };
        Some(removed)
    }

    /// Removes all of them.
    pub fn take(&mut self) -> Vec<KeptSubscription> {
        match std::mem::take(&mut self.0) {
            Several::None => Vec::new(),
            Several::One(one) => vec![one],
            Several::Many(many) => many.0,
        }
    }

    fn as_slice(&self) -> &[KeptSubscription] {
        match &self.0 {
            Several::None => &[],
            Several::One(one) => std::slice::from_ref(one),
            Several::Many(many) => &many.0,
        }
    }

    fn as_mut_slice(&mut self) -> &mut [KeptSubscription] {
        match &mut self.0 {
            Several::None => &mut [],
            Several::One(one) => std::slice::from_mut(one),
            Several::Many(many) => &mut many.0,
        }
    }
}

impl Many {
    fn push(&mut self, subscription: KeptSubscription) {
        if self.0.len() == self.0.capacity() {
            // A vector left to itself would be half empty after it has grown.
            self.0.reserve_exact(1 + self.0.len() / 8);
        }
        self.0.push(subscription);
    }
}
