//! When messages are due: at a rate, on a schedule that nothing delays.
//!
//! Message n of all is due at the beginning plus n divided by the rate, however late the one before was. So a server
//! that stops for a second has the messages of that second wait, and their latencies show it.

/// A schedule that deals messages out to its members in turn.
#[derive(Clone, Copy, Debug)]
pub(super) struct Schedule {
    begins: u64,
    /// Messages a second of all members together.
    rate: f64,
    members: u64,
    /// How many have been dealt out.
    dealt: u64,
}

impl Schedule {
    /// A schedule that begins at a time in nanoseconds.
    pub(super) fn new(begins: u64, rate: f64, members: usize) -> Schedule {
        Schedule { begins, rate, members: members as u64, dealt: 0 }
    }

    /// Deals out what is due before `now`.
    pub(super) fn advance(&mut self, now: u64, mut deal: impl FnMut(usize)) {
        while self.next_due() <= now {
            deal((self.dealt % self.members) as usize);
            self.dealt += 1;
        }
    }

    /// When the next message is due that has not been dealt out.
    pub(super) fn next_due(&self) -> u64 {
        self.due(self.dealt)
    }

    /// When message `number` of a member is due.
    pub(super) fn due_of(&self, member: usize, number: u64) -> u64 {
        self.due(number * self.members + member as u64)
    }

    fn due(&self, number: u64) -> u64 {
        self.begins.saturating_add((number as f64 / self.rate * 1e9).round() as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_dealt_out_in_turn_when_they_are_due() {
        let mut schedule = Schedule::new(1_000, 1e9 / 10.0, 3);
        let mut dealt = Vec::new();
        schedule.advance(999, |member| dealt.push(member));
        assert!(dealt.is_empty());
        schedule.advance(1_035, |member| dealt.push(member));
        assert_eq!((dealt.as_slice(), schedule.next_due()), (&[0, 1, 2, 0][..], 1_040));
        let dues: Vec<_> = [(0, 0), (1, 0), (2, 0), (0, 1)].map(|(m, n)| schedule.due_of(m, n)).into();
        assert_eq!(dues, [1_000, 1_010, 1_020, 1_030]);
    }

    #[test]
    fn a_rate_below_one_is_one() {
        let mut schedule = Schedule::new(0, 0.5, 1);
        let mut count = 0;
        schedule.advance(3_999_999_999, |_| count += 1);
        assert_eq!(count, 2);
    }
}
