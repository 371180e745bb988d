//! The measured part of a run: what the accounts said when it began, and what they say when it ends.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::commits::Commits;
use super::{Arguments, Measurement};
use crate::{Outcome, account};

/// The phases of a run, by the clock.
#[derive(Debug)]
pub(super) struct Window {
    sources: Sources,
    begins: Instant,
    ends: Instant,
    before: Option<Accounts>,
}

/// Where the accounts are read.
#[derive(Clone, Copy, Debug)]
struct Sources {
    process: u32,
    /// Whether what the broker writes to the disk is of interest.
    disk: bool,
    /// Where the broker says how long its commits took.
    metrics: Option<SocketAddr>,
}

#[derive(Debug)]
struct Accounts {
    at: Instant,
    count: u64,
    broker: Duration,
    generator: Duration,
    written_bytes: Option<u64>,
    commits: Option<Commits>,
}

impl Window {
    /// A window that begins after the warm-up.
    pub(super) fn after_warm_up(arguments: &Arguments) -> Self {
        let begins = Instant::now() + arguments.settings.warm_up();
        let ends = begins + arguments.settings.measure();
        Window { sources: Sources::of(arguments), begins, ends, before: None }
    }

    /// To be called all the time, with what has been counted so far. Says what was measured when the window has
    /// passed.
    ///
    /// # Errors
    ///
    /// The accounts cannot be read.
    pub(super) fn poll(&mut self, count: u64) -> Outcome<Option<Measurement>> {
        let now = Instant::now();
        match &self.before {
            // What the request for the metrics costs is no part of the window.
            None if now >= self.begins => {
                let commits = self.sources.commits()?;
                self.before = Some(Accounts { commits, ..self.sources.read(count)? });
            }
            Some(before) if now >= self.ends => {
                let accounts = self.sources.read(count)?;
                let commits = self.sources.commits()?;
                return Ok(Some(before.until(&Accounts { commits, ..accounts })));
            }
            _ => {}
        }
        Ok(None)
    }
}

/// A measured part that ends when what it is about has happened.
#[derive(Debug)]
pub(super) struct Span {
    sources: Sources,
    before: Accounts,
}

impl Span {
    /// Begins now.
    ///
    /// # Errors
    ///
    /// The accounts cannot be read.
    pub(super) fn begin(arguments: &Arguments) -> Outcome<Span> {
        let sources = Sources::of(arguments);
        Ok(Span { sources, before: sources.read(0)? })
    }

    /// How long ago it began.
    pub(super) fn elapsed(&self) -> Duration {
        self.before.at.elapsed()
    }

    /// What was measured until now, when `count` things have happened.
    ///
    /// # Errors
    ///
    /// The accounts cannot be read.
    pub(super) fn end(&self, count: u64) -> Outcome<Measurement> {
        Ok(self.before.until(&self.sources.read(count)?))
    }
}

impl Sources {
    fn of(arguments: &Arguments) -> Sources {
        Sources {
            process: arguments.process,
            disk: arguments.scenario.is_durable(),
            metrics: arguments.metrics,
        }
    }

    /// Everything but the commits.
    fn read(&self, count: u64) -> Outcome<Accounts> {
        Ok(Accounts {
            at: Instant::now(),
            count,
            broker: account::processor_time(self.process)?,
            generator: account::processor_time(std::process::id())?,
            written_bytes: self.disk.then(|| account::written_bytes(self.process)).transpose()?,
            commits: None,
        })
    }

    fn commits(&self) -> Outcome<Option<Commits>> {
        self.metrics.map(Commits::read).transpose()
    }
}

impl Accounts {
    fn until(&self, after: &Accounts) -> Measurement {
        let microseconds = |from: Duration, to: Duration| to.saturating_sub(from).as_secs_f64() * 1e6;
        Measurement {
            count: after.count - self.count,
            seconds: after.at.duration_since(self.at).as_secs_f64(),
            broker_cpu_us: microseconds(self.broker, after.broker),
            generator_cpu_us: microseconds(self.generator, after.generator),
            written_bytes: after.written_bytes.zip(self.written_bytes).map(|(after, before)| after - before),
            commit_us: after
                .commits
                .as_ref()
                .zip(self.commits.as_ref())
                .and_then(|(after, before)| after.since(before)),
            ..Measurement::default()
        }
    }
}
