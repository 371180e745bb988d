//! The retained messages, shared by all workers.
//!
//! One ordered set, in which everything below a level stands together, right behind the level itself ([`order`]). A
//! filter is then matched by seeking from one possible topic to the next ([`scan`]), and a position in the middle of a
//! replay is simply the last topic that was read: whatever changes in between, the replay goes on behind it.

mod order;
mod scan;
mod source;

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::sync::{Arc, PoisonError};

use vaux_mqtt::topic::TopicFilter;

use crate::message::Message;
use crate::sync::RwLock;
use crate::time::Time;

use order::{Entry, Place};
pub(crate) use source::Source;
use source::Sources;

/// All retained messages.
#[derive(Debug, Default)]
pub struct Retained {
    messages: RwLock<Messages>,
}

#[derive(Debug, Default)]
struct Messages {
    by_topic: BTreeSet<Entry>,
    sources: Sources,
    /// How many of them the broker made itself, and their bytes: they count against no limit.
    own: usize,
    own_bytes: usize,
    /// Those that expire, soonest first.
    expiring: BTreeSet<(Time, Entry)>,
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

/// How far a replay of retained messages has come.
#[derive(Clone, Debug, Default)]
pub struct Position(Option<Box<[u8]>>);

impl Position {
    /// Behind a topic.
    pub fn behind(topic: &str) -> Position {
        Position(Some(topic.as_bytes().into()))
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
        let topic = message.topic();
        if message.payload().is_empty() {
            messages.remove(topic);
            return Ok(());
        }
        let old_bytes = scan::get(&messages.by_topic, topic).map(|old| cost(&old.0.message));
        let bytes = messages.bytes - old_bytes.unwrap_or(0) + cost(&message);
        let is_one_more = old_bytes.is_none();
        if bytes - messages.own_bytes > max_bytes
            || is_one_more && messages.by_topic.len() - messages.own >= max_messages
        {
            return Err(NoRoom);
        }
        // In this order: who publishes again stays known.
        let source = source.map(|source| messages.sources.add(source));
        messages.remove(message.topic());
        messages.insert(Kept { message, source });
        Ok(())
    }

    /// Sets a message of the broker itself, whose topic no client may publish under.
    pub fn set_own(&self, message: Message) {
        let mut messages = self.messages.write().unwrap_or_else(PoisonError::into_inner);
        messages.remove(message.topic());
        messages.insert(Kept::own(message));
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
        scan::scan(&messages.by_topic, filter, position.0.as_deref(), |entry| {
            last = Some(entry);
            let Entry(kept) = entry;
            if !kept.message.content().is_expired(now) {
                found.push(kept.clone());
            }
            if found.len() < count { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        });
        if let Some(last) = last {
            position.0 = Some(last.topic().into());
        }
        found
    }

    /// Removes what has expired by `now`, tells `removed` of each, and says when the next message will.
    pub fn remove_expired(&self, now: Time, mut removed: impl FnMut(&Message)) -> Option<Time> {
        let mut messages = self.messages.write().unwrap_or_else(PoisonError::into_inner);
        while let Some((expires_at, Entry(kept))) = messages.expiring.first() {
            if *expires_at > now {
                return Some(*expires_at);
            }
            let message = kept.message.clone();
            messages.remove(message.topic());
            removed(&message);
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
        scan::get(&messages.by_topic, topic.as_bytes()).map(|entry| entry.0.clone())
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
    fn insert(&mut self, kept: Kept) {
        let message = &kept.message;
        self.bytes += cost(message);
        if is_own(message) {
            self.own += 1;
            self.own_bytes += cost(message);
        }
        if message.expires_at != Time::NEVER {
            self.expiring.insert((message.expires_at, Entry(kept.clone())));
        }
        self.by_topic.insert(Entry(kept));
    }

    fn remove(&mut self, topic: &[u8]) {
        let Some(Entry(kept)) = self.by_topic.take::<dyn Place>(&topic) else { return };
        let message = &kept.message;
        self.bytes -= cost(message);
        if is_own(message) {
            self.own -= 1;
            self.own_bytes -= cost(message);
        }
        if let Some(source) = &kept.source {
            self.sources.remove(source);
        }
        if message.expires_at != Time::NEVER {
            self.expiring.remove(&(message.expires_at, Entry(kept)));
        }
    }
}

/// Whether the broker itself published a message about itself.
fn is_own(message: &Message) -> bool {
    message.publisher == 0 && message.topic().first() == Some(&b'$')
}

/// What a message counts against the limit: itself and its place in the set.
fn cost(message: &Message) -> usize {
    message.size_bytes() + 2 * size_of::<Entry>()
}

#[cfg(test)]
mod tests;
