//! Who may publish, and how much: what is due, as far as windows and sockets let it.

use vaux_client::QoS;

use super::{Engine, Phase, list};
use crate::commands::bench::publisher::Publisher;
use crate::commands::bench::schedule::Schedule;
use crate::commands::bench::shape::Flow;

/// More than this is not appended to what the socket has not taken yet.
const MAX_OUTGOING_BYTES: usize = 64 << 10;

/// How long after its end what was due before may still be sent.
const LATE_SENDING: u64 = super::SECOND;

impl Engine {
    /// Publishes from `begins` to `until`: on a schedule, if there is one, else as fast as it goes.
    pub(crate) fn begin(&mut self, begins: u64, until: u64, rate: Option<f64>) {
        let members = self.publishers.len();
        self.schedule = rate.filter(|_| members > 0).map(|rate| Schedule::new(begins, rate, members));
        self.phase = Phase::Publishing { until };
        self.publishers.iter_mut().for_each(|publisher| publisher.seen_at = begins);
        (0..members).for_each(|publisher| self.list(publisher));
    }

    /// Publishes nothing more but what was due already.
    pub(crate) fn drain(&mut self) {
        let now = self.clock.now();
        self.publish(now);
        self.phase = Phase::Draining { until: now + LATE_SENDING };
    }

    /// Whether everything that was sent has arrived and was acknowledged, and nothing more will be sent.
    pub(crate) fn is_drained(&self) -> bool {
        let counters = &self.meter.counters;
        let expected = (counters.published - counters.refused) * self.setup.shape.copies();
        let is_sending = matches!(self.phase, Phase::Draining { until } if self.clock.now() < until);
        // Looking at all publishers costs something where there are many.
        counters.received >= expected
            && self.publishers.iter().enumerate().all(|(number, publisher)| {
                let Some(link) = &self.links[number] else { return true };
                let is_sent = link.is_flushed() && !(is_sending && self.unsent_of(publisher) > 0);
                is_sent && publisher.unacknowledged() == 0
            })
    }

    /// How many messages were due and not sent.
    pub(crate) fn unsent(&self) -> u64 {
        self.publishers.iter().map(|publisher| self.unsent_of(publisher)).sum()
    }

    fn unsent_of(&self, publisher: &Publisher) -> u64 {
        if self.schedule.is_some() { publisher.scheduled - publisher.sent } else { 0 }
    }

    /// How many messages a publisher sent.
    pub(crate) fn sent(&self, publisher: usize) -> u64 {
        self.publishers[publisher].sent
    }

    /// Counts messages that were due and could not be sent with the time that they have waited: leaving them out would
    /// make a server look faster the slower it is.
    pub(crate) fn record_unsent(&mut self) {
        /// Of more messages than this only some are looked at.
        const SAMPLES: u64 = 1 << 20;
        let Some(schedule) = self.schedule else { return };
        let (now, step) = (self.clock.now(), self.unsent().div_ceil(SAMPLES).max(1));
        let is_delivered = self.setup.shape.copies() > 0;
        for (number, publisher) in self.publishers.iter().enumerate() {
            for message in (publisher.sent..publisher.scheduled).step_by(step as usize) {
                let due = schedule.due_of(number, message);
                if !self.meter.is_measured(due) {
                    continue;
                }
                self.meter.lag.record_many(due, now, step);
                if is_delivered {
                    self.meter.delivery.record_many(due, now, step * self.setup.shape.copies());
                }
                if self.setup.qos != QoS::AtMostOnce {
                    self.meter.acknowledgement.record_many(due, now, step);
                }
            }
        }
    }

    /// When the next message is due.
    pub(super) fn next_due(&self) -> u64 {
        match (&self.schedule, self.phase) {
            (Some(schedule), Phase::Publishing { until }) if schedule.next_due() < until => {
                schedule.next_due()
            }
            _ => u64::MAX,
        }
    }

