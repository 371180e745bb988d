//! What a piece of work costs this process: time, processor time, allocations.

use std::fmt;
use std::fs;
use std::str::FromStr;
use std::time::{Duration, Instant};

use stats_alloc::INSTRUMENTED_SYSTEM;

use super::Outcome;

/// Begins to measure.
pub(crate) struct Meter {
    messages: usize,
    started: Instant,
    processor: Duration,
    allocations: usize,
}

/// What a message costs.
#[derive(Clone, Copy)]
pub(crate) struct Measured {
    pub(crate) messages_per_second: f64,
    pub(crate) processor_us: f64,
    /// None where they cannot be counted.
    pub(crate) allocations: Option<f64>,
}

impl Meter {
    pub(crate) fn start(messages: usize) -> Outcome<Self> {
        let (processor, allocations) = (processor_time()?, allocations());
        Ok(Meter { messages, started: Instant::now(), processor, allocations })
    }

    pub(crate) fn stop(self) -> Outcome<Measured> {
        let messages = self.messages as f64;
        let (elapsed, allocations) = (self.started.elapsed(), allocations() - self.allocations);
        let processor = processor_time()?.saturating_sub(self.processor);
        Ok(Measured {
            messages_per_second: messages / elapsed.as_secs_f64(),
            processor_us: processor.as_secs_f64() * 1e6 / messages,
            allocations: Some(allocations as f64 / messages),
        })
    }
}

/// Memory that was asked for anew. Growing what is there counts too: it may have to move.
fn allocations() -> usize {
    let stats = INSTRUMENTED_SYSTEM.stats();
    stats.allocations + stats.reallocations
}

/// User and system time of all threads, as the scheduler counts it.
fn processor_time() -> Outcome<Duration> {
    let mut sum = Duration::ZERO;
    for task in fs::read_dir("/proc/self/task")? {
        let statistics = fs::read_to_string(task?.path().join("schedstat"))?;
        let nanoseconds = statistics.split_whitespace().next().ok_or("schedstat is empty")?;
        sum += Duration::from_nanos(nanoseconds.parse()?);
    }
    Ok(sum)
}

impl fmt::Display for Measured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} ", self.messages_per_second, self.processor_us)?;
        match self.allocations {
            Some(allocations) => write!(f, "{allocations}"),
            None => f.write_str("-"),
        }
    }
}

impl FromStr for Measured {
    type Err = Box<dyn std::error::Error>;

    fn from_str(line: &str) -> Result<Self, Self::Err> {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [messages_per_second, processor_us, allocations] = words[..] else {
            return Err(format!("the client said {line:?}").into());
        };
        Ok(Measured {
            messages_per_second: messages_per_second.parse()?,
            processor_us: processor_us.parse()?,
            allocations: if allocations == "-" { None } else { Some(allocations.parse()?) },
        })
    }
}
