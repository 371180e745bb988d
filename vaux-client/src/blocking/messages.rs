//! What comes from the server, for threads that wait for it.

use std::time::{Duration, Instant};

use super::wait::{wait, wait_until};
use crate::event::ConnectionEvent;
use crate::message::Message;
use crate::subscription::Answer;

/// Nothing came in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimedOut;

impl std::fmt::Display for TimedOut {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("nothing came in time")
    }
}

impl std::error::Error for TimedOut {}

fn deadline(timeout: Duration) -> Option<Instant> {
    // A deadline that no clock can show is none.
    Instant::now().checked_add(timeout)
}

/// A stream of messages. As an iterator it waits for each message, and ends when the client has ended.
///
/// Like [`crate::Messages`] it is bounded: when nobody reads it, the client stops reading from its connection. Drop it
/// when the messages are no longer wanted.
#[derive(Debug)]
pub struct Messages(pub(super) crate::Messages);

impl Messages {
    /// A message that is there already.
    pub fn try_next(&mut self) -> Option<Message> {
        self.0.try_next()
    }

    /// Waits for the next message, `None` when the client has ended.
    ///
    /// # Errors
    ///
    /// None came within `timeout`.
    pub fn next_timeout(&mut self, timeout: Duration) -> Result<Option<Message>, TimedOut> {
        wait_until(self.0.next(), deadline(timeout)).ok_or(TimedOut)
    }

    /// The messages until none comes for as long as `timeout`, or the client ends.
    pub fn iter_timeout(&mut self, timeout: Duration) -> impl Iterator<Item = Message> {
        std::iter::from_fn(move || self.next_timeout(timeout).ok().flatten())
    }

    /// Takes no more messages: those that come from now on are dropped, as when the stream is.
    pub fn close(&mut self) {
        self.0.close();
    }
}

impl Iterator for Messages {
    type Item = Message;

    fn next(&mut self) -> Option<Message> {
        wait(self.0.next())
    }
}

/// Subscriptions that the server granted, and their messages. As an iterator it waits for each message, and ends when
/// the client has ended or all its filters were unsubscribed.
///
/// See [`crate::Subscription`] for which messages belong to it.
#[derive(Debug)]
pub struct Subscription {
    pub(super) answer: Answer,
    pub(super) messages: Messages,
}

impl Subscription {
    /// What the server granted: one code for each filter, of which at least one is no failure.
    pub fn answer(&self) -> &Answer {
        &self.answer
    }

    /// A message that is there already.
    pub fn try_next(&mut self) -> Option<Message> {
        self.messages.try_next()
    }

    /// Waits for the next message, `None` when there will be none.
    ///
    /// # Errors
    ///
    /// None came within `timeout`.
    pub fn next_timeout(&mut self, timeout: Duration) -> Result<Option<Message>, TimedOut> {
        self.messages.next_timeout(timeout)
    }

    /// The messages until none comes for as long as `timeout`, or there will be none.
    pub fn iter_timeout(&mut self, timeout: Duration) -> impl Iterator<Item = Message> {
        self.messages.iter_timeout(timeout)
    }

    /// The stream alone.
    pub fn into_messages(self) -> Messages {
        self.messages
    }
}

impl Iterator for Subscription {
    type Item = Message;

    fn next(&mut self) -> Option<Message> {
        self.messages.next()
    }
}

/// Receives the events of a connection. As an iterator it waits for each event, and ends after the last one.
///
/// Whoever does not read misses the oldest events, not the newest; the client never waits.
#[derive(Clone, Debug)]
pub struct ConnectionEvents(pub(super) crate::ConnectionEvents);

impl ConnectionEvents {
    /// Waits for the next event, `None` after the last one.
    ///
    /// # Errors
    ///
    /// None came within `timeout`.
    pub fn next_timeout(&mut self, timeout: Duration) -> Result<Option<ConnectionEvent>, TimedOut> {
        wait_until(self.0.next(), deadline(timeout)).ok_or(TimedOut)
    }
}

impl Iterator for ConnectionEvents {
    type Item = ConnectionEvent;

    fn next(&mut self) -> Option<ConnectionEvent> {
        wait(self.0.next())
    }
}
