//! A client that publishes, and notes what was acknowledged.

use std::rc::Rc;

use fastrand::Rng;
use vaux_mqtt::QoS;

use super::ledger::{self, Ledger, State};
use super::member::{Heard, Member, Message};
use super::report::{Check, Report, Violation};

/// What a publisher publishes.
#[derive(Debug)]
pub(super) struct Publisher {
    /// Lanes of messages that are not retained.
    pub(super) plain: Vec<u32>,
    /// Lanes of retained messages.
    pub(super) kept: Vec<u32>,
    /// Messages that it may send, which grows with time.
    credit: f64,
}

/// How many messages a publisher has under way at most.
const IN_FLIGHT: usize = 20;

/// How many messages a publisher sends in a second. What queues for a subscriber that is away must stay below the 10,000
/// messages that vaux-broker keeps for it.
const MESSAGES_PER_SECOND: f64 = 300.0;

/// How many messages a publisher sends at once at most, after a pause.
const BURST: f64 = 40.0;

impl Publisher {
    /// A publisher of these lanes.
    pub(super) fn new(plain: Vec<u32>, kept: Vec<u32>) -> Self {
        Publisher { plain, kept, credit: 0.0 }
    }

    /// Publishes as much as the time that has passed allows.
    pub(super) fn publish(
        &mut self,
        member: &mut Member,
        ledger: &mut Ledger,
        rng: &mut Rng,
        passed_ms: u64,
    ) {
        self.credit = (self.credit + passed_ms as f64 / 1000.0 * MESSAGES_PER_SECOND).min(BURST);
        while self.credit >= 1.0 && member.has_room(IN_FLIGHT) {
            self.credit -= 1.0;
            let is_kept = rng.u8(..100) < 20;
            let lanes = if is_kept { &self.kept } else { &self.plain };
            let lane = lanes[rng.usize(..lanes.len())];
            let is_clear = is_kept && rng.u8(..100) < 15;
            let message = write(ledger, lane, is_kept, is_clear);
            let is_sent = member.publish(message);
            debug_assert!(is_sent, "there is room");
        }
    }

    /// Takes in what the broker said.
    pub(super) fn hear(&mut self, member: &Member, heard: Heard, ledger: &mut Ledger, report: &mut Report) {
        match heard {
            Heard::Connected { session_present: true } => {
                ledger.resend(&self.plain);
                ledger.resend(&self.kept);
            }
            Heard::Acknowledged { lane, number, refused: None } => ledger.acknowledge(lane, number),
            Heard::Acknowledged { lane, number, refused: Some(reason) } => {
                ledger.set(lane, number, State::GivenUp);
                let what = format!("a message of {} was refused: {reason}", member.name);
                report.add(Violation::new(Check::Protocol, what));
            }
            Heard::GivenUp { lane, number }
                if ledger.note(lane, number).is_some_and(|note| note.state == State::Sent) =>
            {
                ledger.set(lane, number, State::GivenUp);
            }
            _ => {}
        }
    }
}

/// Writes the next message of a lane into the ledger, and makes it.
pub(super) fn write(ledger: &mut Ledger, lane: u32, retain: bool, is_clear: bool) -> Message {
    let number = ledger.send(lane, is_clear);
    let (topic, qos) =
        ledger.lane(lane).map_or(("".into(), QoS::AtMostOnce), |lane| (Rc::clone(&lane.topic), lane.qos));
    let payload = if is_clear { Vec::new() } else { ledger::payload(lane, number) };
    Message { lane, number, topic, qos, retain, payload }
}
