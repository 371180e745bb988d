//! What is reported of a scenario: figures over its rounds, beside mosquitto's and the best peer's.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::scenario::{Load, Scenario};
use crate::load::Measurement;

/// Something that every broker of a scenario has a figure for, if it says so.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Quantity {
    /// What it is, with its unit.
    pub(super) title: String,
    /// Which of two is the better.
    pub(super) better: Better,
    /// Whether ratios to other brokers are reported. The first of a scenario always is.
    pub(super) compared: bool,
}

/// Which of two figures is the better.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Better {
    Less,
    More,
}

/// How a quantity is read from a measurement.
pub(super) type Reading = fn(&Measurement) -> Option<f64>;

/// A quantity and how it is read.
type Source = (&'static str, Better, bool, Reading);

const CPU_EACH: Reading = |run| Some(run.broker_cpu_us / run.count as f64);
const RATE: Reading = |run| Some(run.count as f64 / run.seconds);
const BYTES_EACH: Reading = |run| run.bytes_each;
const MILLISECONDS: Reading = |run| run.milliseconds;

const CPU_PER_MESSAGE: Source = ("CPU µs/message", Better::Less, true, CPU_EACH);
const MESSAGES: Source = ("messages/s", Better::More, true, RATE);

const OF_THE_DISK: [Source; 3] = [
    ("written bytes/message", Better::Less, false, |run| Some(run.written_bytes? as f64 / run.count as f64)),
    ("commit p50 µs", Better::Less, false, |run| Some(run.commit_us?.p50)),
    ("commit p99 µs", Better::Less, false, |run| Some(run.commit_us?.p99)),
];

const OF_LATENCY: [Source; 4] = [
    ("p50 µs", Better::Less, true, |run| Some(run.latency_us?.p50)),
    ("p99 µs", Better::Less, true, |run| Some(run.latency_us?.p99)),
    ("p99.9 µs", Better::Less, true, |run| Some(run.latency_us?.p999)),
    CPU_PER_MESSAGE,
];

const OF_DISTURBANCE: [Source; 3] = [
    ("rate against alone", Better::More, true, |run| Some(RATE(run)? / run.rate_alone?)),
    ("messages/s", Better::More, false, RATE),
    ("messages/s alone", Better::More, false, |run| run.rate_alone),
];

/// What is reported of a scenario.
pub(super) fn quantities(scenario: &Scenario) -> (Vec<Quantity>, Vec<Reading>) {
    let sources = match scenario.load {
        Load::Traffic(_) if scenario.is_durable() => {
            [&[CPU_PER_MESSAGE, MESSAGES], &OF_THE_DISK[..]].concat()
        }
        Load::Traffic(_) => vec![CPU_PER_MESSAGE, MESSAGES],
        Load::Paced { .. } => OF_LATENCY.to_vec(),
        Load::Disturbed { .. } => OF_DISTURBANCE.to_vec(),
        Load::Connects { .. } => vec![
            ("CPU µs/connection", Better::Less, true, CPU_EACH),
            ("connections/s", Better::More, true, RATE),
        ],
        Load::Idle { .. } => vec![
            ("bytes/connection", Better::Less, true, BYTES_EACH),
            ("CPU µs/connection", Better::Less, false, CPU_EACH),
        ],
        Load::Retained { .. } => {
            vec![("ms for all", Better::Less, true, MILLISECONDS), CPU_PER_MESSAGE]
        }
        Load::RetainedMemory { .. } => vec![
            ("bytes/message", Better::Less, true, BYTES_EACH),
            ("CPU µs/message", Better::Less, false, CPU_EACH),
        ],
        Load::FilterMemory { .. } => vec![
            ("bytes/filter", Better::Less, true, BYTES_EACH),
            ("CPU µs/filter", Better::Less, false, CPU_EACH),
        ],
        Load::Drain { .. } => vec![
            CPU_PER_MESSAGE,
            MESSAGES,
            ("CPU µs to queue one", Better::Less, false, |run| run.filling_cpu_us_each),
        ],
    };
    sources
        .into_iter()
        .map(|(title, better, compared, reading)| {
            (Quantity { title: title.to_owned(), better, compared }, reading)
        })
        .unzip()
}

/// What one broker came to.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Figure {
    #[serde(flatten)]
    pub(super) spread: Spread,
    /// Its median against that of mosquitto.
    pub(super) to_mosquitto: Option<f64>,
    /// Its median against that of the best broker that is not vaux.
    pub(super) to_best: Option<f64>,
}

/// A median with the least and the greatest.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Spread {
    pub(super) median: f64,
    pub(super) least: f64,
    pub(super) greatest: f64,
}

impl Figure {
    /// A figure that is not compared yet. `None` when no run has it.
    pub(super) fn of(runs: &[Measurement], reading: Reading) -> Option<Figure> {
        let spread = Spread::of(runs.iter().filter_map(reading).collect())?;
        Some(Figure { spread, to_mosquitto: None, to_best: None })
    }
}

impl Better {
    /// The better of two.
    pub(super) fn of(self, one: f64, other: f64) -> f64 {
        match self {
            Better::Less => one.min(other),
            Better::More => one.max(other),
        }
    }
}

impl Spread {
    pub(super) fn of(mut values: Vec<f64>) -> Option<Spread> {
        values.sort_by(f64::total_cmp);
        let (least, greatest) = (*values.first()?, *values.last()?);
        let middle = values.len() / 2;
        let median = if values.len() % 2 == 1 {
            values[middle]
        } else {
            f64::midpoint(values[middle - 1], values[middle])
        };
        Some(Spread { median, least, greatest })
    }
}

impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Three digits after the point mean something for microseconds, none for thousands of messages.
        let digits = if self.median < 100.0 { 3 } else { 0 };
        write!(f, "{:.digits$} ({:.digits$} to {:.digits$})", self.median, self.least, self.greatest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::table::{ALL, GROWTH};

    #[test]
    fn the_median_of_an_even_number_lies_between() {
        assert_eq!(Spread::of(vec![3.0, 1.0, 2.0]).unwrap().median, 2.0);
        let spread = Spread::of(vec![4.0, 1.0, 2.0, 3.0]).unwrap();
        assert_eq!((spread.median, spread.least, spread.greatest), (2.5, 1.0, 4.0));
        assert_eq!(Spread::of(Vec::new()), None);
    }

    #[test]
    fn every_scenario_begins_with_what_is_compared() {
        for scenario in ALL.iter().chain(&GROWTH) {
            let (quantities, readings) = quantities(scenario);
            assert!(quantities[0].compared, "{}", scenario.name);
            assert_eq!(quantities.len(), readings.len());
        }
    }

    #[test]
    fn growth_is_about_processor_time() {
        assert!(GROWTH.iter().all(|scenario| quantities(scenario).0[0].title == CPU_PER_MESSAGE.0));
    }
}
