//! Which retained message a topic may have.
//!
//! Several clients write to a topic, and the broker decides which of two writings at the same time is the later. But one
//! that was acknowledged before another was sent is older than that other, which must not be undone.

use std::rc::Rc;

use super::ledger::{Ledger, Note, State};
use super::report::{Check, Report, Violation};

/// A topic with retained messages.
#[derive(Debug)]
pub(super) struct KeptTopic {
    pub(super) topic: Rc<str>,
    lanes: Vec<u32>,
    /// What was acknowledged before this tick is lost, and was told.
    forgiven: u64,
}

/// What a topic was found to have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    Nothing,
    Message(u32, u64),
    /// A message that nobody sent there.
    Strange,
}

impl KeptTopic {
    /// Every topic that is written to by these lanes.
    pub(super) fn of_lanes(ledger: &Ledger, lanes: impl Iterator<Item = u32>) -> Vec<KeptTopic> {
        let mut topics: Vec<KeptTopic> = Vec::new();
        for lane in lanes {
            let Some(topic) = ledger.lane(lane).map(|lane| Rc::clone(&lane.topic)) else { continue };
            match topics.iter_mut().find(|known| known.topic == topic) {
                Some(known) => known.lanes.push(lane),
                None => topics.push(KeptTopic { topic, lanes: vec![lane], forgiven: 0 }),
            }
        }
        topics
    }

    /// Whether there must be a message.
    pub(super) fn must_have(&self, ledger: &Ledger) -> bool {
        !self.may_be(ledger, Found::Nothing)
    }

    /// Judges what was found.
    pub(super) fn judge(&mut self, ledger: &Ledger, found: Found, report: &mut Report) {
        report.judge(Check::Retained, 1);
        if self.may_be(ledger, found) {
            return;
        }
        let topic = &self.topic;
        let latest = self.acknowledged(ledger).max_by_key(|(.., note)| note.sent_at);
        let latest = match latest {
            Some((lane, number, note)) => {
                let what = if note.is_clear { "deletion" } else { "message" };
                format!("{what} number {number} {} was acknowledged", by(ledger, lane))
            }
            None => "nothing was acknowledged".to_owned(),
        };
        let what = match found {
            Found::Nothing => format!("{topic} has no retained message; {latest}"),
            Found::Message(lane, number) => {
                format!("{topic} has the retained message number {number} {}; {latest}", by(ledger, lane))
            }
            Found::Strange => format!("{topic} has a retained message that nobody sent there"),
        };
        report.add(Violation::new(Check::Retained, what));
        self.forgiven = ledger.tick();
    }

    fn may_be(&self, ledger: &Ledger, found: Found) -> bool {
        match found {
            Found::Nothing => {
                let mut clears = self.notes(ledger).filter(|(.., note)| note.is_clear);
                self.acknowledged(ledger).next().is_none()
                    || clears.any(|(lane, number, note)| self.may_be_latest(ledger, lane, number, note))
            }
            Found::Message(lane, number) => {
                let is_here = self.lanes.contains(&lane);
                let may_come = |note: &&Note| !note.is_clear && note.state != State::Forbidden;
                let note = ledger.note(lane, number).filter(|note| is_here && may_come(note));
                note.is_some_and(|note| self.may_be_latest(ledger, lane, number, note))
            }
            Found::Strange => false,
        }
    }

    /// Whether no message that was acknowledged is certainly later than this one.
    fn may_be_latest(&self, ledger: &Ledger, lane: u32, number: u64, note: &Note) -> bool {
        !self.acknowledged(ledger).any(|(other_lane, other_number, other)| {
            (other_lane == lane && other_number > number)
                || note.settled_at.is_some_and(|settled_at| settled_at < other.sent_at)
        })
    }

