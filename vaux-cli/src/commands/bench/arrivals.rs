//! What arrived: for each publisher and each place where its messages are to arrive, whether all did, once and in order.

use std::collections::HashMap;

use super::sequence::{Faults, Sequence};
use super::shape::{Flow, Shape};
use super::stamp::Stamp;

/// What arrived at all subscribers of a run.
#[derive(Debug)]
pub(super) struct Arrivals {
    kind: Kind,
    publishers: usize,
    run: u32,
    /// Messages of other runs, or of nobody's.
    foreign: u64,
    /// Messages that came to a subscriber that is not to have them.
    stray: u64,
}

#[derive(Debug)]
enum Kind {
    /// By subscriber, which is also the publisher.
    Pairs(Vec<Sequence>),
    /// By subscriber and publisher.
    Everybody(Vec<Sequence>),
    /// By publisher; and by member and publisher the number that has to come next at least.
    Group { sequences: Vec<Sequence>, next: Vec<u64>, out_of_order: u64 },
    /// By subscriber, run and publisher, of which there are no more than so many.
    Anybody(HashMap<(usize, u32, u32), Sequence>),
}

/// Of more publishers than this the numbers are not checked where anybody may publish.
const MAX_STRANGERS: usize = 100_000;

/// What a message turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Arrival {
    /// One of those that are waited for.
    Expected,
    /// One that came before.
    Repeated,
    /// Somebody else's.
    Foreign,
}

impl Arrivals {
    /// Nothing has arrived yet.
    pub(super) fn new(shape: &Shape, run: u32) -> Arrivals {
        let sequences = |count: usize| (0..count).map(|_| Sequence::default()).collect();
        let pairs = shape.publishers * shape.subscribers;
        let kind = match shape.flow {
            Flow::Pairs => Kind::Pairs(sequences(shape.publishers)),
            Flow::Nobody | Flow::Everybody => Kind::Everybody(sequences(pairs)),
            Flow::Group => {
                Kind::Group { sequences: sequences(shape.publishers), next: vec![0; pairs], out_of_order: 0 }
            }
            Flow::Anybody => Kind::Anybody(HashMap::new()),
        };
        Arrivals { kind, publishers: shape.publishers, run, foreign: 0, stray: 0 }
    }

    /// Notes what came to a subscriber. `None` stands for a message without a stamp.
    pub(super) fn note(&mut self, subscriber: usize, stamp: Option<&Stamp>) -> Arrival {
        let Some(stamp) = stamp else {
            let anybody = matches!(self.kind, Kind::Anybody(_));
            return if anybody { Arrival::Expected } else { self.note_foreign() };
        };
        let publisher = stamp.publisher as usize;
        let is_ours = stamp.run == self.run && publisher < self.publishers;
        let key = (subscriber, stamp.run, stamp.publisher);
        let sequence = match &mut self.kind {
            Kind::Anybody(sequences) if sequences.len() < MAX_STRANGERS || sequences.contains_key(&key) => {
                sequences.entry(key).or_insert_with(|| Sequence::from(stamp.number))
            }
            Kind::Anybody(_) => return Arrival::Expected,
            _ if !is_ours => return self.note_foreign(),
            Kind::Pairs(_) if publisher != subscriber => {
                self.stray += 1;
                return Arrival::Repeated;
            }
            Kind::Pairs(sequences) => &mut sequences[publisher],
            Kind::Everybody(sequences) => &mut sequences[subscriber * self.publishers + publisher],
            Kind::Group { sequences, next, out_of_order } => {
                let next = &mut next[subscriber * self.publishers + publisher];
                *out_of_order += u64::from(stamp.number < *next);
                *next = stamp.number.saturating_add(1);
                &mut sequences[publisher]
            }
        };
        if sequence.arrived(stamp.number) { Arrival::Expected } else { Arrival::Repeated }
    }

    /// Counts a message that has nothing to do with this run.
    pub(super) fn note_foreign(&mut self) -> Arrival {
        self.foreign += 1;
        Arrival::Foreign
    }

    /// How many messages of a publisher have reached all of the subscribers that `is_there`.
    pub(super) fn slowest(&self, publisher: usize, is_there: impl Fn(usize) -> bool) -> u64 {
        match &self.kind {
            Kind::Pairs(sequences) => sequences[publisher].next(),
            Kind::Everybody(sequences) => {
                let of_publisher = sequences.iter().skip(publisher).step_by(self.publishers).enumerate();
                let there = of_publisher.filter(|(subscriber, _)| is_there(*subscriber));
                there.map(|(_, sequence)| sequence.next()).min().unwrap_or(0)
            }
            Kind::Group { sequences, .. } => sequences[publisher].received(),
            Kind::Anybody(_) => 0,
        }
    }

