//! Whether the messages of one publisher reach one subscriber completely, once and in order.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

/// What went wrong on the way. All zero is the only good result.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Faults {
    /// Messages that never arrived.
    pub(crate) lost: u64,
    /// Messages that arrived again.
    pub(crate) duplicated: u64,
    /// Messages that arrived after a later one, and acknowledgements out of turn.
    pub(crate) out_of_order: u64,
}

impl Faults {
    /// Whether anything went wrong.
    pub(crate) fn any(&self) -> bool {
        *self != Faults::default()
    }
}

impl std::ops::AddAssign for Faults {
    fn add_assign(&mut self, other: Faults) {
        self.lost += other.lost;
        self.duplicated += other.duplicated;
        self.out_of_order += other.out_of_order;
    }
}

/// The messages of one publisher as one subscriber sees them.
#[derive(Debug, Default)]
pub(crate) struct Sequence {
    next: u64,
    missing: BTreeSet<u64>,
    overlooked: u64,
    faults: Faults,
}

/// Gaps wider than this are counted and not remembered, so that a stray number cannot fill the memory.
const MAX_GAP: u64 = 1 << 20;

impl Sequence {
    /// Notes the arrival of message `number`.
    pub(crate) fn arrived(&mut self, number: u64) {
        if number == self.next {
            self.next += 1;
        } else {
            self.arrived_out_of_turn(number);
        }
    }

    #[cold]
    fn arrived_out_of_turn(&mut self, number: u64) {
        if number > self.next {
            let remembered = number.min(self.next + MAX_GAP);
            self.overlooked += number - remembered;
            self.missing.extend(self.next..remembered);
            self.next = number + 1;
        } else if self.missing.remove(&number) {
            self.faults.out_of_order += 1;
        } else {
            self.faults.duplicated += 1;
        }
    }

    /// One more than the highest number that arrived.
    pub(crate) fn next(&self) -> u64 {
        self.next
    }

    /// The faults, once everything that was ever to arrive has arrived, and `sent` messages were sent.
    pub(crate) fn faults(&self, sent: u64) -> Faults {
        let lost = self.missing.len() as u64 + self.overlooked + sent.saturating_sub(self.next);
        Faults { lost, ..self.faults }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults_of(arrivals: &[u64], sent: u64) -> (u64, u64, u64) {
        let mut sequence = Sequence::default();
        arrivals.iter().for_each(|&number| sequence.arrived(number));
        let faults = sequence.faults(sent);
        (faults.lost, faults.duplicated, faults.out_of_order)
    }

    #[test]
    fn a_whole_sequence_has_no_faults() {
        assert_eq!(faults_of(&[0, 1, 2, 3], 4), (0, 0, 0));
    }

    #[test]
    fn a_gap_and_a_missing_end_are_lost() {
        assert_eq!(faults_of(&[0, 2, 3], 6), (3, 0, 0));
    }

    #[test]
    fn a_late_message_is_out_of_order_and_not_lost() {
        assert_eq!(faults_of(&[0, 2, 1, 3], 4), (0, 0, 1));
    }

    #[test]
    fn a_second_arrival_is_a_duplicate() {
        assert_eq!(faults_of(&[0, 1, 1, 0], 2), (0, 2, 0));
        assert_eq!(faults_of(&[1, 0, 0], 2), (0, 1, 1));
    }

    #[test]
    fn a_gap_without_measure_is_counted_and_not_stored() {
        let mut sequence = Sequence::default();
        sequence.arrived(1 << 40);
        assert_eq!(sequence.faults(0).lost, 1 << 40);
        assert_eq!(sequence.missing.len() as u64, MAX_GAP);
    }
}
