//! Errands that take several workers: one letter goes from worker to worker, gathers what it is sent for, and comes back
//! to where it began. A worker that has nothing to add sends it on in the same turn.

use std::ops::Range;

use super::control::Ask;
use super::letter::Letter;
use super::survey::Survey;
use super::{ConnectionId, Core, WorkerId};
use crate::store::Sequence;
use crate::time::Time;

/// A letter that makes its round.
#[derive(Debug)]
pub struct Tour {
    origin: WorkerId,
    /// The workers that it has still to visit.
    ahead: Range<u16>,
    errand: Errand,
}

/// What it is sent for.
#[derive(Debug)]
pub(super) enum Errand {
    /// Figures of all workers.
    Survey(Box<Survey>),
    /// A request of an operator.
    Ask(Box<Ask>),
    /// Reports of sessions for a new subscription.
    Reports(Box<Reports>),
}

/// Reports of some of the sessions of one worker.
#[derive(Debug)]
pub(super) struct Reports {
    /// Who subscribed.
    pub(super) connection: ConnectionId,
    /// The filter, which has been checked.
    pub(super) filter: Box<str>,
    /// Where in the table of the worker to begin, and where to go on next time; `None`: that was all.
    pub(super) index: Option<usize>,
    /// Topics and payloads.
    pub(super) messages: Vec<(String, Vec<u8>)>,
}

impl Core {
    /// Sends an errand to some workers in turn, and then back here.
    pub(super) fn send_on_tour(&mut self, now: Time, workers: Range<u16>, errand: Errand) {
        let tour = Tour { origin: self.worker, ahead: workers, errand };
        self.handle_tour(now, Box::new(tour));
    }

    /// A letter comes by: it is served, and sent on.
    pub(super) fn handle_tour(&mut self, now: Time, mut tour: Box<Tour>) {
        while !tour.is_satisfied() && tour.ahead.start < tour.ahead.end {
            let next = WorkerId(tour.ahead.start);
            if next != self.worker {
                return self.post(next, Letter::Tour(tour));
            }
            tour.ahead.start += 1;
            let needs = self.serve_tour(now, &mut tour.errand);
            if needs > self.durable {
                // Whoever asked may rely on what was done.
                return self.held_tours.push_back((needs, tour));
            }
        }
        match tour.origin == self.worker {
            true => self.finish_tour(now, tour.errand),
            false => self.post(tour.origin, Letter::Tour(tour)),
        }
    }

    /// Sends on what waited for the store.
    pub(super) fn release_tours(&mut self, now: Time) {
        while let Some((_, tour)) = self.held_tours.pop_front_if(|(needs, _)| *needs <= self.durable) {
            self.handle_tour(now, tour);
        }
    }

    /// Adds what this worker has. Says what has to be durable before the letter goes on.
    fn serve_tour(&mut self, now: Time, errand: &mut Errand) -> Sequence {
        match errand {
            Errand::Survey(survey) => self.serve_survey(now, survey),
            Errand::Ask(ask) => return self.serve_ask(now, ask),
            Errand::Reports(reports) => self.serve_reports(reports),
        }
        Sequence::NONE
    }

    fn finish_tour(&mut self, now: Time, errand: Errand) {
        match errand {
            Errand::Survey(survey) => self.finish_survey(now, *survey),
            Errand::Ask(ask) => self.finish_ask(now, *ask),
            Errand::Reports(reports) => self.finish_reports(now, *reports),
        }
    }
}

impl Tour {
    /// Whether there is no need to visit anybody else.
    fn is_satisfied(&self) -> bool {
        match &self.errand {
            Errand::Ask(ask) => ask.is_satisfied(),
            Errand::Survey(_) | Errand::Reports(_) => false,
        }
    }
}