    /// Messages that were not counted, since they are of another run.
    pub(super) fn foreign(&self) -> u64 {
        self.foreign
    }

    /// Messages that came to a subscriber that is not to have them.
    pub(super) fn stray(&self) -> u64 {
        self.stray
    }

    /// The faults, once everything that was ever to arrive has arrived; `sent` tells how many messages a publisher sent.
    pub(super) fn faults(&self, sent: impl Fn(usize) -> u64) -> Faults {
        let mut faults = Faults::default();
        match &self.kind {
            Kind::Pairs(sequences) | Kind::Everybody(sequences) => {
                for (index, sequence) in sequences.iter().enumerate() {
                    faults += sequence.faults(sent(index % self.publishers));
                }
            }
            Kind::Group { sequences, out_of_order, .. } => {
                for (publisher, sequence) in sequences.iter().enumerate() {
                    faults += sequence.faults(sent(publisher));
                }
                // Members are not in step with each other: what counts is the order at each.
                faults.out_of_order = *out_of_order;
            }
            // What comes behind the last one that arrived is not known.
            Kind::Anybody(sequences) => {
                sequences.values().for_each(|sequence| faults += sequence.faults(0));
            }
        }
        faults
    }
}

#[cfg(test)]
mod tests {
    use super::super::shape::Mode;
    use super::*;

    const RUN: u32 = 3;

    fn arrivals(mode: Mode) -> Arrivals {
        Arrivals::new(&mode.shape(2, 2, 1, "base".into()), RUN)
    }

    /// Notes messages, each as subscriber, publisher and number.
    fn note(arrivals: &mut Arrivals, messages: &[(usize, u32, u64)]) -> Vec<Arrival> {
        let stamp = |publisher, number| Stamp { run: RUN, publisher, number, due_ns: 0 };
        let noted = messages.iter().map(|&(to, from, number)| arrivals.note(to, Some(&stamp(from, number))));
        noted.collect()
    }

    fn faults(arrivals: &Arrivals, sent: u64) -> (u64, u64, u64) {
        let faults = arrivals.faults(|_| sent);
        (faults.lost, faults.duplicated, faults.out_of_order)
    }

    #[test]
    fn a_pair_has_messages_of_its_own() {
        let mut arrivals = arrivals(Mode::E2e);
        note(&mut arrivals, &[(0, 0, 0), (1, 1, 0), (1, 0, 1), (0, 0, 2)]);
        assert_eq!((arrivals.stray(), faults(&arrivals, 3)), (1, (1 + 2, 0, 0)));
        assert_eq!(arrivals.slowest(0, |_| true), 3);
    }

    #[test]
    fn everybody_is_to_get_everything() {
        let mut arrivals = arrivals(Mode::Fanout);
        note(&mut arrivals, &[(0, 0, 0), (0, 0, 1), (1, 0, 1), (1, 0, 0)]);
        assert_eq!(faults(&arrivals, 2), (0, 0, 1));
        assert_eq!(arrivals.slowest(0, |_| true), 2);
        note(&mut arrivals, &[(0, 0, 2)]);
        assert_eq!(
            (arrivals.slowest(0, |_| true), arrivals.slowest(0, |subscriber| subscriber == 0)),
            (2, 3)
        );
    }

    #[test]
    fn a_group_gets_everything_once_and_each_member_in_order() {
        let mut arrivals = arrivals(Mode::Shared);
        let noted = note(&mut arrivals, &[(0, 0, 0), (1, 0, 3), (0, 0, 2), (1, 0, 1), (0, 0, 3)]);
        assert_eq!(noted[4], Arrival::Repeated);
        assert_eq!(faults(&arrivals, 4), (4, 1, 1));
        assert_eq!(arrivals.slowest(0, |_| true), 4);
    }

    #[test]
    fn messages_of_other_runs_are_not_counted() {
        let mut arrivals = arrivals(Mode::E2e);
        let other = Stamp { run: RUN + 1, publisher: 0, number: 0, due_ns: 0 };
        assert_eq!(arrivals.note(0, Some(&other)), Arrival::Foreign);
        assert_eq!(arrivals.note(0, Some(&Stamp { run: RUN, publisher: 9, ..other })), Arrival::Foreign);
        assert_eq!(arrivals.note(0, None), Arrival::Foreign);
        assert_eq!((arrivals.foreign(), faults(&arrivals, 0)), (3, (0, 0, 0)));
    }

    #[test]
    fn strangers_count_from_their_first_message() {
        let mut arrivals = arrivals(Mode::Sub);
        note(&mut arrivals, &[(0, 5, 100), (0, 5, 102), (1, 5, 101)]);
        assert_eq!(faults(&arrivals, 0), (1, 0, 0));
    }
}
