//! Clients that share a subscription: every message comes to one of them.

use vaux_mqtt::{PacketId, QoS};

use super::ledger::{self, Ledger, State};
use super::member::{Heard, Member};
use super::report::{Check, Report, Violation};
use super::subscriber::matches;

/// What all members together have received.
#[derive(Debug)]
pub(super) struct Group {
    /// For each lane: the first number that is looked at, and how often each number came. `None`: it is not subscribed to.
    received: Vec<Option<(u64, Vec<u32>)>>,
}

/// One member.
#[derive(Debug, Default)]
pub(super) struct Sharer {
    asked: Option<PacketId>,
    is_subscribed: bool,
}

/// The filter behind `$share/group/`.
const FILTER: &str = "t/#";

impl Group {
    /// A group that has received nothing.
    pub(super) fn new(ledger: &Ledger) -> Self {
        let lanes = ledger.lanes().iter();
        Group { received: lanes.map(|lane| matches(FILTER, &lane.topic).then(|| (0, Vec::new()))).collect() }
    }

    /// Looks at nothing that was sent up to now.
    fn begin(&mut self, ledger: &Ledger) {
        for (received, lane) in self.received.iter_mut().zip(ledger.lanes()) {
            if let Some((from, _)) = received {
                *from = lane.count();
            }
        }
    }

    fn receive(&mut self, name: &str, payload: &[u8], ledger: &Ledger) -> Result<(), Violation> {
        let strange = || Violation::new(Check::Unchanged, format!("{name} received what nobody sent there"));
        let (lane, number) = ledger::read_payload(payload).ok_or_else(strange)?;
        let (from, copies) =
            self.received.get_mut(lane as usize).and_then(Option::as_mut).ok_or_else(strange)?;
        ledger.note(lane, number).ok_or_else(strange)?;
        let index = number as usize;
        copies.resize(copies.len().max(index + 1), 0);
        copies[index] += 1;
        let lane = ledger.lane(lane).ok_or_else(strange)?;
        if number >= *from && copies[index] > 1 && lane.qos == QoS::ExactlyOnce {
            let what = format!("number {number} of {lane} came {} times to a group ({name})", copies[index]);
            return Err(Violation::new(Check::Once, what));
        }
        Ok(())
    }

    /// How many messages have to come still to one of the members.
    pub(super) fn owed(&self, ledger: &Ledger) -> u64 {
        (0..self.received.len()).map(|lane| self.owed_numbers(ledger, lane).len() as u64).sum()
    }

    fn owed_numbers(&self, ledger: &Ledger, lane: usize) -> Vec<u64> {
        let Some((from, copies)) = &self.received[lane] else { return Vec::new() };
        let notes = ledger.lanes()[lane].notes().iter().enumerate().skip(*from as usize);
        let is_owed =
            |index: usize, state| state == State::Owed && copies.get(index).is_none_or(|copies| *copies == 0);
        notes.filter(|(index, note)| is_owed(*index, note.state)).map(|(index, _)| index as u64).collect()
    }

    /// Gives up what is owed, and reports it.
    pub(super) fn declare_lost(&mut self, ledger: &Ledger, report: &mut Report) {
        for (index, lane) in ledger.lanes().iter().enumerate() {
            let lost = self.owed_numbers(ledger, index);
            let (Some(first), Some(last)) = (lost.first(), lost.last()) else { continue };
            let count = lost.len() as u64;
            let what = format!(
                "{count} of {lane} (numbers {first} to {last}), acknowledged, came to none of a group"
            );
            report.judge(Check::Delivered, count);
            report.add(Violation { check: Check::Delivered, what, count });
            if let Some((from, _)) = &mut self.received[index] {
                *from = last + 1;
            }
        }
    }
}

impl Sharer {
    /// Takes in what the broker said.
    pub(super) fn hear(
        &mut self,
        member: &mut Member,
        heard: &Heard,
        group: &mut Group,
        ledger: &Ledger,
        report: &mut Report,
    ) {
        match heard {
            Heard::Connected { session_present } => {
                if !session_present && self.is_subscribed {
                    // What its session had for the group is gone with it.
                    group.declare_lost(ledger, report);
                    self.is_subscribed = false;
                }
                if !self.is_subscribed {
                    let filters = [(format!("$share/group/{FILTER}"), QoS::ExactlyOnce)];
                    self.asked = member.subscribe(&filters, None, false);
                }
            }
            Heard::Subscribed { packet_id, .. } if self.asked == Some(*packet_id) => {
                self.asked = None;
                self.is_subscribed = true;
                group.begin(ledger);
            }
            Heard::Message { payload, .. } => {
                report.judge(Check::Once, 1);
                if let Err(violation) = group.receive(&member.name, payload, ledger) {
                    report.add(violation);
                }
            }
            _ => {}
        }
    }

    /// Whether SUBSCRIBE was answered.
    pub(super) fn is_subscribed(&self) -> bool {
        self.is_subscribed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_must_come_to_one_member_and_with_qos_2_to_one_only() {
        let mut ledger = Ledger::default();
        let lane = ledger.add_lane("p", "t/p", QoS::ExactlyOnce, false);
        let other = ledger.add_lane("p", "other", QoS::ExactlyOnce, false);
        let mut group = Group::new(&ledger);
        for lane in [lane, other] {
            ledger.send(lane, false);
            ledger.acknowledge(lane, 0);
        }
        assert_eq!(group.owed(&ledger), 1);
        let payload = ledger::payload(lane, 0);
        assert_eq!(group.receive("a", &payload, &ledger), Ok(()));
        assert_eq!(group.owed(&ledger), 0);
        assert_eq!(group.receive("b", &payload, &ledger).unwrap_err().check, Check::Once);
        let strange = ledger::payload(other, 0);
        assert_eq!(group.receive("b", &strange, &ledger).unwrap_err().check, Check::Unchanged);
    }

    #[test]
    fn what_came_to_nobody_is_told_once() {
        let mut ledger = Ledger::default();
        let lane = ledger.add_lane("p", "t/p", QoS::AtLeastOnce, false);
        let mut group = Group::new(&ledger);
        ledger.send(lane, false);
        ledger.acknowledge(lane, 0);
        let mut report = Report::default();
        group.declare_lost(&ledger, &mut report);
        group.declare_lost(&ledger, &mut report);
        assert_eq!((report.violations(), group.owed(&ledger)), (1, 0));
    }
}
