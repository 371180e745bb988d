//! The retained messages, shared by all workers.
//!
//! One ordered map. Its keys are topics with U+0000 in place of `/`: no topic holds that character, and it is the
//! lowest, so that everything below a level stands together, right behind the level itself. A filter is then matched
//! by seeking from one possible topic to the next ([`scan`]), and a position in the middle of a replay is simply the
//! last topic that was read: whatever changes in between, the replay goes on behind it.

mod scan;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, PoisonError};

use vaux_mqtt::topic::TopicFilter;

use crate::message::Message;
use crate::sync::RwLock;
use crate::time::Time;

/// All retained messages.
#[derive(Debug, Default)]
pub struct Retained {
    messages: RwLock<Messages>,
}

#[derive(Debug, Default)]
struct Messages {
    by_topic: BTreeMap<Key, Arc<Message>>,
    /// How many of them the broker made itself, and their bytes: they count against no limit.
    own: usize,
    own_bytes: usize,
    /// Those that expire, soonest first.
    expiring: BTreeSet<(Time, Key)>,
    bytes: usize,
}

/// How many messages are retained, and what they take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Messages of clients.
    pub messages: usize,
    /// Their bytes.
    pub bytes: usize,
    /// Messages of the broker itself.
    pub own: usize,
}

/// A topic with U+0000 in place of `/`.
type Key = Arc<[u8]>;

/// How far a replay of retained messages has come.
#[derive(Clone, Debug, Default)]
pub struct Position(Option<Key>);

impl Position {
    /// Behind a topic.
    pub fn behind(topic: &str) -> Position {
        Position(Some(scan::key(topic)))
    }
}

/// There is no room for another retained message.
#[derive(Debug, PartialEq, Eq)]
pub struct NoRoom;

impl Retained {
    /// Sets the retained message of its topic; an empty payload removes it.
    ///
    /// # Errors
    ///
    /// More messages or bytes than the limits would be kept. Nothing changes then.
    pub fn set(&self, message: Arc<Message>, max_messages: usize, max_bytes: usize) -> Result<(), NoRoom> {
        let mut messages = self.messages.write().unwrap_or_else(PoisonError::into_inner);
        let key = scan::key(message.content().topic);
        if message.payload().is_empty() {
            messages.remove(&key);
            return Ok(());
        }
        let old_bytes = messages.by_topic.get(&key).map(|old| cost(&key, old));
        let bytes = messages.bytes - old_bytes.unwrap_or(0) + cost(&key, &message);
        let is_one_more = old_bytes.is_none();
        if bytes - messages.own_bytes > max_bytes
            || is_one_more && messages.by_topic.len() - messages.own >= max_messages
        {
            return Err(NoRoom);
        }
        messages.remove(&key);
        messages.insert(key, message);
        Ok(())
    }

    /// Sets a message of the broker itself, whose topic no client may publish under.
    pub fn set_own(&self, message: Arc<Message>) {
        let mut messages = self.messages.write().unwrap_or_else(PoisonError::into_inner);
        let key = scan::key(message.content().topic);
        messages.remove(&key);
        messages.insert(key, message);
    }

    /// How many messages are retained.
    pub fn counts(&self) -> Counts {
        let messages = self.messages.read().unwrap_or_else(PoisonError::into_inner);
        Counts {
            messages: messages.by_topic.len() - messages.own,
            bytes: messages.bytes - messages.own_bytes,
            own: messages.own,
        }
    }

    /// The next at most `count` messages behind `position` whose topics match `filter`, and the position behind them.
    /// Fewer than `count` mean that there are no more.
    pub fn next(
        &self,
        filter: TopicFilter<'_>,
        position: &mut Position,
        count: usize,
        now: Time,
    ) -> Vec<Arc<Message>> {
        let messages = self.messages.read().unwrap_or_else(PoisonError::into_inner);
        let mut found = Vec::new();
        while found.len() < count {
            let Some((key, message)) = scan::next(&messages.by_topic, filter, position.0.as_ref()) else {
                break;
            };
            position.0 = Some(Arc::clone(key));
            if !message.content().is_expired(now) {
                found.push(Arc::clone(message));
            }
        }
        found
    }

    /// Removes what has expired by `now`, tells `removed` of each, and says when the next message will.
    pub fn remove_expired(&self, now: Time, mut removed: impl FnMut(&Message)) -> Option<Time> {
        let mut messages = self.messages.write().unwrap_or_else(PoisonError::into_inner);
        while let Some((expires_at, key)) = messages.expiring.first() {
            if *expires_at > now {
                return Some(*expires_at);
            }
            let key = Arc::clone(key);
            if let Some(message) = messages.remove(&key) {
                removed(&message);
            }
        }
        None
    }

    /// The retained message of a topic.
    pub fn message(&self, topic: &str) -> Option<Arc<Message>> {
        let messages = self.messages.read().unwrap_or_else(PoisonError::into_inner);
        messages.by_topic.get(&scan::key(topic)).cloned()
    }

    /// How many messages are retained.
    pub fn len(&self) -> usize {
        self.messages.read().unwrap_or_else(PoisonError::into_inner).by_topic.len()
    }

    /// Whether no message is retained.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Messages {
    fn insert(&mut self, key: Key, message: Arc<Message>) {
        self.bytes += cost(&key, &message);
        if is_own(&key, &message) {
            self.own += 1;
            self.own_bytes += cost(&key, &message);
        }
        if message.expires_at != Time::NEVER {
            self.expiring.insert((message.expires_at, Arc::clone(&key)));
        }
        self.by_topic.insert(key, message);
    }

    fn remove(&mut self, key: &Key) -> Option<Arc<Message>> {
        let message = self.by_topic.remove(key)?;
        self.bytes -= cost(key, &message);
        if is_own(key, &message) {
            self.own -= 1;
            self.own_bytes -= cost(key, &message);
        }
        self.expiring.remove(&(message.expires_at, Arc::clone(key)));
        Some(message)
    }
}

/// Whether the broker itself published a message about itself.
fn is_own(key: &Key, message: &Message) -> bool {
    message.publisher == 0 && key.first() == Some(&b'$')
}

/// What a message counts against the limit: itself, its key and its place in the map.
fn cost(key: &Key, message: &Message) -> usize {
    message.size_bytes() + key.len() + 64
}

#[cfg(test)]
mod tests;
