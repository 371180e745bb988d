//! What one subscriber has received of one lane, and what that says about the broker.

use std::collections::BTreeSet;

use vaux_mqtt::QoS;

use super::ledger::{Lane, State};
use super::report::{Check, Violation};

/// What one subscriber has received of one lane.
#[derive(Debug)]
pub(super) struct Receipt {
    subscriber: String,
    /// The QoS that messages arrive with: the lesser of the lane's and the subscription's.
    qos: QoS,
    /// Messages before this one were sent before the subscription began: they may come, and nothing is said of them.
    from: u64,
    /// The highest number that came, plus one.
    next: u64,
    /// What came last on the current connection.
    last: Option<u64>,
    connection: u32,
    /// For each number from 0.
    seen: Vec<Seen>,
    /// Passed over when a later one came.
    passed_over: BTreeSet<u64>,
    /// Every number below has come or is not owed any more.
    settled_below: u64,
}

#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    copies: u32,
    /// The connection that the last copy came on, and how many came on it.
    connection: u32,
    copies_on_connection: u32,
    /// It was owed and is known to be lost.
    is_lost: bool,
}

impl Receipt {
    /// Nothing has come yet to a subscriber that was granted `qos`.
    pub(super) fn new(subscriber: &str, lane: &Lane, granted: QoS) -> Self {
        Receipt {
            subscriber: subscriber.to_owned(),
            qos: lane.qos.min(granted),
            from: lane.count(),
            next: lane.count(),
            last: None,
            connection: 0,
            seen: Vec::new(),
            passed_over: BTreeSet::new(),
            settled_below: lane.count(),
        }
    }

    /// The QoS that messages have to arrive with.
    pub(super) fn qos(&self) -> QoS {
        self.qos
    }

    /// The subscription begins anew with what is sent from now on.
    pub(super) fn begin(&mut self, lane: &Lane) {
        self.from = lane.count();
        self.next = self.from.max(self.next);
        self.settled_below = self.from;
        self.passed_over.clear();
    }

    /// Takes in a message that arrived on the subscriber's connection of that number, and says whether it is new.
    ///
    /// # Errors
    ///
    /// It should not have come, or not now.
    pub(super) fn receive(
        &mut self,
        lane: &Lane,
        number: u64,
        connection: u32,
        now_ms: u64,
    ) -> Result<bool, Violation> {
        let Some(note) = lane.note(number) else {
            return Err(self.violation(Check::Unchanged, lane, number, "came, which was never sent"));
        };
        if self.connection != connection {
            self.connection = connection;
            self.last = None;
        }
        let (last, next) = (self.last.replace(number), self.next);
        let seen = self.count(number);
        if number < self.from {
            return Ok(false);
        }
        let once = if lane.is_will { Check::Wills } else { Check::Once };
        if note.state == State::Forbidden {
            return Err(self.violation(
                once,
                lane,
                number,
                "came though its client did not lose its connection",
            ));
        }
        if now_ms < note.not_before_ms {
            let early = format!("came {} ms too early", note.not_before_ms - now_ms);
            return Err(self.violation(once, lane, number, &early));
        }
        if number >= next {
            self.passed_over.extend(next..number);
            self.next = number + 1;
            return Ok(true);
        }
        if self.passed_over.remove(&number) {
            return Err(self.violation(
                Check::Order,
                lane,
                number,
                &format!("came after number {}", next - 1),
            ));
        }
        if self.qos == QoS::ExactlyOnce {
            return Err(self.violation(once, lane, number, &format!("came {} times", seen.copies)));
        }
        if seen.copies_on_connection > note.sends {
            let copies = format!("came {} times on one connection", seen.copies_on_connection);
            return Err(self.violation(once, lane, number, &copies));
        }
        // A step back is a copy. Copies begin with the connection, or the publisher made them.
        let steps_back = last.is_some_and(|last| number < last);
        if steps_back && note.sends < 2 && seen.copies_on_connection == 1 {
            let last = last.unwrap_or_default();
            return Err(self.violation(
                Check::Order,
                lane,
                number,
                &format!("came again, but after number {last}"),
            ));
        }
        Ok(false)
    }

    fn count(&mut self, number: u64) -> Seen {
        let index = number as usize;
        if self.seen.len() <= index {
            self.seen.resize(index + 1, Seen::default());
        }
        let seen = &mut self.seen[index];
        seen.copies += 1;
        if seen.connection != self.connection {
            seen.connection = self.connection;
            seen.copies_on_connection = 0;
        }
        seen.copies_on_connection += 1;
        *seen
    }

    /// How many messages are owed to the subscriber.
    pub(super) fn owed(&mut self, lane: &Lane) -> u64 {
        while lane.note(self.settled_below).is_some_and(|note| {
            self.has_come(self.settled_below) || matches!(note.state, State::GivenUp | State::Forbidden)
        }) {
            self.settled_below += 1;
        }
        self.owed_numbers(lane).count() as u64
    }

    /// Gives up what is owed and says so.
    pub(super) fn declare_lost(&mut self, lane: &Lane) -> Option<Violation> {
        let lost: Vec<u64> = self.owed_numbers(lane).collect();
        let (first, last) = (*lost.first()?, *lost.last()?);
        self.seen.resize(self.seen.len().max(last as usize + 1), Seen::default());
        lost.iter().for_each(|&number| self.seen[number as usize].is_lost = true);
        let count = lost.len() as u64;
        let (check, owed) =
            if lane.is_will { (Check::Wills, "due") } else { (Check::Delivered, "acknowledged") };
        let which = if count == 1 { format!("number {first}") } else { format!("numbers {first} to {last}") };
        let what = format!("{count} of {lane} ({which}), {owed}, never came to {}", self.subscriber);
        Some(Violation { check, what, count })
    }

    fn owed_numbers<'a>(&'a self, lane: &'a Lane) -> impl Iterator<Item = u64> + 'a {
        (self.settled_below..lane.count()).filter(|&number| {
            lane.note(number).is_some_and(|note| note.state == State::Owed) && !self.has_come(number)
        })
    }

    /// Whether a message has come, or is known to be lost.
    pub(super) fn has_come(&self, number: u64) -> bool {
        self.seen.get(number as usize).is_some_and(|seen| seen.copies > 0 || seen.is_lost)
    }

    fn violation(&self, check: Check, lane: &Lane, number: u64, what: &str) -> Violation {
        let subscriber = &self.subscriber;
        Violation::new(check, format!("number {number} of {lane} {what} ({subscriber})"))
    }
}

#[cfg(test)]
mod tests;
