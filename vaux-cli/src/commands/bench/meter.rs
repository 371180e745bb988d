//! What is counted, and how long messages took.

use hdrhistogram::Histogram;
use rustix::time::{ClockId, clock_gettime};

/// What has been counted since the beginning.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counters {
    pub(super) published: u64,
    pub(super) acknowledged: u64,
    /// Messages that the server did not take.
    pub(super) refused: u64,
    /// Without those that came again.
    pub(super) received: u64,
    /// Of their payloads.
    pub(super) received_bytes: u64,
}

/// Counters, and how long messages took that were due in the measured time.
#[derive(Debug)]
pub(super) struct Meter {
    pub(super) counters: Counters,
    /// From when a message was due to when it arrived.
    pub(super) delivery: Latencies,
    /// From when a message was due to the end of its acknowledgement.
    pub(super) acknowledgement: Latencies,
    /// From when a message was due to when it was sent.
    pub(super) lag: Latencies,
    /// The measured time, in nanoseconds of the clock.
    from: u64,
    to: u64,
    begin: Option<Reading>,
    end: Option<Reading>,
}

/// What the counters said at a time.
#[derive(Clone, Copy, Debug)]
struct Reading {
    at: u64,
    counters: Counters,
    processor_ns: u64,
}

/// What was counted in the measured time.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Measured {
    pub(super) seconds: f64,
    pub(super) counters: Counters,
    /// How much of one processor this process used, in per cent.
    pub(super) processor: f64,
}

impl Meter {
    pub(super) fn new() -> Meter {
        Meter {
            counters: Counters::default(),
            delivery: Latencies::new(),
            acknowledgement: Latencies::new(),
            lag: Latencies::new(),
            from: u64::MAX,
            to: u64::MAX,
            begin: None,
            end: None,
        }
    }

    /// Says what time is to be measured.
    pub(super) fn measure(&mut self, from: u64, to: u64) {
        (self.from, self.to) = (from, to);
    }

    /// To be called all the time.
    pub(super) fn poll(&mut self, now: u64) {
        if self.begin.is_none() && now >= self.from {
            self.begin = Some(self.read(now));
        }
        if self.end.is_none() && now >= self.to {
            self.end = Some(self.read(now));
        }
    }

    /// Ends the measured time early.
    pub(super) fn stop(&mut self, now: u64) {
        self.to = self.to.min(now);
        self.poll(now);
    }

    /// When it has to be called next.
    pub(super) fn next_poll(&self) -> u64 {
        match (self.begin, self.end) {
            (None, _) => self.from,
            (_, None) => self.to,
            _ => u64::MAX,
        }
    }

    fn read(&self, at: u64) -> Reading {
        let time = clock_gettime(ClockId::ProcessCPUTime);
        let processor_ns = time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64;
        Reading { at, counters: self.counters, processor_ns }
    }

    /// Whether a message that was due then is measured.
    pub(super) fn is_measured(&self, due: u64) -> bool {
        (self.from..self.to).contains(&due)
    }

    /// What was counted in the measured time. Nothing if it has not begun.
    pub(super) fn measured(&self) -> Measured {
        let (Some(begin), Some(end)) = (self.begin, self.end) else { return Measured::default() };
        let (a, b) = (begin.counters, end.counters);
        let seconds = (end.at - begin.at) as f64 / 1e9;
        let processor_s = (end.processor_ns - begin.processor_ns) as f64 / 1e9;
        Measured {
            seconds,
            counters: Counters {
                published: b.published - a.published,
                acknowledged: b.acknowledged - a.acknowledged,
                refused: b.refused - a.refused,
                received: b.received - a.received,
                received_bytes: b.received_bytes - a.received_bytes,
            },
            processor: if seconds > 0.0 { 100.0 * processor_s / seconds } else { 0.0 },
        }
    }
}

/// Latencies in nanoseconds: those of the last second, and all.
#[derive(Debug)]
pub(super) struct Latencies {
    recent: Histogram<u64>,
    all: Histogram<u64>,
}

/// What is told of latencies, in microseconds.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
pub(super) struct Percentiles {
    pub(super) count: u64,
    pub(super) min: f64,
    pub(super) mean: f64,
    pub(super) p50: f64,
    pub(super) p90: f64,
    pub(super) p99: f64,
    #[serde(rename = "p99_9")]
    pub(super) p999: f64,
    pub(super) max: f64,
}

/// What takes longer than a day counts as a day.
const MAX_NS: u64 = 24 * 3600 * 1_000_000_000;

impl Latencies {
    pub(super) fn new() -> Latencies {
        let histogram = || Histogram::new_with_bounds(1, MAX_NS, 3).expect("three digits are allowed");
        Latencies { recent: histogram(), all: histogram() }
    }

    /// Records the time between two times.
    pub(super) fn record(&mut self, from: u64, to: u64) {
        self.record_many(from, to, 1);
    }

    /// Records it for so many messages.
    pub(super) fn record_many(&mut self, from: u64, to: u64, count: u64) {
        self.recent.saturating_record_n(to.saturating_sub(from), count);
    }

    /// The 99th percentile since this was last called, in nanoseconds.
    pub(super) fn take_recent_p99(&mut self) -> Option<u64> {
        let p99 = (!self.recent.is_empty()).then(|| self.recent.value_at_percentile(99.0));
        self.all.add(&self.recent).expect("both have the same bounds");
        self.recent.reset();
        p99
    }

    /// All there is to tell, if there is anything.
    pub(super) fn percentiles(&mut self) -> Option<Percentiles> {
        self.take_recent_p99();
        let all = &self.all;
        let us = |ns: u64| ns as f64 / 1e3;
        let at = |percentile| us(all.value_at_percentile(percentile));
        (!all.is_empty()).then(|| Percentiles {
            count: all.len(),
            min: us(all.min()),
            mean: all.mean() / 1e3,
            p50: at(50.0),
            p90: at(90.0),
            p99: at(99.0),
            p999: at(99.9),
            max: us(all.max()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_counted_is_what_happened_in_the_measured_time() {
        let mut meter = Meter::new();
        meter.measure(1_000, 3_000);
        for now in (0..5_000).step_by(100) {
            meter.poll(now);
            meter.counters.received += 1;
        }
        let measured = meter.measured();
        assert_eq!((measured.counters.received, measured.seconds), (20, 2e-6));
        assert_eq!([999, 1_000, 2_999, 3_000].map(|due| meter.is_measured(due)), [false, true, true, false]);
    }

    #[test]
    fn a_run_that_is_stopped_has_measured_less() {
        let mut meter = Meter::new();
        meter.measure(1_000, 3_000);
        meter.poll(1_000);
        meter.stop(2_000);
        assert_eq!(meter.measured().seconds, 1e-6);
        let mut meter = Meter::new();
        meter.measure(1_000, 3_000);
        meter.stop(500);
        assert_eq!(meter.measured().seconds, 0.0);
    }

    #[test]
    fn percentiles_are_of_all_and_not_of_the_last_second() {
        let mut latencies = Latencies::new();
        assert_eq!(latencies.percentiles(), None);
        (1..=99).for_each(|_| latencies.record(0, 1_000));
        assert_eq!(latencies.take_recent_p99(), Some(1_000));
        assert_eq!(latencies.take_recent_p99(), None);
        latencies.record(5, 2_000_005);
        let percentiles = latencies.percentiles().unwrap();
        assert_eq!((percentiles.count, percentiles.p50, percentiles.p99), (100, 1.0, 1.0));
        assert!((1_999.0..2_002.0).contains(&percentiles.max), "{percentiles:?}");
    }
}
