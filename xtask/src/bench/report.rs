//! What the benchmark came to: medians over rounds, ratios to other brokers, as a table and as JSON.

use std::fmt;
use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::Arguments;
use super::figure::{Figure, Quantity, Reading, Spread, quantities};
use super::growth::Place;
use super::scenario::Scenario;
use crate::Outcome;
use crate::load::{Faults, Measurement};

/// The broker that the others are compared with.
pub(super) const BASELINE: &str = "mosquitto";

/// vaux-broker as it usually takes part. Its other names begin with this one.
pub(super) const ONE_WORKER: &str = "vaux";

/// vaux-broker where workers are compared.
pub(super) const TWO_WORKERS: &str = "vaux, 2 workers";

/// vaux-broker without a disk, where that is compared.
pub(super) const IN_MEMORY: &str = "vaux, memory";

/// vaux-broker with a send window as large as its peers have it, where that fills.
pub(super) const WIDE: &str = "vaux, wide window";

/// The whole benchmark.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Report {
    machine: Machine,
    profile: String,
    protocol: String,
    rounds: u16,
    warm_up_seconds: f64,
    measured_seconds: f64,
    pub(super) rows: Vec<Row>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Machine {
    processor: String,
    processors: usize,
    kernel: String,
}

/// One scenario.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Row {
    pub(super) name: String,
    about: String,
    pinned: bool,
    pub(super) growth: Option<Place>,
    pub(super) quantities: Vec<Quantity>,
    pub(super) contenders: Vec<Contender>,
}

/// One broker in one scenario.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Contender {
    pub(super) broker: String,
    /// One for each quantity of the row; none at all while nothing has run.
    pub(super) figures: Vec<Option<Figure>>,
    /// The part of its processor that the load generator used. Near 1, the load generator is what is measured.
    generator_load: Option<Spread>,
    pub(super) runs: Vec<Measurement>,
    pub(super) failures: Vec<String>,
}

impl Report {
    /// A report without rows.
    pub(super) fn new(arguments: &Arguments) -> Report {
        Report {
            machine: Machine::this(),
            profile: arguments.profile.clone(),
            protocol: if arguments.settings.v5 { "5.0" } else { "3.1.1" }.to_owned(),
            rounds: arguments.rounds,
            warm_up_seconds: arguments.settings.warm_up,
            measured_seconds: arguments.settings.measure,
            rows: Vec::new(),
        }
    }

    /// What `--json` has written to these files, as one report.
    ///
    /// # Errors
    ///
    /// A file cannot be read, or there is none.
    pub(super) fn read(paths: &[impl AsRef<Path>]) -> Outcome<Report> {
        let read = |path: &Path| -> Result<Report, String> {
            let text = fs::read_to_string(path)
                .map_err(|error| format!("cannot read {}: {error}", path.display()))?;
            serde_json::from_str(&text)
                .map_err(|error| format!("{} is no result of the benchmark: {error}", path.display()))
        };
        let mut reports = paths.iter().map(|path| read(path.as_ref()));
        let mut whole = reports.next().ok_or("there is no file to read")??;
        for report in reports {
            whole.rows.extend(report?.rows);
        }
        Ok(whole)
    }

    /// Writes it as JSON.
    ///
    /// # Errors
    ///
    /// The file cannot be written.
    pub(super) fn write(&self, path: &Path) -> Outcome {
        let json = serde_json::to_string_pretty(self)?;
        fs::write(path, json + "\n")
            .map_err(|error| format!("cannot write {}: {error}", path.display()).into())
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
        Row {
            name: scenario.name.to_owned(),
            about: scenario.about.to_owned(),
            pinned,
            growth: scenario.growth,
            quantities: quantities(scenario).0,
            contenders,
        }
    }

    /// Works out the figures, once all rounds have run.
    pub(super) fn summarize(&mut self, scenario: &Scenario) {
        let (_, readings) = quantities(scenario);
        self.contenders.iter_mut().for_each(|contender| contender.summarize(&readings));
        for (place, quantity) in self.quantities.iter().enumerate().filter(|(_, had)| had.compared) {
            let median = |contender: &Contender| Some(contender.figure(place)?.spread.median);
            let baseline = self.contenders.iter().find(|contender| contender.broker == BASELINE);
            let baseline = baseline.and_then(median);
            let peers = self.contenders.iter().filter(|contender| contender.is_sound_peer());
            let best = peers.filter_map(median).reduce(|one, other| quantity.better.of(one, other));
            for contender in &mut self.contenders {
                if let Some(Some(figure)) = contender.figures.get_mut(place) {
                    figure.to_mosquitto = baseline.map(|baseline| figure.spread.median / baseline);
                    figure.to_best = best.map(|best| figure.spread.median / best);
                }
            }
        }
    }