    /// A publisher goes on when nothing of what it sent has arrived for a while: that is lost, or very late.
    pub(super) fn give_up_waiting(&mut self, publisher: usize, now: u64) {
        let slowest = self.slowest(publisher);
        let state = &mut self.publishers[publisher];
        if state.seen != slowest {
            (state.seen, state.seen_at) = (slowest, now);
        } else if now >= state.seen_at.saturating_add(self.setup.patience) {
            (state.given_up, state.seen_at) = (state.sent, now);
            self.list(publisher);
        }
    }

    /// How many messages of a publisher have arrived wherever they are to arrive.
    fn slowest(&self, publisher: usize) -> u64 {
        let subscribers = &self.links[self.setup.shape.publishers..];
        self.arrivals.slowest(publisher, |subscriber| subscribers[subscriber].is_some())
    }

    fn list(&mut self, publisher: usize) {
        list(&mut self.publishers, &mut self.listed, publisher);
    }

    /// Lets those publish that may be able to.
    pub(super) fn publish(&mut self, now: u64) {
        if let (Some(schedule), Phase::Publishing { until }) = (&mut self.schedule, self.phase) {
            schedule.advance(now.min(until - 1), |publisher| {
                self.publishers[publisher].scheduled += 1;
                list(&mut self.publishers, &mut self.listed, publisher);
            });
        }
        let mut listed = std::mem::take(&mut self.listed);
        for &publisher in &listed {
            self.publishers[publisher].is_listed = false;
        }
        for &publisher in &listed {
            self.publish_from(publisher, now);
        }
        listed.clear();
        if self.listed.is_empty() {
            self.listed = listed;
        }
    }

    fn publish_from(&mut self, number: usize, now: u64) {
        let room = self.room(number, now);
        let Some(link) = self.links[number].as_mut().filter(|_| room > 0) else { return };
        let publisher = &mut self.publishers[number];
        let outgoing = link.outgoing_mut();
        let mut left = room;
        while left > 0 && outgoing.len() < MAX_OUTGOING_BYTES {
            let due = match &self.schedule {
                Some(schedule) => schedule.due_of(number, publisher.sent),
                None => now,
            };
            if self.schedule.is_some() && self.meter.is_measured(due) {
                self.meter.lag.record(due, now);
            }
            publisher.append(due, self.clock.to_unix(due), outgoing);
            left -= 1;
        }
        self.meter.counters.published += room - left;
        self.flush(number);
        if left > 0 {
            self.list(number);
        }
    }

    /// How many messages a publisher may publish now.
    fn room(&self, number: usize, now: u64) -> u64 {
        let publisher = &self.publishers[number];
        if self.links[number].as_ref().is_none_or(|link| !link.is_flushed()) {
            return 0;
        }
        let unacknowledged = match self.setup.qos {
            QoS::AtMostOnce => u64::MAX,
            _ => publisher.max_unacknowledged.saturating_sub(publisher.unacknowledged()),
        };
        let wanted = match (&self.schedule, self.phase) {
            (Some(_), Phase::Publishing { .. }) => publisher.scheduled - publisher.sent,
            (Some(_), Phase::Draining { until }) if now < until => publisher.scheduled - publisher.sent,
            (None, Phase::Publishing { until }) if now < until => self.undelivered_room(number),
            _ => 0,
        };
        unacknowledged.min(wanted)
    }

    /// How many messages a publisher without a schedule may be ahead of its slowest subscriber.
    fn undelivered_room(&self, number: usize) -> u64 {
        let publisher = &self.publishers[number];
        match self.setup.shape.flow {
            Flow::Nobody | Flow::Anybody => u64::MAX,
            // Its subscriber is gone.
            Flow::Pairs if self.links[self.publishers.len() + number].is_none() => 0,
            _ => {
                let arrived = self.slowest(number).max(publisher.given_up);
                self.setup.window.saturating_sub(publisher.sent.saturating_sub(arrived))
            }
        }
    }
}
