//! What was judged and what was found wrong, in words and as a table.

use std::fmt::{self, Display, Formatter};

/// What is judged: one row of the table each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Check {
    /// A message that was acknowledged reaches every subscriber.
    Delivered,
    /// A message with QoS 2 comes once; one with QoS 1 on one connection not more often than it was sent.
    Once,
    /// Messages of one publisher, topic and QoS come in their order.
    Order,
    /// What arrives was published, and is unchanged.
    Unchanged,
    /// A retained message is the last that was acknowledged, or a later one.
    Retained,
    /// A session is there when its client returns.
    SessionKept,
    /// A session that ran out is gone.
    SessionExpired,
    /// A session has the subscriptions that were acknowledged, and no others.
    Subscriptions,
    /// A will that is due is published, once and not before, and one that is not is not.
    Wills,
    /// The broker runs until it is ended, ends as it should and starts again.
    Process,
    /// The broker keeps to the protocol, and ends no connection without a reason.
    Protocol,
}

/// Every check, in the order of the table.
const ALL: [(Check, &str); 11] = [
    (Check::Delivered, "acknowledged messages delivered"),
    (Check::Once, "delivered once"),
    (Check::Order, "in order"),
    (Check::Unchanged, "as published"),
    (Check::Retained, "retained messages"),
    (Check::SessionKept, "sessions kept"),
    (Check::SessionExpired, "sessions expired as due"),
    (Check::Subscriptions, "subscriptions kept"),
    (Check::Wills, "wills, once and when due"),
    (Check::Process, "starts and ends"),
    (Check::Protocol, "connections kept to the protocol"),
];

/// Something that should not be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Violation {
    /// Which check it is about.
    pub(super) check: Check,
    /// What happened, as a sentence.
    pub(super) what: String,
    /// For how many times it stands.
    pub(super) count: u64,
}

impl Violation {
    /// One violation.
    pub(super) fn new(check: Check, what: impl Into<String>) -> Self {
        Violation { check, what: what.into(), count: 1 }
    }
}

/// How many violations of a round are told in words, for each check. What is left out is counted all the same.
const TOLD: usize = 4;

/// What has come together over the rounds.
#[derive(Debug, Default)]
pub(super) struct Report {
    judged: [u64; ALL.len()],
    violated: [u64; ALL.len()],
    /// Of this round, to be told.
    fresh: Vec<Violation>,
}

impl Report {
    /// Counts something that was judged and may or may not have been found in order.
    pub(super) fn judge(&mut self, check: Check, count: u64) {
        self.judged[row(check)] += count;
    }

    /// Takes down a violation.
    pub(super) fn add(&mut self, violation: Violation) {
        self.violated[row(violation.check)] += violation.count;
        self.fresh.push(violation);
    }

    /// The violations since the last time, in words, and how many there are in all.
    pub(super) fn take_words(&mut self) -> (Vec<String>, u64) {
        let fresh = std::mem::take(&mut self.fresh);
        let count = fresh.iter().map(|violation| violation.count).sum();
        let mut words = Vec::new();
        for (check, name) in ALL {
            let of_check: Vec<_> = fresh.iter().filter(|violation| violation.check == check).collect();
            words.extend(of_check.iter().take(TOLD).map(|violation| violation.what.clone()));
            if of_check.len() > TOLD {
                words.push(format!("and {} more: {name}", of_check.len() - TOLD));
            }
        }
        (words, count)
    }

    /// How many violations there were.
    pub(super) fn violations(&self) -> u64 {
        self.violated.iter().sum()
    }
}

fn row(check: Check) -> usize {
    ALL.iter().position(|(known, _)| *known == check).expect("every check has a row")
}

impl Display for Report {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        writeln!(formatter, "{:<34}{:>12}{:>12}", "", "judged", "violated")?;
        for (index, (_, name)) in ALL.iter().enumerate() {
            writeln!(formatter, "{name:<34}{:>12}{:>12}", self.judged[index], self.violated[index])?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_violation_is_counted_though_not_every_one_is_told() {
        let mut report = Report::default();
        report.judge(Check::Order, 50);
        for number in 0..30 {
            report.add(Violation::new(Check::Order, format!("number {number}")));
        }
        let (words, count) = report.take_words();
        assert_eq!((words.len(), count, report.violations()), (TOLD + 1, 30, 30));
        assert_eq!(words.last().unwrap(), "and 26 more: in order");
        assert_eq!(report.take_words(), (Vec::new(), 0));
        assert!(report.to_string().contains("in order                                    50          30\n"));
    }
}
