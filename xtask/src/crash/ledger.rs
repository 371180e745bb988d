//! What was sent and what was acknowledged, written down outside the broker.
//!
//! Messages of one writer with one topic and one QoS are a *lane*: they are numbered from 0, and the broker owes their
//! order. Every payload begins with lane and number, so that whatever arrives can be looked up here.

use std::rc::Rc;

use vaux_mqtt::QoS;

use crate::load::{STAMP_BYTES, Stamp};

/// All lanes.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    lanes: Vec<Lane>,
    /// Counts what happens, to say what was before what.
    tick: u64,
}

/// The messages of one writer with one topic and one QoS.
#[derive(Debug)]
pub(super) struct Lane {
    /// The client that publishes, or whose will it is.
    pub(super) writer: String,
    pub(super) topic: Rc<str>,
    pub(super) qos: QoS,
    /// Wills come one at a time, each from a connection of its own.
    pub(super) is_will: bool,
    notes: Vec<Note>,
}

/// What is known about one message.
#[derive(Clone, Debug)]
pub(super) struct Note {
    pub(super) state: State,
    /// How often it was sent, at most.
    pub(super) sends: u32,
    /// An empty payload that deletes the retained message.
    pub(super) is_clear: bool,
    /// When it was sent for the first time, as a tick.
    pub(super) sent_at: u64,
    /// When the broker can have taken it for the last time, as a tick, once that is known.
    pub(super) settled_at: Option<u64>,
    /// A delayed will may not come before this time, in milliseconds.
    pub(super) not_before_ms: u64,
}

/// Whether a message must arrive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// It may.
    Sent,
    /// It must: the broker said that it has it, or it is a will that is due.
    Owed,
    /// It may, and will not be sent again.
    GivenUp,
    /// It must not: a will whose client is connected or has returned.
    Forbidden,
}

impl Ledger {
    /// Begins a lane and gives its number.
    pub(super) fn add_lane(&mut self, writer: &str, topic: &str, qos: QoS, is_will: bool) -> u32 {
        self.lanes.push(Lane {
            writer: writer.to_owned(),
            topic: topic.into(),
            qos,
            is_will,
            notes: Vec::new(),
        });
        self.lanes.len() as u32 - 1
    }

    /// The present tick.
    pub(super) fn tick(&self) -> u64 {
        self.tick
    }

    /// The lane of that number, if there is one.
    pub(super) fn lane(&self, lane: u32) -> Option<&Lane> {
        self.lanes.get(lane as usize)
    }

    /// All lanes in the order of their numbers.
    pub(super) fn lanes(&self) -> &[Lane] {
        &self.lanes
    }

    /// Writes down that the next message of a lane is sent, and gives its number.
    pub(super) fn send(&mut self, lane: u32, is_clear: bool) -> u64 {
        self.tick += 1;
        let notes = &mut self.lanes[lane as usize].notes;
        notes.push(Note {
            state: State::Sent,
            sends: 1,
            is_clear,
            sent_at: self.tick,
            settled_at: None,
            not_before_ms: 0,
        });
        notes.len() as u64 - 1
    }

    /// Writes down that whatever is unacknowledged in these lanes may be sent again.
    pub(super) fn resend(&mut self, lanes: &[u32]) {
        for &lane in lanes {
            let unsettled = |note: &&mut Note| note.state == State::Sent;
            self.lanes[lane as usize].notes.iter_mut().filter(unsettled).for_each(|note| note.sends += 1);
        }
    }

    /// Writes down what has become of a message.
    pub(super) fn set(&mut self, lane: u32, number: u64, state: State) {
        self.tick += 1;
        let tick = self.tick;
        if let Some(note) = self.note_mut(lane, number) {
            note.state = state;
            if note.settled_at.is_none() && state != State::Sent {
                note.settled_at = Some(tick);
            }
        }
    }

    /// Writes down when a delayed will may come.
    pub(super) fn set_not_before(&mut self, lane: u32, number: u64, not_before_ms: u64) {
        if let Some(note) = self.note_mut(lane, number) {
            note.not_before_ms = not_before_ms;
        }
    }

    /// The acknowledgement of a message says that it must arrive, unless it is known to be over.
    pub(super) fn acknowledge(&mut self, lane: u32, number: u64) {
        if self.note(lane, number).is_some_and(|note| note.state == State::Sent) {
            self.set(lane, number, State::Owed);
        }
    }

    /// What is known about a message.
    pub(super) fn note(&self, lane: u32, number: u64) -> Option<&Note> {
        self.lane(lane)?.note(number)
    }

    fn note_mut(&mut self, lane: u32, number: u64) -> Option<&mut Note> {
        self.lanes.get_mut(lane as usize)?.notes.get_mut(number as usize)
    }
}

impl Lane {
    /// How many messages were sent.
    pub(super) fn count(&self) -> u64 {
        self.notes.len() as u64
    }

    /// What is known about a message.
    pub(super) fn note(&self, number: u64) -> Option<&Note> {
        self.notes.get(number as usize)
    }

    /// Every message in its order.
    pub(super) fn notes(&self) -> &[Note] {
        &self.notes
    }
}

impl std::fmt::Display for Lane {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let what = if self.is_will { "the wills of" } else { "messages of" };
        write!(formatter, "{what} {} on {} with QoS {}", self.writer, self.topic, self.qos.bits())
    }
}

/// The payload of a message: its stamp, and bytes whose number and value follow from it.
pub(super) fn payload(lane: u32, number: u64) -> Vec<u8> {
    let mut payload = Stamp { publisher: lane, number }.to_bytes().to_vec();
    // One in a hundred does not fit a page of the store.
    let filler_bytes = if number % 100 == 99 { 10_000 } else { (number * 37 % 200) as usize };
    payload.resize(STAMP_BYTES + filler_bytes, number as u8);
    payload
}

/// Which message a payload is, if it is one whole.
pub(super) fn read_payload(bytes: &[u8]) -> Option<(u32, u64)> {
    let Stamp { publisher: lane, number } = Stamp::from_payload(bytes)?;
    (payload(lane, number) == bytes).then_some((lane, number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payload_that_was_changed_or_cut_is_not_taken_for_the_message() {
        for number in [0, 5, 99] {
            let whole = payload(3, number);
            assert_eq!(read_payload(&whole), Some((3, number)));
            assert_eq!(read_payload(&whole[..whole.len() - 1]), None);
        }
        let mut changed = payload(3, 5);
        *changed.last_mut().unwrap() ^= 1;
        assert_eq!(read_payload(&changed), None);
    }

    #[test]
    fn an_acknowledgement_settles_and_nothing_settles_twice() {
        let mut ledger = Ledger::default();
        let lane = ledger.add_lane("a", "t", QoS::AtLeastOnce, false);
        assert_eq!((ledger.send(lane, false), ledger.send(lane, true)), (0, 1));
        ledger.resend(&[lane]);
        ledger.acknowledge(lane, 0);
        ledger.set(lane, 0, State::GivenUp);
        ledger.acknowledge(lane, 0);
        let note = ledger.note(lane, 0).unwrap();
        assert_eq!((note.state, note.sends, note.settled_at), (State::GivenUp, 2, Some(3)));
        ledger.resend(&[lane]);
        assert_eq!((ledger.note(lane, 0).unwrap().sends, ledger.note(lane, 1).unwrap().sends), (2, 3));
        assert!(ledger.note(lane, 2).is_none() && ledger.note(lane + 1, 0).is_none());
    }
}
