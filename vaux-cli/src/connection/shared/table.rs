//! Who of the users of a connection wants which message. Plain data: the connection itself is in the module above.
//!
//! Two users may subscribe with the same filter, which for the server is one subscription: the later one replaces the
//! earlier one. In version 5 each request has an identifier, which comes back with each message: retained messages are
//! for whoever asked for them, and all that is published later is for all users of the filter.

use std::collections::{HashMap, VecDeque};

use tokio::sync::{mpsc, watch};
use vaux_client::{Message, SubscriptionOptions};
use vaux_mqtt::topic::{TopicFilter, TopicName};

/// Names a user.
pub(super) type UserKey = u64;

/// So many identifiers of a filter are remembered: messages with an earlier one may still be on their way.
const IDENTIFIERS: usize = 16;

/// Identifiers that people give by `-D` are small; these are not.
const FIRST_IDENTIFIER: u32 = 0x0100_0000;

/// The largest one that a packet can hold.
const LAST_IDENTIFIER: u32 = 0x0fff_ffff;

/// The users of a connection.
#[derive(Debug)]
pub(super) struct Table {
    users: Vec<User>,
    /// The identifiers under which messages of a filter come, the last one being in force.
    identifiers: HashMap<Box<str>, VecDeque<u32>>,
    next_key: UserKey,
    next_identifier: u32,
}

/// Where the messages of a user go, until it is gone.
#[derive(Clone, Debug)]
pub(super) struct Outlet {
    pub(super) messages: mpsc::Sender<Message>,
    pub(super) is_gone: watch::Receiver<bool>,
}

impl Outlet {
    /// Hands a message over. Waits while the user has enough of them, unless it goes meanwhile.
    pub(super) async fn send(&mut self, message: Message) {
        let Err(mpsc::error::TrySendError::Full(message)) = self.messages.try_send(message) else { return };
        tokio::select! {
            // Who takes no more messages wants none.
            _ = self.messages.send(message) => {}
            _ = self.is_gone.wait_for(|is_gone| *is_gone) => {}
        }
    }

    fn is_open(&self) -> bool {
        !*self.is_gone.borrow() && !self.messages.is_closed()
    }
}

#[derive(Debug)]
struct User {
    key: UserKey,
    outlet: Outlet,
    subscriptions: Vec<Subscription>,
}

#[derive(Debug)]
struct Subscription {
    filter: Box<str>,
    options: SubscriptionOptions,
    /// Before version 5 there is none.
    identifier: Option<u32>,
}

/// What has to be asked of the server when a user goes.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Leftover {
    /// Nobody else has these filters.
    pub(super) unsubscribe: Vec<Box<str>>,
    /// Somebody else has these, with other options, and a new identifier.
    pub(super) restore: Vec<(Box<str>, SubscriptionOptions, u32)>,
}

impl Table {
    pub(super) fn new() -> Table {
        Table {
            users: Vec::new(),
            identifiers: HashMap::new(),
            next_key: 0,
            next_identifier: FIRST_IDENTIFIER,
        }
    }

    /// Another user, and where its messages go.
    pub(super) fn add(&mut self, outlet: Outlet) -> UserKey {
        let key = self.next_key;
        self.next_key += 1;
        self.users.push(User { key, outlet, subscriptions: Vec::new() });
        key
    }

    /// An identifier for a request.
    pub(super) fn new_identifier(&mut self) -> u32 {
        let identifier = self.next_identifier;
        self.next_identifier = if identifier == LAST_IDENTIFIER { FIRST_IDENTIFIER } else { identifier + 1 };
        identifier
    }

    /// A user subscribes. Messages may come before the server has answered.
    pub(super) fn subscribe(
        &mut self,
        key: UserKey,
        filter: &str,
        options: SubscriptionOptions,
        identifier: Option<u32>,
    ) {
        if let Some(identifier) = identifier {
            self.note_identifier(filter, identifier);
        }
        let Some(user) = self.users.iter_mut().find(|user| user.key == key) else { return };
        user.subscriptions.retain(|subscription| *subscription.filter != *filter);
        user.subscriptions.push(Subscription { filter: filter.into(), options, identifier });
    }

