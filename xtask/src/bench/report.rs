//! What the benchmark came to: medians over rounds, ratios to mosquitto, as a table and as JSON.

use std::fmt;
use std::fs;

use serde::Serialize;

use super::Arguments;
use super::scenario::{Load, Scenario};
use crate::load::{Faults, Measurement};

/// The broker that the others are compared with.
const BASELINE: &str = "mosquitto";

/// vaux-broker as it usually takes part.
pub(super) const ONE_WORKER: &str = "vaux";

/// vaux-broker where workers are compared.
pub(super) const TWO_WORKERS: &str = "vaux, 2 workers";

/// vaux-broker without a disk, where that is compared.
pub(super) const IN_MEMORY: &str = "vaux, memory";

/// The whole benchmark.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    machine: Machine,
    profile: String,
    protocol: &'static str,
    rounds: u16,
    warm_up_seconds: f64,
    measured_seconds: f64,
    pub(super) rows: Vec<Row>,
}

#[derive(Debug, Serialize)]
struct Machine {
    processor: String,
    processors: usize,
    kernel: String,
}

/// One scenario.
#[derive(Debug, Serialize)]
pub(super) struct Row {
    name: &'static str,
    about: &'static str,
    pinned: bool,
    /// Messages have to be kept: what was written to the disk for them is reported, and how long that took.
    durable: bool,
    counts: Counted,
    pub(super) contenders: Vec<Contender>,
}

/// What a scenario counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Counted {
    Messages,
    Connections,
    Memory,
}

/// One broker in one scenario.
#[derive(Debug, Serialize)]
pub(super) struct Contender {
    broker: String,
    summary: Option<Summary>,
    pub(super) runs: Vec<Measurement>,
    pub(super) failures: Vec<String>,
}

/// What the runs of one broker come to.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
struct Summary {
    /// Processor time of the broker for each message or connection, in microseconds.
    cpu_us_each: Spread,
    /// The first value's median against that of mosquitto.
    cpu_ratio: Option<f64>,
    /// Messages or connections in a second; bytes for a connection where memory is what counts.
    second: Spread,
    /// The second value's median against that of mosquitto.
    second_ratio: Option<f64>,
    /// The part of its processor that the load generator used. Near 1, the load generator is what is measured.
    generator_load: Spread,
    /// Bytes that the broker wrote to the disk for a message.
    written_bytes_each: Option<Spread>,
    /// How long half of the commits took at most, in microseconds.
    commit_p50_us: Option<Spread>,
    /// How long all but one in a hundred took at most.
    commit_p99_us: Option<Spread>,
}

/// A median with the least and the greatest.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
struct Spread {
    median: f64,
    least: f64,
    greatest: f64,
}

impl Report {
    /// A report without rows.
    pub(super) fn new(arguments: &Arguments) -> Report {
        Report {
            machine: Machine::this(),
            profile: arguments.profile.clone(),
            protocol: if arguments.settings.v5 { "5.0" } else { "3.1.1" },
            rounds: arguments.rounds,
            warm_up_seconds: arguments.settings.warm_up,
            measured_seconds: arguments.settings.measure,
            rows: Vec::new(),
        }
    }

    /// What the table is about.
    pub(super) fn heading(&self) -> String {
        format!(
            "{}, {} processors, Linux {}\nMQTT {}, profile {}, {} rounds of {} s after {} s; medians (least to greatest)\n",
            self.machine.processor,
            self.machine.processors,
            self.machine.kernel,
            self.protocol,
            self.profile,
            self.rounds,
            self.measured_seconds,
            self.warm_up_seconds,
        )
    }

