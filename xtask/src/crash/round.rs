//! One round after the other with one broker.

use std::time::{Duration, Instant};

use fastrand::Rng;
use rustix::process::Signal;

use super::cast;
use super::check::{self, Expiring};
use super::crowd::{Client, Crowd, Part};
use super::plan::Plan;
use super::process::{Ending, Process};
use super::report::{Check, Report, Violation};
use super::retained::KeptTopic;
use super::subscriber::Habit;
use crate::Outcome;
use crate::bench::peer::Peer;

/// A broker, its clients, and what is known about them.
#[derive(Debug)]
pub(super) struct Run {
    process: Process,
    crowd: Crowd,
    kept: Vec<KeptTopic>,
    rng: Rng,
    loses_batches: bool,
}

/// How long a step of the load takes.
const STEP: Duration = Duration::from_millis(2);

impl Run {
    /// Nothing has started yet.
    ///
    /// # Errors
    ///
    /// The system refuses a folder or an `epoll`.
    pub(super) fn new(peer: Peer, seed: u64, loses_batches: bool) -> Outcome<Self> {
        let mut rng = Rng::with_seed(seed);
        let (crowd, kept) = cast::assemble(rng.fork())?;
        Ok(Run { process: Process::new(peer)?, crowd, kept, rng, loses_batches })
    }

    /// What was found so far.
    pub(super) fn report(&self) -> &Report {
        &self.crowd.report
    }

    /// Runs so many rounds, and tells of each.
    ///
    /// # Errors
    ///
    /// The broker does not start or accepts no connection.
    pub(super) fn rounds(&mut self, rounds: u32) -> Outcome {
        self.start()?;
        self.crowd.connect_all(|_| true)?;
        self.crowd.settle()?;
        for round in 1..=rounds {
            let plan = Plan::draw(&mut self.rng, round, rounds);
            let outcome = self.round(round, &plan);
            if let Err(error) = &outcome {
                self.crowd.report.add(Violation::new(Check::Process, error.to_string()));
            }
            self.tell(round, &plan);
            outcome?;
        }
        self.process.kill()
    }

    fn tell(&mut self, round: u32, plan: &Plan) {
        let (words, count) = self.crowd.report.take_words();
        let checked = match (plan.is_hurried, plan.is_slow) {
            (true, _) => ", not looked at",
            (_, true) => ", waited for what becomes due",
            _ => "",
        };
        let broken = match plan.broken_starts.len() {
            0 => String::new(),
            count => format!(", {count} starts killed"),
        };
        let verdict = match count {
            0 => "right".to_owned(),
            1 => "1 VIOLATION".to_owned(),
            count => format!("{count} VIOLATIONS"),
        };
        println!(
            "round {round}: {} after {} ms{broken}{checked}; {} acknowledged so far: {verdict}",
            plan.ending.name(),
            plan.load.as_millis(),
            self.crowd.acknowledged_count(),
        );
        words.iter().for_each(|words| println!("    {words}"));
    }

    fn start(&mut self) -> Outcome<Instant> {
        let begun = Instant::now();
        self.crowd.report.judge(Check::Process, 1);
        let address = self.process.start()?.address;
        self.crowd.broker_started(address);
        if self.process.has_set_aside() {
            let what = "the broker found its store damaged";
            self.crowd.report.add(Violation::new(Check::Process, what));
        }
        Ok(begun)
    }

    fn round(&mut self, round: u32, plan: &Plan) -> Outcome {
        let broker = self.crowd.broker;
        let mut expiring = if plan.is_slow { Some(Expiring::begin(broker, round)?) } else { None };
        self.load(plan.load)?;
        // Before SIGTERM, or the broker would wait for them to close.
        let left = Instant::now();
        if plan.ending == Ending::Terminate {
            expiring.iter_mut().for_each(Expiring::lose);
        }
        self.end(plan)?;
        expiring.iter_mut().for_each(Expiring::lose);
        if self.loses_batches {
            println!("{} bytes are taken out of the store", self.process.lose_batch()?);
        }
        for after in &plan.broken_starts {
            self.process.start_and_kill(*after)?;
        }
        let begun = self.start()?;
        let ready = Instant::now();
        if let Some(expiring) = &mut expiring {
            let disconnected = if plan.ending == Ending::Terminate { left } else { begun };
            expiring.judge_early(self.crowd.broker, disconnected, &mut self.crowd.report)?;
        }
        if plan.is_hurried {
            return self.crowd.connect_all(|client| is_there(client, plan));
        }
        self.look(plan, ready, expiring)
    }

    /// Clients publish, come and go.
    fn load(&mut self, time: Duration) -> Outcome {
        let end = Instant::now() + time;
        while Instant::now() < end {
            self.crowd.act()?;
            self.crowd.turn(STEP)?;
            if let Some(words) = self.process.ended_by_itself() {
                self.crowd.broker_ends();
                self.crowd.report.add(Violation::new(Check::Process, words));
                return Ok(());
            }
        }
        Ok(())
    }

    fn end(&mut self, plan: &Plan) -> Outcome {
        let ending = if self.process.ended_by_itself().is_some() { Ending::Kill } else { plan.ending };
        match ending {
            Ending::Kill => {
                self.crowd.broker_ends();
                self.process.kill()?;
            }
            Ending::StopKill => {
                self.process.signal(Signal::STOP)?;
                self.load(plan.stopped)?;
                self.crowd.broker_ends();
                self.process.kill()?;
            }
            Ending::Terminate => {
                self.crowd.broker_ends();
                self.process.signal(Signal::TERM)?;
                let crowd = &mut self.crowd;
                let status = self.process.wait(|| crowd.turn(STEP))?;
                crowd.report.judge(Check::Process, 1);
                let wrong = match status {
                    Some(status) if status.success() => None,
                    Some(status) => Some(format!("after SIGTERM the broker ended with {status}")),
                    None => Some("the broker did not end after SIGTERM".to_owned()),
                };
                if let Some(wrong) = wrong {
                    crowd.report.add(Violation::new(Check::Process, wrong));
                }
            }
        }
        self.crowd.drain()
    }

    /// Everything returns, and everything is looked at.
    fn look(&mut self, plan: &Plan, ready: Instant, expiring: Option<Expiring>) -> Outcome {
        check::retained(self.crowd.broker, &mut self.crowd, &mut self.kept)?;
        self.crowd.connect_all(|client| is_there(client, plan))?;
        self.crowd.settle()?;
        check::subscriptions(self.crowd.broker, &mut self.crowd)?;
        if let Some(mut expiring) = expiring {
            expiring.judge_late(self.crowd.broker, ready, &mut self.crowd)?;
            // The will of the one that stays away is due by now.
            self.crowd.settle()?;
            self.crowd.connect_all(|client| client.member.name == cast::STAYS_AWAY)?;
            self.crowd.settle()?;
        }
        self.crowd.conclude();
        for index in 0..self.crowd.clients.len() {
            if is_seldom(&self.crowd.clients[index]) {
                self.crowd.say_goodbye(index);
            }
        }
        Ok(())
    }
}

fn is_there(client: &Client, plan: &Plan) -> bool {
    let stays_away = plan.is_slow && client.member.name == cast::STAYS_AWAY;
    !stays_away && (plan.is_visited || !is_seldom(client))
}

fn is_seldom(client: &Client) -> bool {
    matches!(&client.part, Part::Subscriber(subscriber) if subscriber.habit == Habit::Seldom)
}