    /// These filters are subscribed to no more, whoever wanted them.
    pub(super) fn unsubscribed<'a>(&mut self, filters: impl IntoIterator<Item = &'a str>) {
        for filter in filters {
            for user in &mut self.users {
                user.subscriptions.retain(|subscription| *subscription.filter != *filter);
            }
            self.identifiers.remove(filter);
        }
    }

    /// The server did not grant a filter to a user.
    pub(super) fn refused(&mut self, key: UserKey, filter: &str) {
        if let Some(user) = self.users.iter_mut().find(|user| user.key == key) {
            user.subscriptions.retain(|subscription| *subscription.filter != *filter);
        }
        if !self.is_wanted(filter, key) {
            self.identifiers.remove(filter);
        }
    }

    /// What a user that goes leaves behind. Until [`Table::remove`] its messages still count as wanted.
    pub(super) fn leave(&mut self, key: UserKey) -> Leftover {
        let Some(index) = self.users.iter().position(|user| user.key == key) else {
            return Leftover::default();
        };
        let subscriptions = std::mem::take(&mut self.users[index].subscriptions);
        let mut leftover = Leftover::default();
        for Subscription { filter, identifier, .. } in &subscriptions {
            let in_force = self.identifiers.get(filter).and_then(VecDeque::back).copied();
            let other = self.subscriptions_to(filter).last().map(|other| other.options);
            match (other, identifier) {
                (None, _) => leftover.unsubscribe.push(filter.clone()),
                (Some(options), Some(own)) if in_force == Some(*own) => {
                    let identifier = self.new_identifier();
                    self.note_identifier(filter, identifier);
                    leftover.restore.push((filter.clone(), options, identifier));
                }
                (Some(_), _) => {}
            }
        }
        self.users[index].subscriptions = subscriptions;
        leftover
    }

    /// A user is gone.
    pub(super) fn remove(&mut self, key: UserKey) {
        let Some(index) = self.users.iter().position(|user| user.key == key) else { return };
        let user = self.users.remove(index);
        for Subscription { filter, .. } in user.subscriptions {
            if self.subscriptions_to(&filter).next().is_none() {
                self.identifiers.remove(&filter);
            }
        }
    }

    /// Where a message has to go, and whether anybody wants it, perhaps somebody who is about to go.
    pub(super) fn outlets_of(&self, message: &Message) -> (Vec<Outlet>, bool) {
        let Ok(topic) = TopicName::new(&message.topic) else { return (Vec::new(), false) };
        let found: Vec<u32> = message.properties.list().subscription_identifiers().collect();
        let wants = |subscription: &Subscription| {
            let matches = TopicFilter::new(&subscription.filter).is_ok_and(|filter| filter.matches(topic));
            matches && self.is_of(subscription, message.retain, &found)
        };
        let wanting = self.users.iter().filter(|user| user.subscriptions.iter().any(wants));
        let mut outlets: Vec<_> = wanting.map(|user| user.outlet.clone()).collect();
        let is_wanted = !outlets.is_empty();
        outlets.retain(Outlet::is_open);
        (outlets, is_wanted)
    }

    fn is_of(&self, subscription: &Subscription, is_retained: bool, found: &[u32]) -> bool {
        let Some(own) = subscription.identifier.filter(|_| !found.is_empty()) else { return true };
        if found.contains(&own) {
            return true;
        }
        if is_retained && !subscription.options.retain_as_published {
            // The server kept it, and sends it to whoever has just subscribed.
            return false;
        }
        let of_filter = self.identifiers.get(&subscription.filter);
        of_filter.is_some_and(|identifiers| found.iter().any(|found| identifiers.contains(found)))
    }

    fn note_identifier(&mut self, filter: &str, identifier: u32) {
        let identifiers = self.identifiers.entry(filter.into()).or_default();
        identifiers.push_back(identifier);
        if identifiers.len() > IDENTIFIERS {
            identifiers.pop_front();
        }
    }

    fn subscriptions_to(&self, filter: &str) -> impl Iterator<Item = &Subscription> {
        let all = self.users.iter().flat_map(|user| &user.subscriptions);
        all.filter(move |subscription| *subscription.filter == *filter)
    }

    fn is_wanted(&self, filter: &str, except: UserKey) -> bool {
        let others = self.users.iter().filter(|user| user.key != except);
        others.flat_map(|user| &user.subscriptions).any(|subscription| *subscription.filter == *filter)
    }
}