    /// What must not be: runs that failed, and messages lost, doubled or reordered.
    pub(super) fn complaints(&self) -> Vec<String> {
        let mut complaints = Vec::new();
        for row in &self.rows {
            for contender in &row.contenders {
                let place = format!("{} with {}", row.name, contender.broker);
                complaints.extend(contender.failures.iter().map(|failure| format!("{place}: {failure}")));
                let Faults { lost, duplicated, out_of_order } = contender.faults();
                if contender.faults().any() {
                    complaints.push(format!(
                        "{place}: {lost} messages lost, {duplicated} duplicated, {out_of_order} out of order"
                    ));
                }
            }
        }
        complaints
    }
}

impl Machine {
    fn this() -> Machine {
        let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
        let processors = read("/proc/cpuinfo");
        let model = processors.lines().find(|line| line.starts_with("model name"));
        let model = model.and_then(|line| line.split(": ").nth(1)).unwrap_or("unknown processor");
        Machine {
            processor: model.to_owned(),
            processors: std::thread::available_parallelism().map_or(1, usize::from),
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
        }
    }
}

impl Row {
    /// A scenario of which nothing has run yet.
    pub(super) fn new(scenario: &Scenario, pinned: bool, contenders: Vec<Contender>) -> Row {
        let counts = match scenario.load {
            Load::Traffic(_) => Counted::Messages,
            Load::Connects { .. } => Counted::Connections,
            Load::Idle { .. } => Counted::Memory,
        };
        let durable = scenario.is_durable();
        Row { name: scenario.name, about: scenario.about, pinned, durable, counts, contenders }
    }

    fn columns(&self) -> Vec<&'static str> {
        let columns = match self.counts {
            Counted::Messages => {
                ["broker", "CPU µs/message", "ratio", "messages/s", "ratio", "lost", "dup", "order"]
            }
            Counted::Connections => {
                ["broker", "CPU µs/connection", "ratio", "connections/s", "ratio", "", "", ""]
            }
            Counted::Memory => {
                ["broker", "CPU µs/connection", "ratio", "bytes/connection", "ratio", "", "", ""]
            }
        };
        let of_disk: &[&str] =
            if self.durable { &["written bytes/message", "commit p50 µs", "p99 µs"] } else { &[] };
        [&columns, of_disk].concat()
    }

    /// Works out the summaries, once all rounds have run.
    pub(super) fn summarize(&mut self) {
        let counts = self.counts;
        for contender in &mut self.contenders {
            contender.summary = Summary::of(&contender.runs, counts);
        }
        let baseline = self.contenders.iter().find(|contender| contender.broker == BASELINE);
        let Some(baseline) = baseline.and_then(|contender| contender.summary) else { return };
        for summary in self.contenders.iter_mut().filter_map(|contender| contender.summary.as_mut()) {
            summary.cpu_ratio = Some(summary.cpu_us_each.median / baseline.cpu_us_each.median);
            summary.second_ratio = Some(summary.second.median / baseline.second.median);
        }
    }

    /// What stands below the columns. Where there is less, the rest of the line is empty.
    fn cells(&self, contender: &Contender) -> Vec<String> {
        let Some(summary) = contender.summary else {
            return vec![contender.broker.clone(), "failed".to_owned()];
        };
        let ratio = |ratio: Option<f64>| ratio.map_or_else(|| "-".to_owned(), |ratio| format!("{ratio:.3}"));
        let Faults { lost, duplicated, out_of_order } = contender.faults();
        let fault =
            |count: u64| if self.counts == Counted::Messages { count.to_string() } else { String::new() };
        let mut cells = vec![
            contender.broker.clone(),
            summary.cpu_us_each.to_string(),
            ratio(summary.cpu_ratio),
            summary.second.to_string(),
            ratio(summary.second_ratio),
            fault(lost),
            fault(duplicated),
            fault(out_of_order),
        ];
        if self.durable {
            let of_disk = [summary.written_bytes_each, summary.commit_p50_us, summary.commit_p99_us];
            let cell = |spread: Option<Spread>| spread.map_or_else(|| "-".to_owned(), |it| it.to_string());
            cells.extend(of_disk.map(cell));
        }
        cells
    }

    /// What the numbers of this scenario need to be understood.
    fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        if !self.pinned {
            notes.push("broker and load generator not pinned: they share all processors".to_owned());
        }
        if self
            .contenders
            .iter()
            .any(|had| had.summary.is_some_and(|summary| summary.commit_p50_us.is_some()))
        {
            notes.push(
                "commit latencies are ends of buckets, each twice as long as the one before".to_owned(),
            );
        }
        for contender in &self.contenders {
            let crossing = contender.runs.iter().filter_map(|run| run.crossing_pairs);
            if let (Some(least), Some(most)) = (crossing.clone().min(), crossing.max()) {
                notes.push(format!("{}: {least} to {most} pairs cross between threads", contender.broker));
            }
            if let Some(summary) = contender.summary {
                let percent = summary.generator_load.median * 100.0;
                notes.push(format!("{}: load generator {percent:.0} % busy", contender.broker));
            }
        }
        let second = |name: &str| {
            let contender = self.contenders.iter().find(|contender| contender.broker == name);
            Some(contender?.summary?.second.median)
        };
        if let (Some(one), Some(two)) = (second(ONE_WORKER), second(TWO_WORKERS)) {
            notes.push(format!("two workers: {:.2} times the rate of one", two / one));
        }
        notes
    }
}

