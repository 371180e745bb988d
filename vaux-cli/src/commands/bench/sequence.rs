//! Whether messages that are numbered arrive completely, once and in order.

use std::collections::BTreeSet;

/// What went wrong on the way. All zero is the only good result.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Faults {
    /// Messages that never arrived.
    pub(super) lost: u64,
    /// Messages that arrived again.
    pub(super) duplicated: u64,
    /// Messages that arrived after a later one.
    pub(super) out_of_order: u64,
}

impl std::ops::AddAssign for Faults {
    fn add_assign(&mut self, other: Faults) {
        self.lost += other.lost;
        self.duplicated += other.duplicated;
        self.out_of_order += other.out_of_order;
    }
}

/// The messages of one publisher as they arrive in one place.
#[derive(Debug, Default)]
pub(super) struct Sequence {
    /// Those before it were not to arrive here.
    first: u64,
    /// One more than the highest number that arrived.
    next: u64,
    missing: BTreeSet<u64>,
    /// Missing numbers that are not remembered.
    overlooked: u64,
    duplicated: u64,
    out_of_order: u64,
}

/// More missing numbers than this are counted and not remembered, so that nothing fills the memory.
const MAX_MISSING: u64 = 1 << 20;

impl Sequence {
    /// A sequence that somebody listens to from `number` on.
    pub(super) fn from(number: u64) -> Sequence {
        Sequence { first: number, next: number, ..Sequence::default() }
    }

    /// Notes the arrival of message `number`, and says whether it is there for the first time.
    pub(super) fn arrived(&mut self, number: u64) -> bool {
        if number == self.next {
            self.next += 1;
            return true;
        }
        self.arrived_out_of_turn(number)
    }

    fn arrived_out_of_turn(&mut self, number: u64) -> bool {
        if number > self.next {
            let room = MAX_MISSING.saturating_sub(self.missing.len() as u64);
            let remembered = number.min(self.next + room);
            self.overlooked += number - remembered;
            self.missing.extend(self.next..remembered);
            self.next = number.saturating_add(1);
            return true;
        }
        let is_new = self.missing.remove(&number);
        if is_new {
            self.out_of_order += 1;
        } else {
            self.duplicated += 1;
        }
        is_new
    }

    /// One more than the highest number that arrived.
    pub(super) fn next(&self) -> u64 {
        self.next
    }

    /// How many different messages arrived.
    pub(super) fn received(&self) -> u64 {
        self.next - self.first - self.missing.len() as u64 - self.overlooked
    }

    /// The faults, once everything that was ever to arrive has arrived, and `sent` messages were sent.
    pub(super) fn faults(&self, sent: u64) -> Faults {
        let lost = self.missing.len() as u64 + self.overlooked + sent.saturating_sub(self.next);
        Faults { lost, duplicated: self.duplicated, out_of_order: self.out_of_order }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults_of(arrivals: &[u64], sent: u64) -> (u64, u64, u64) {
        let mut sequence = Sequence::default();
        let news = arrivals.iter().filter(|&&number| sequence.arrived(number)).count() as u64;
        assert_eq!(sequence.received(), news);
        let faults = sequence.faults(sent);
        assert_eq!(news + faults.lost, sent.max(sequence.next()));
        (faults.lost, faults.duplicated, faults.out_of_order)
    }

    #[test]
    fn what_is_missing_late_or_there_twice_is_told_apart() {
        assert_eq!(faults_of(&[0, 1, 2, 3], 4), (0, 0, 0));
        assert_eq!(faults_of(&[0, 2, 3], 6), (3, 0, 0));
        assert_eq!(faults_of(&[0, 2, 1, 3], 4), (0, 0, 1));
        assert_eq!(faults_of(&[0, 1, 1, 0], 2), (0, 2, 0));
        assert_eq!(faults_of(&[1, 0, 0], 2), (0, 1, 1));
        assert_eq!(faults_of(&[], 2), (2, 0, 0));
    }

    #[test]
    fn what_came_before_the_first_is_not_missing() {
        let mut sequence = Sequence::from(7);
        assert!(sequence.arrived(7) && sequence.arrived(9));
        assert_eq!((sequence.received(), sequence.faults(0).lost), (2, 1));
    }

    #[test]
    fn a_gap_without_measure_is_counted_and_not_stored() {
        let mut sequence = Sequence::default();
        sequence.arrived(1 << 40);
        sequence.arrived(1 << 41);
        assert_eq!(sequence.faults(0).lost, (1 << 41) - 1);
        assert_eq!(sequence.missing.len() as u64, MAX_MISSING);
        assert_eq!(sequence.received(), 2);
    }
}
