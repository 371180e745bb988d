//! The retained messages, shared by all workers.
//!
//! One ordered map. Its keys are topics with U+0000 in place of `/`: no topic holds that character, and it is the
//! lowest, so that everything below a level stands together, right behind the level itself. A filter is then matched
//! by seeking from one possible topic to the next ([`scan`]), and a position in the middle of a replay is simply the
//! last topic that was read: whatever changes in between, the replay goes on behind it.

mod scan;
mod source;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::sync::{Arc, PoisonError};

use vaux_mqtt::topic::TopicFilter;

use crate::message::Message;
use crate::sync::RwLock;
use crate::time::Time;

pub(crate) use source::Source;
use source::Sources;

/// All retained messages.
#[derive(Debug, Default)]
pub struct Retained {
    messages: RwLock<Messages>,
}

#[derive(Debug, Default)]
struct Messages {
    by_topic: BTreeMap<Key, Kept>,
    sources: Sources,
    /// How many of them the broker made itself, and their bytes: they count against no limit.
    own: usize,
    own_bytes: usize,
    /// Those that expire, soonest first.
    expiring: BTreeSet<(Time, Key)>,
    bytes: usize,
}

/// A retained message.
#[derive(Clone, Debug)]
pub struct Kept {
    /// The message.
    pub message: Message,
    /// Who published it. `None`: the broker, or its operator from outside.
    pub source: Option<Arc<Source>>,
}

impl Kept {
    /// A message of the broker itself.
    pub fn own(message: Message) -> Kept {
        Kept { message, source: None }
    }
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
    /// Sets the retained message of its topic, and who published it; an empty payload removes it.
    ///
    /// # Errors
    ///
    /// More messages or bytes than the limits would be kept. Nothing changes then.
    pub fn set(
        &self,
        message: Message,
        source: Option<&Source>,
        max_messages: usize,
        max_bytes: usize,
    ) -> Result<(), NoRoom> {
        let mut messages = self.messages.write().unwrap_or_else(PoisonError::into_inner);
        let key = scan::key(message.content().topic);
        if message.payload().is_empty() {
            messages.remove(&key);
            return Ok(());
        }
        let old_bytes = messages.by_topic.get(&key).map(|old| cost(&key, &old.message));
        let bytes = messages.bytes - old_bytes.unwrap_or(0) + cost(&key, &message);
        let is_one_more = old_bytes.is_none();
        if bytes - messages.own_bytes > max_bytes
            || is_one_more && messages.by_topic.len() - messages.own >= max_messages
        {
            return Err(NoRoom);
        }
        // In this order: who publishes again stays known.
        let source = source.map(|source| messages.sources.add(source));
        messages.remove(&key);
        messages.insert(key, Kept { message, source });
        Ok(())
    }

    /// Sets a message of the broker itself, whose topic no client may publish under.
    pub fn set_own(&self, message: Message) {
        let mut messages = self.messages.write().unwrap_or_else(PoisonError::into_inner);
        let key = scan::key(message.content().topic);
        messages.remove(&key);
        messages.insert(key, Kept::own(message));
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
    ) -> Vec<Kept> {
        let messages = self.messages.read().unwrap_or_else(PoisonError::into_inner);
        let mut found = Vec::new();
        let mut last = None;
        scan::scan(&messages.by_topic, filter, position.0.as_ref(), |key, kept| {
            last = Some(key);
            if !kept.message.content().is_expired(now) {
                found.push(kept.clone());
            }
            if found.len() < count { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        });
        if let Some(last) = last {
            position.0 = Some(Arc::clone(last));
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
            if let Some(kept) = messages.remove(&key) {
                removed(&kept.message);
            }
        }
        None
    }

    /// The retained message of a topic.
    pub fn message(&self, topic: &str) -> Option<Message> {
        self.kept(topic).map(|kept| kept.message)
    }

    /// The same, with who published it.
    pub fn kept(&self, topic: &str) -> Option<Kept> {
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
    fn insert(&mut self, key: Key, kept: Kept) {
        let message = &kept.message;
        self.bytes += cost(&key, message);
        if is_own(&key, message) {
            self.own += 1;
            self.own_bytes += cost(&key, message);
        }
        if message.expires_at != Time::NEVER {
            self.expiring.insert((message.expires_at, Arc::clone(&key)));
        }
        self.by_topic.insert(key, kept);
    }

    fn remove(&mut self, key: &Key) -> Option<Kept> {
        let kept = self.by_topic.remove(key)?;
        let message = &kept.message;
        self.bytes -= cost(key, message);
        if is_own(key, message) {
            self.own -= 1;
            self.own_bytes -= cost(key, message);
        }
        self.expiring.remove(&(message.expires_at, Arc::clone(key)));
        if let Some(source) = &kept.source {
            self.sources.remove(source);
        }
        Some(kept)
    }
}

/// Whether the broker itself published a message about itself.
fn is_own(key: &Key, message: &Message) -> bool {
    message.publisher == 0 && key.first() == Some(&b'$')
}

/// What a message counts against the limit: itself, its key and its place in the map.
fn cost(key: &Key, message: &Message) -> usize {
    message.size_bytes() + key.len() + 72
}

#[cfg(test)]
mod tests;