    fn acknowledged<'a>(&'a self, ledger: &'a Ledger) -> impl Iterator<Item = (u32, u64, &'a Note)> {
        self.notes(ledger).filter(|(.., note)| note.state == State::Owed && note.sent_at > self.forgiven)
    }

    fn notes<'a>(&'a self, ledger: &'a Ledger) -> impl Iterator<Item = (u32, u64, &'a Note)> {
        self.lanes.iter().filter_map(|&lane| Some((lane, ledger.lane(lane)?.notes()))).flat_map(
            |(lane, notes)| notes.iter().enumerate().map(move |(number, note)| (lane, number as u64, note)),
        )
    }
}

fn by(ledger: &Ledger, lane: u32) -> String {
    ledger
        .lane(lane)
        .map_or_else(String::new, |lane| format!("by {} with QoS {}", lane.writer, lane.qos.bits()))
}

#[cfg(test)]
mod tests {
    use vaux_mqtt::QoS;

    use super::*;

    /// Two writers of one topic.
    fn topic() -> (Ledger, KeptTopic) {
        let mut ledger = Ledger::default();
        for writer in ["a", "b"] {
            ledger.add_lane(writer, "kept", QoS::AtLeastOnce, false);
        }
        let topic = KeptTopic::of_lanes(&ledger, 0..2).remove(0);
        (ledger, topic)
    }

    #[test]
    fn the_last_acknowledged_or_a_later_one_is_right() {
        let (mut ledger, topic) = topic();
        assert!(topic.may_be(&ledger, Found::Nothing) && !topic.must_have(&ledger));
        for _ in 0..3 {
            ledger.send(0, false);
        }
        ledger.acknowledge(0, 0);
        ledger.acknowledge(0, 1);
        assert!(topic.must_have(&ledger));
        let right = [0, 1, 2, 3].map(|number| topic.may_be(&ledger, Found::Message(0, number)));
        assert_eq!(right, [false, true, true, false]);
        assert!(!topic.may_be(&ledger, Found::Strange));
    }

    #[test]
    fn of_two_at_the_same_time_either_may_be_the_last() {
        let (mut ledger, topic) = topic();
        ledger.send(0, false);
        ledger.send(1, false);
        ledger.acknowledge(0, 0);
        ledger.acknowledge(1, 0);
        assert!([0, 1].into_iter().all(|lane| topic.may_be(&ledger, Found::Message(lane, 0))));
        // This one is after both.
        ledger.send(1, false);
        assert!([0, 1].into_iter().all(|lane| topic.may_be(&ledger, Found::Message(lane, 0))));
        ledger.acknowledge(1, 1);
        assert!([0, 1].into_iter().all(|lane| !topic.may_be(&ledger, Found::Message(lane, 0))));
    }

    #[test]
    fn a_deletion_leaves_nothing_and_nothing_else_does() {
        let (mut ledger, topic) = topic();
        ledger.send(0, false);
        ledger.acknowledge(0, 0);
        ledger.send(0, true);
        assert!(topic.may_be(&ledger, Found::Nothing) && topic.may_be(&ledger, Found::Message(0, 0)));
        ledger.acknowledge(0, 1);
        assert!(topic.may_be(&ledger, Found::Nothing) && !topic.may_be(&ledger, Found::Message(0, 0)));
        ledger.send(1, false);
        ledger.acknowledge(1, 0);
        assert!(topic.must_have(&ledger));
    }

    #[test]
    fn what_is_lost_is_told_once() {
        let (mut ledger, mut topic) = topic();
        ledger.send(0, false);
        ledger.acknowledge(0, 0);
        let mut report = Report::default();
        topic.judge(&ledger, Found::Nothing, &mut report);
        topic.judge(&ledger, Found::Nothing, &mut report);
        let (words, count) = report.take_words();
        assert_eq!(count, 1);
        assert!(
            words[0].contains("kept has no retained message; message number 0 by a with QoS 1 was"),
            "{words:?}"
        );
        ledger.send(0, false);
        ledger.acknowledge(0, 1);
        topic.judge(&ledger, Found::Message(0, 0), &mut report);
        assert_eq!(report.violations(), 2);
    }
}
