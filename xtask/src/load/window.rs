//! The measured part of a run: what the accounts said when it began, and what they say when it ends.

use std::time::{Duration, Instant};

use super::{Arguments, Faults, Measurement};
use crate::{Outcome, account};

/// The phases of a run, by the clock.
#[derive(Debug)]
pub(super) struct Window {
    process: u32,
    begins: Instant,
    ends: Instant,
    before: Option<Accounts>,
}

#[derive(Debug)]
struct Accounts {
    at: Instant,
    count: u64,
    broker: Duration,
    generator: Duration,
}

impl Window {
    /// A window that begins after the warm-up.
    pub(super) fn after_warm_up(arguments: &Arguments) -> Self {
        let begins = Instant::now() + arguments.settings.warm_up();
        let ends = begins + arguments.settings.measure();
        Window { process: arguments.process, begins, ends, before: None }
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
            None if now >= self.begins => self.before = Some(Accounts::read(self.process, count)?),
            Some(before) if now >= self.ends => {
                return Ok(Some(before.until(&Accounts::read(self.process, count)?)));
            }
            _ => {}
        }
        Ok(None)
    }
}

impl Accounts {
    fn read(process: u32, count: u64) -> Outcome<Self> {
        Ok(Accounts {
            at: Instant::now(),
            count,
            broker: account::processor_time(process)?,
            generator: account::processor_time(std::process::id())?,
        })
    }

    fn until(&self, after: &Accounts) -> Measurement {
        let microseconds = |from: Duration, to: Duration| to.saturating_sub(from).as_secs_f64() * 1e6;
        Measurement {
            count: after.count - self.count,
            seconds: after.at.duration_since(self.at).as_secs_f64(),
            broker_cpu_us: microseconds(self.broker, after.broker),
            generator_cpu_us: microseconds(self.generator, after.generator),
            faults: Faults::default(),
            bytes_per_connection: None,
            crossing_pairs: None,
        }
    }
}