#[cfg(test)]
mod tests {
    use vaux_client::{Property, QoS};

    use super::*;

    struct Users(Table);

    impl Users {
        fn add(&mut self) -> (UserKey, mpsc::Receiver<Message>) {
            let (stream, messages) = mpsc::channel(1);
            (self.0.add(Outlet { messages: stream, is_gone: watch::channel(false).1 }), messages)
        }

        fn subscribe(&mut self, key: UserKey, filter: &str) -> u32 {
            let identifier = self.0.new_identifier();
            self.0.subscribe(key, filter, SubscriptionOptions::with_qos(QoS::AtMostOnce), Some(identifier));
            identifier
        }

        /// How many users get a message with these identifiers.
        fn count(&self, topic: &str, retain: bool, identifiers: &[u32]) -> usize {
            let mut message = Message::new(topic, "x").retain(retain);
            for identifier in identifiers {
                message = message.property(Property::SubscriptionIdentifier(*identifier)).unwrap();
            }
            self.0.outlets_of(&message).0.len()
        }
    }

    #[test]
    fn messages_go_to_all_who_share_a_filter_and_retained_ones_to_who_asked_last() {
        let mut users = Users(Table::new());
        let ((first, _first), (second, _second)) = (users.add(), users.add());
        let old = users.subscribe(first, "a/+");
        let new = users.subscribe(second, "a/+");
        assert_eq!(users.count("a/b", false, &[new]), 2);
        assert_eq!(users.count("a/b", false, &[old]), 2, "it was on its way");
        assert_eq!(users.count("a/b", true, &[new]), 1);
        assert_eq!(users.count("a/b", false, &[]), 2, "before version 5");
        assert_eq!(users.count("b", false, &[new]), 0);
    }

    #[test]
    fn copies_for_overlapping_filters_reach_one_user_each() {
        let mut users = Users(Table::new());
        let ((first, _first), (second, _second)) = (users.add(), users.add());
        let all = users.subscribe(first, "#");
        let one = users.subscribe(second, "a");
        assert_eq!(users.count("a", false, &[all]), 1);
        assert_eq!(users.count("a", false, &[one]), 1);
        assert_eq!(users.count("a", false, &[all, one]), 2);
    }

    #[test]
    fn a_filter_is_given_up_with_its_last_user_and_given_back_to_who_has_it_still() {
        let mut users = Users(Table::new());
        let ((first, _first), (second, messages)) = (users.add(), users.add());
        users.subscribe(first, "a");
        let last = users.subscribe(second, "a");
        users.subscribe(second, "b");
        drop(messages);
        let leftover = users.0.leave(second);
        assert_eq!(leftover.unsubscribe, ["b".into()]);
        let [(filter, _, restored)] = &leftover.restore[..] else { panic!("{leftover:?}") };
        assert_eq!((&**filter, users.count("b", false, &[])), ("a", 0));
        assert_eq!(users.count("a", false, &[last]), 1, "it was on its way");
        assert_eq!(users.count("a", false, &[*restored]), 1);
        assert!(users.0.outlets_of(&Message::new("b", "")).1, "it is wanted until its user is removed");
        users.0.remove(second);
        assert!(!users.0.outlets_of(&Message::new("b", "")).1);
        assert_eq!(users.0.leave(first), Leftover { unsubscribe: vec!["a".into()], restore: vec![] });
    }
}
