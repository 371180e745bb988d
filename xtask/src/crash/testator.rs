//! A client with a will, and what must become of it.
//!
//! Each connection has a will of its own, numbered in the client's lane.

use vaux_mqtt::QoS;

use super::ledger::{self, Ledger, State};
use super::member::{Heard, Member, Testament};

/// What is known about the wills of one client.
#[derive(Debug)]
pub(super) struct Testator {
    lane: u32,
    pub(super) delay_s: u32,
    is_retained: bool,
    /// The will of the latest CONNECT.
    number: Option<u64>,
    /// Whether that CONNECT was answered and the connection has not ended.
    is_armed: bool,
    /// The delayed will of the connection before, which a timely return takes back.
    pending: Option<Pending>,
    /// Wills that a goodbye took back, which a crash may have undone.
    revoked: Vec<u64>,
}

#[derive(Clone, Copy, Debug)]
struct Pending {
    number: u64,
    /// When it is due at the earliest, and at the latest: a broker that was killed begins to count when it starts, one
    /// that ended in good order had begun before.
    earliest_ms: u64,
    latest_ms: u64,
}

/// How much later than due a will may be published.
const SLACK_MS: u64 = 2000;

impl Testator {
    /// A client whose wills are the messages of `lane`.
    pub(super) fn new(lane: u32, delay_s: u32, is_retained: bool) -> Self {
        Testator {
            lane,
            delay_s,
            is_retained,
            number: None,
            is_armed: false,
            pending: None,
            revoked: Vec::new(),
        }
    }

    /// Writes the will for the next CONNECT.
    pub(super) fn write_will(&mut self, member: &mut Member, ledger: &mut Ledger) {
        let number = ledger.send(self.lane, false);
        self.number = Some(number);
        self.is_armed = false;
        let (topic, qos) = ledger
            .lane(self.lane)
            .map_or(("".into(), QoS::AtMostOnce), |lane| (lane.topic.clone(), lane.qos));
        let payload = ledger::payload(self.lane, number);
        member.settings.will =
            Some(Testament { topic, qos, payload, delay_s: self.delay_s, retain: self.is_retained });
    }

    /// Takes in what the broker said.
    pub(super) fn hear(&mut self, heard: &Heard, ledger: &mut Ledger, now_ms: u64) {
        let (Heard::Connected { .. }, Some(number)) = (heard, self.number) else { return };
        self.is_armed = true;
        ledger.set(self.lane, number, State::Forbidden);
        let Some(Pending { number, earliest_ms, latest_ms }) = self.pending.take() else { return };
        if now_ms < earliest_ms {
            ledger.set(self.lane, number, State::Forbidden);
        } else if now_ms < latest_ms + SLACK_MS {
            ledger.set(self.lane, number, State::GivenUp);
        }
    }

    /// The connection was lost at `lost_ms`: the will is due, at once or after its delay.
    pub(super) fn lose(&mut self, ledger: &mut Ledger, lost_ms: u64) {
        let Some(number) = self.number.filter(|_| self.is_armed) else { return };
        self.is_armed = false;
        ledger.set(self.lane, number, State::Owed);
        if self.delay_s > 0 {
            let due_ms = lost_ms + u64::from(self.delay_s) * 1000;
            ledger.set_not_before(self.lane, number, due_ms);
            self.pending = Some(Pending { number, earliest_ms: due_ms, latest_ms: due_ms });
        }
    }

    /// The broker began anew at `now_ms`, and counts delays from there.
    pub(super) fn broker_started(&mut self, now_ms: u64) {
        if let Some(pending) = &mut self.pending {
            pending.latest_ms = now_ms + u64::from(self.delay_s) * 1000;
        }
    }

    /// The client said goodbye. Nobody acknowledges that, so a crash may undo it.
    pub(super) fn revoke(&mut self, ledger: &mut Ledger) {
        let Some(number) = self.number.filter(|_| self.is_armed) else { return };
        self.is_armed = false;
        ledger.set(self.lane, number, State::GivenUp);
        self.revoked.push(number);
    }

    /// All has settled: a revoked will that no crash has brought back must not come any more.
    pub(super) fn conclude(&mut self, ledger: &mut Ledger, has_come: impl Fn(u32, u64) -> bool) {
        for number in self.revoked.drain(..) {
            if !has_come(self.lane, number) {
                ledger.set(self.lane, number, State::Forbidden);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use vaux_mqtt::Version;

    use super::*;
    use crate::crash::member::Connecting;

    const CONNECTED: Heard = Heard::Connected { session_present: true };

    struct Case {
        ledger: Ledger,
        member: Member,
        testator: Testator,
    }

    /// A client with a will that is connected.
    fn connected(delay_s: u32) -> Case {
        let mut ledger = Ledger::default();
        let lane = ledger.add_lane("w", "will/w", QoS::AtLeastOnce, true);
        let mut member = Member::new("w", Connecting::new(Version::V5, 60));
        let mut testator = Testator::new(lane, delay_s, false);
        testator.write_will(&mut member, &mut ledger);
        assert_eq!(ledger.note(lane, 0).unwrap().state, State::Sent);
        testator.hear(&CONNECTED, &mut ledger, 0);
        Case { ledger, member, testator }
    }

    impl Case {
        fn state(&self) -> State {
            self.ledger.note(0, 0).unwrap().state
        }

        fn return_at(&mut self, now_ms: u64) {
            self.testator.write_will(&mut self.member, &mut self.ledger);
            self.testator.hear(&CONNECTED, &mut self.ledger, now_ms);
        }
    }

    #[test]
    fn a_will_is_due_when_the_connection_is_lost_and_stays_due() {
        let mut case = connected(0);
        assert_eq!(case.state(), State::Forbidden);
        case.testator.lose(&mut case.ledger, 10);
        case.return_at(20);
        assert_eq!(case.state(), State::Owed);
    }

    #[test]
    fn a_return_within_the_delay_takes_the_will_back() {
        let mut case = connected(1);
        case.testator.lose(&mut case.ledger, 10);
        assert_eq!(case.ledger.note(0, 0).unwrap().not_before_ms, 1010);
        case.return_at(1009);
        assert_eq!(case.state(), State::Forbidden);
    }

    #[test]
    fn a_return_while_a_broker_that_was_away_may_count_anew_says_nothing() {
        let mut case = connected(1);
        case.testator.lose(&mut case.ledger, 10);
        case.testator.broker_started(500);
        case.return_at(1500 + SLACK_MS - 1);
        assert_eq!(case.state(), State::GivenUp);
    }

    #[test]
    fn a_late_return_changes_nothing() {
        let mut case = connected(1);
        case.testator.lose(&mut case.ledger, 10);
        case.return_at(1010 + SLACK_MS);
        assert_eq!(case.state(), State::Owed);
    }

    #[test]
    fn a_revoked_will_is_forbidden_once_all_has_settled_without_it() {
        for (has_come, state) in [(false, State::Forbidden), (true, State::GivenUp)] {
            let mut case = connected(0);
            case.testator.revoke(&mut case.ledger);
            assert_eq!(case.state(), State::GivenUp);
            case.testator.conclude(&mut case.ledger, |_, _| has_come);
            assert_eq!(case.state(), state);
        }
    }
}
