//! A client that comes for one purpose and waits for each answer.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use mio::{Events, Poll};

use super::member::{Heard, Member};
use crate::Outcome;
use crate::load::connection::READ_BUFFER_BYTES;

/// A client with an `epoll` of its own.
#[derive(Debug)]
pub(super) struct Visitor {
    pub(super) member: Member,
    poll: Poll,
    buffer: Vec<u8>,
    begun: Instant,
    /// What came and was not asked for yet.
    heard: Vec<Heard>,
}

/// How long an answer may take.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(15);

impl Visitor {
    /// A client that is not connected.
    ///
    /// # Errors
    ///
    /// There is no `epoll`.
    pub(super) fn new(member: Member) -> Outcome<Self> {
        let poll = Poll::new()?;
        let buffer = vec![0; READ_BUFFER_BYTES];
        Ok(Visitor { member, poll, buffer, begun: Instant::now(), heard: Vec::new() })
    }

    /// Connects, and says whether the broker had the session.
    ///
    /// # Errors
    ///
    /// The broker does not accept.
    pub(super) fn connect(&mut self, broker: SocketAddr) -> Outcome<bool> {
        self.heard.clear();
        let now_ms = self.now_ms();
        self.member.connect(broker, self.poll.registry(), 0, now_ms)?;
        self.answer("CONNECT", |heard| match heard {
            Heard::Connected { session_present } => Some(*session_present),
            _ => None,
        })
    }

    /// The answer that `wanted` knows.
    ///
    /// # Errors
    ///
    /// The connection ended, or nothing came within some seconds.
    pub(super) fn answer<T>(&mut self, request: &str, wanted: impl Fn(&Heard) -> Option<T>) -> Outcome<T> {
        let mut answer = None;
        let name = self.member.name.clone();
        self.hear(ANSWER_TIMEOUT, |heard| {
            answer = answer.take().or_else(|| wanted(heard));
            answer.is_some()
        })?;
        answer.ok_or_else(|| format!("{request} of {name} was not answered").into())
    }

    /// Hands over what comes, until `is_enough` says so or the time is over.
    ///
    /// # Errors
    ///
    /// The connection ended.
    pub(super) fn hear(&mut self, limit: Duration, mut is_enough: impl FnMut(&Heard) -> bool) -> Outcome {
        let deadline = Instant::now() + limit;
        loop {
            // What comes behind is for the next who asks.
            if let Some(last) = self.heard.iter().position(&mut is_enough) {
                self.heard.drain(..=last);
                return Ok(());
            }
            self.heard.clear();
            let Some(left) = deadline.checked_duration_since(Instant::now()) else { return Ok(()) };
            let now_ms = self.now_ms();
            self.member.flush(now_ms)?;
            let mut events = Events::with_capacity(4);
            self.poll.poll(&mut events, Some(left.min(Duration::from_millis(20))))?;
            self.member
                .receive(&mut self.buffer, now_ms, &mut self.heard)
                .map_err(|error| format!("the connection of {} ended: {error}", self.member.name))?;
        }
    }

    /// Ends the connection in good order.
    pub(super) fn say_goodbye(&mut self) {
        let now_ms = self.now_ms();
        self.member.disconnect(now_ms);
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.begun.elapsed().as_millis()).expect("no visit takes so long")
    }
}
