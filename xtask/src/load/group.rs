//! Whether the messages of one publisher reach the members of a shared subscription completely and once.

use std::collections::VecDeque;

use super::sequence::Faults;

/// The messages of one publisher as all members together see them. Their order among members is nobody's promise.
#[derive(Debug, Default)]
pub(super) struct Union {
    /// All before this one have arrived.
    first: u64,
    /// Which have arrived from there on.
    arrived: VecDeque<bool>,
    /// How many different messages have arrived.
    count: u64,
    duplicated: u64,
}

/// A message so far ahead of the first that is missing was never sent: publishers wait.
const MAX_AHEAD: u64 = 1 << 20;

impl Union {
    /// Notes the arrival of message `number` at any member.
    ///
    /// # Errors
    ///
    /// The message cannot have been sent.
    pub(super) fn arrived(&mut self, number: u64) -> Result<(), &'static str> {
        let Some(place) = number.checked_sub(self.first) else {
            self.duplicated += 1;
            return Ok(());
        };
        if place > MAX_AHEAD {
            return Err("a message came that was not sent");
        }
        let place = place as usize;
        if place >= self.arrived.len() {
            self.arrived.resize(place + 1, false);
        }
        if std::mem::replace(&mut self.arrived[place], true) {
            self.duplicated += 1;
        } else {
            self.count += 1;
        }
        while self.arrived.front() == Some(&true) {
            self.arrived.pop_front();
            self.first += 1;
        }
        Ok(())
    }

    /// How many different messages have arrived.
    pub(super) fn count(&self) -> u64 {
        self.count
    }

    /// The faults, once everything that was ever to arrive has arrived, and `sent` messages were sent.
    pub(super) fn faults(&self, sent: u64) -> Faults {
        Faults { lost: sent.saturating_sub(self.count), duplicated: self.duplicated, ..Faults::default() }
    }
}

/// The messages of one publisher as one member sees them: some of them, each later than the one before.
#[derive(Debug, Default)]
pub(super) struct Rising {
    next: u64,
    out_of_order: u64,
}

impl Rising {
    /// Notes the arrival of message `number` at this member.
    pub(super) fn arrived(&mut self, number: u64) {
        if number < self.next {
            self.out_of_order += 1;
        } else {
            self.next = number + 1;
        }
    }

    /// Messages that came after a later one.
    pub(super) fn out_of_order(&self) -> u64 {
        self.out_of_order
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn union(arrivals: &[u64]) -> Union {
        let mut union = Union::default();
        arrivals.iter().for_each(|&number| union.arrived(number).unwrap());
        union
    }

    #[test]
    fn what_any_member_got_has_arrived() {
        let union = union(&[0, 4, 8, 1, 5, 2, 3, 6, 7]);
        assert_eq!((union.count(), union.first, union.faults(9)), (9, 9, Faults::default()));
        assert_eq!(union.faults(10).lost, 1);
    }

    #[test]
    fn what_two_members_got_is_doubled() {
        let union = union(&[0, 2, 2, 0]);
        assert_eq!((union.count(), union.faults(3)), (2, Faults { lost: 1, duplicated: 2, out_of_order: 0 }));
    }

    #[test]
    fn what_was_never_sent_is_an_error_and_not_stored() {
        assert!(Union::default().arrived(u64::MAX).is_err());
    }

    #[test]
    fn one_member_sees_later_messages_later() {
        let mut rising = Rising::default();
        [0, 3, 9, 4, 10].into_iter().for_each(|number| rising.arrived(number));
        assert_eq!(rising.out_of_order(), 1);
    }
}