/// The table of one scenario.
impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}: {}", self.name, self.about)?;
        let columns: Vec<String> = self.columns().into_iter().map(str::to_owned).collect();
        let count = columns.len();
        let mut lines = vec![columns];
        lines.extend(self.contenders.iter().map(|contender| self.cells(contender)));
        let width = |column: usize| {
            lines.iter().filter_map(|line| line.get(column)).map(|cell| cell.chars().count()).max()
        };
        let widths: Vec<usize> = (0..count).map(|column| width(column).unwrap_or(0)).collect();
        for line in &lines {
            let mut text = format!("  {:<width$}", line[0], width = widths[0]);
            for (cell, &width) in line.iter().zip(&widths).skip(1) {
                text.push_str(&format!("  {cell:>width$}"));
            }
            writeln!(f, "{}", text.trim_end())?;
        }
        for note in self.notes() {
            writeln!(f, "  ({note})")?;
        }
        Ok(())
    }
}

impl Contender {
    /// A broker that has not run yet.
    pub(super) fn new(broker: &str) -> Contender {
        Contender { broker: broker.to_owned(), summary: None, runs: Vec::new(), failures: Vec::new() }
    }

    /// The faults of all rounds.
    fn faults(&self) -> Faults {
        let mut faults = Faults::default();
        self.runs.iter().for_each(|run| faults += run.faults);
        faults
    }
}

impl Summary {
    /// Without ratios, which need another broker's. `None` without a run.
    fn of(runs: &[Measurement], counts: Counted) -> Option<Summary> {
        let spread = |value: &dyn Fn(&Measurement) -> f64| Spread::of(runs.iter().map(value).collect());
        let spread_if_any =
            |value: &dyn Fn(&Measurement) -> Option<f64>| Spread::of(runs.iter().filter_map(value).collect());
        Some(Summary {
            cpu_us_each: spread(&|run| run.broker_cpu_us / run.count as f64)?,
            cpu_ratio: None,
            second: match counts {
                Counted::Memory => spread_if_any(&|run| run.bytes_per_connection)?,
                Counted::Messages | Counted::Connections => spread(&|run| run.count as f64 / run.seconds)?,
            },
            second_ratio: None,
            generator_load: spread(&|run| run.generator_cpu_us / 1e6 / run.seconds)?,
            written_bytes_each: spread_if_any(&|run| Some(run.written_bytes? as f64 / run.count as f64)),
            commit_p50_us: spread_if_any(&|run| Some(run.commit_us?.p50)),
            commit_p99_us: spread_if_any(&|run| Some(run.commit_us?.p99)),
        })
    }
}

impl Spread {
    fn of(mut values: Vec<f64>) -> Option<Spread> {
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
mod tests;
