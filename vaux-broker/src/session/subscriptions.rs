//! The subscriptions of one session, by filter.

use vaux_mqtt::packet::SubscriptionOptions;
use vaux_mqtt::topic::TopicFilter;

/// A session's subscriptions, sorted by filter: small, and found by halving.
#[derive(Debug, Default)]
pub struct Subscriptions(Vec<SessionSubscription>);

/// A subscription as the session remembers it.
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
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All of them, sorted by filter.
    pub fn iter(&self) -> impl Iterator<Item = &SessionSubscription> {
        self.0.iter()
    }

    /// Whether there is one with this filter, as the client wrote it.
    pub fn contains(&self, text: &str) -> bool {
        self.find(text).is_ok()
    }

    /// Adds a subscription, or replaces the one with the same filter.
    pub fn insert(&mut self, subscription: SessionSubscription) {
        match self.find(&subscription.text) {
            Ok(index) => self.0[index] = subscription,
            Err(index) => {
                // Many clients have one subscription and no more.
                if self.0.is_empty() {
                    self.0.reserve_exact(1);
                }
                self.0.insert(index, subscription);
            }
        }
    }

    /// Removes the subscription with this filter, as the client wrote it.
    pub fn remove(&mut self, text: &str) -> Option<SessionSubscription> {
        self.find(text).ok().map(|index| self.0.remove(index))
    }

    fn find(&self, text: &str) -> Result<usize, usize> {
        self.0.binary_search_by(|subscription| (*subscription.text).cmp(text))
    }
}