    fn columns(&self) -> Vec<String> {
        let mut columns = vec!["broker".to_owned()];
        for quantity in &self.quantities {
            columns.push(quantity.title.clone());
            if quantity.compared {
                columns.extend(["ratio", "to best"].map(str::to_owned));
            }
        }
        columns.extend(["lost", "dup", "order"].map(str::to_owned));
        columns
    }

    /// What stands below the columns. Where there is less, the rest of the line is empty.
    fn cells(&self, contender: &Contender) -> Vec<String> {
        if contender.runs.is_empty() {
            return vec![contender.broker.clone(), "failed".to_owned()];
        }
        let ratio = |ratio: Option<f64>| ratio.map_or_else(|| "-".to_owned(), |ratio| format!("{ratio:.3}"));
        let mut cells = vec![contender.broker.clone()];
        for (quantity, figure) in self.quantities.iter().zip(&contender.figures) {
            cells.push(figure.map_or_else(|| "-".to_owned(), |figure| figure.spread.to_string()));
            if quantity.compared {
                cells.push(ratio(figure.and_then(|figure| figure.to_mosquitto)));
                cells.push(ratio(figure.and_then(|figure| figure.to_best)));
            }
        }
        let Faults { lost, duplicated, out_of_order } = contender.faults();
        cells.extend([lost, duplicated, out_of_order].map(|count| count.to_string()));
        cells
    }

    /// What the numbers of this scenario need to be understood.
    fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        if !self.pinned {
            notes.push("broker and load generator not pinned: they share all processors".to_owned());
        }
        if self.contenders.iter().flat_map(|had| &had.runs).any(|run| run.commit_us.is_some()) {
            notes.push(
                "commit latencies are ends of buckets, each twice as long as the one before".to_owned(),
            );
        }
        for contender in &self.contenders {
            let crossing = contender.runs.iter().filter_map(|run| run.crossing_pairs);
            if let (Some(least), Some(most)) = (crossing.clone().min(), crossing.max()) {
                notes.push(format!("{}: {least} to {most} pairs cross between threads", contender.broker));
            }
            if let Some(load) = contender.generator_load {
                let percent = load.median * 100.0;
                notes.push(format!("{}: load generator {percent:.0} % busy", contender.broker));
            }
        }
        let rate = |name: &str| {
            let place = self.quantities.iter().position(|quantity| quantity.title == "messages/s")?;
            let contender = self.contenders.iter().find(|contender| contender.broker == name)?;
            Some(contender.figure(place)?.spread.median)
        };
        if let (Some(one), Some(two)) = (rate(ONE_WORKER), rate(TWO_WORKERS)) {
            notes.push(format!("two workers: {:.2} times the rate of one", two / one));
        }
        notes
    }
}

/// The table of one scenario.
impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}: {}", self.name, self.about)?;
        let columns = self.columns();
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
        Contender {
            broker: broker.to_owned(),
            figures: Vec::new(),
            generator_load: None,
            runs: Vec::new(),
            failures: Vec::new(),
        }
    }

    fn summarize(&mut self, readings: &[Reading]) {
        self.figures = readings.iter().map(|reading| Figure::of(&self.runs, *reading)).collect();
        let load = |run: &Measurement| run.generator_cpu_us / 1e6 / run.seconds;
        self.generator_load = Spread::of(self.runs.iter().map(load).collect());
    }

    /// Its figure for a quantity, if it has one.
    pub(super) fn figure(&self, place: usize) -> Option<Figure> {
        self.figures.get(place).copied().flatten()
    }

    /// Whether it is vaux-broker, set up in some way.
    pub(super) fn is_vaux(&self) -> bool {
        self.broker.starts_with(ONE_WORKER)
    }

    /// Another broker, which did what it was asked: what is lost costs nothing.
    fn is_sound_peer(&self) -> bool {
        !self.is_vaux() && !self.faults().any()
    }

    /// The faults of all rounds.
    pub(super) fn faults(&self) -> Faults {
        let mut faults = Faults::default();
        self.runs.iter().for_each(|run| faults += run.faults);
        faults
    }
}

#[cfg(test)]
mod tests;
