//! The report over made-up measurements.

use super::*;
use crate::bench::scenario;
use crate::load::CommitTimes;

fn run(count: u64, broker_cpu_us: f64) -> Measurement {
    Measurement {
        count,
        seconds: 2.0,
        broker_cpu_us,
        generator_cpu_us: 1e6,
        faults: Faults::default(),
        bytes_per_connection: Some(700.0),
        crossing_pairs: None,
        written_bytes: None,
        commit_us: None,
    }
}

fn row(name: &str, contenders: Vec<Contender>) -> Row {
    let mut row = Row::new(&scenario::named(name).unwrap(), true, contenders);
    row.summarize();
    row
}

fn contender(broker: &str, runs: Vec<Measurement>) -> Contender {
    Contender { runs, ..Contender::new(broker) }
}

#[test]
fn the_median_of_an_even_number_lies_between() {
    assert_eq!(Spread::of(vec![3.0, 1.0, 2.0]).unwrap().median, 2.0);
    let spread = Spread::of(vec![4.0, 1.0, 2.0, 3.0]).unwrap();
    assert_eq!((spread.median, spread.least, spread.greatest), (2.5, 1.0, 4.0));
    assert_eq!(Spread::of(Vec::new()), None);
}

#[test]
fn ratios_are_to_mosquitto() {
    let row = row(
        "pairs-qos0",
        vec![contender("vaux", vec![run(4000, 2000.0)]), contender("mosquitto", vec![run(1000, 5000.0)])],
    );
    let vaux = row.cells(&row.contenders[0]);
    assert_eq!(vaux[..5], ["vaux", "0.500 (0.500 to 0.500)", "0.100", "2000 (2000 to 2000)", "4.000"]);
    assert_eq!(row.cells(&row.contenders[1])[2], "1.000");
}

#[test]
fn without_mosquitto_there_is_no_ratio() {
    let row = row("connects", vec![contender("vaux", vec![run(4000, 2000.0)])]);
    assert_eq!(row.cells(&row.contenders[0])[2], "-");
}

#[test]
fn idle_connections_report_their_memory() {
    let row = row("idle", vec![contender("vaux", vec![run(10, 1.0)])]);
    assert_eq!(row.cells(&row.contenders[0])[3], "700 (700 to 700)");
    assert!(row.to_string().contains("bytes/connection"));
}

#[test]
fn what_is_written_is_reported_where_messages_are_kept() {
    let commit_us = Some(CommitTimes { p50: 1023.0, p99: 4095.0 });
    let disk = Measurement { written_bytes: Some(800_000), commit_us, ..run(1000, 1.0) };
    let memory = Measurement { written_bytes: Some(0), ..run(1000, 1.0) };
    let row = row("durable-qos1-1", vec![contender("vaux", vec![disk]), contender(IN_MEMORY, vec![memory])]);
    let cells = row.cells(&row.contenders[0]);
    assert_eq!(cells.len(), row.columns().len());
    assert_eq!(cells[8..], ["800 (800 to 800)", "1023 (1023 to 1023)", "4095 (4095 to 4095)"]);
    assert_eq!(row.cells(&row.contenders[1])[8..], ["0.000 (0.000 to 0.000)", "-", "-"]);
    assert!(row.to_string().contains("p99 µs"));
}

#[test]
fn two_workers_are_compared_with_one() {
    let one = contender(ONE_WORKER, vec![run(1000, 1.0)]);
    let two = contender(TWO_WORKERS, vec![run(1500, 1.0)]);
    let notes = row("pairs-cross", vec![one, two]).notes();
    assert_eq!(notes.last().unwrap(), "two workers: 1.50 times the rate of one");
}

#[test]
fn failures_and_faults_are_complained_about() {
    let mut lossy = run(1, 1.0);
    lossy.faults.lost = 3;
    let mut failed = Contender::new("mosquitto");
    failed.failures.push("it stopped".to_owned());
    let rows = vec![row("pairs-qos1", vec![contender("vaux", vec![run(1, 1.0), lossy]), failed])];
    let report = Report {
        machine: Machine::this(),
        profile: "release".to_owned(),
        protocol: "3.1.1",
        rounds: 2,
        warm_up_seconds: 1.0,
        measured_seconds: 3.0,
        rows,
    };
    assert_eq!(
        report.complaints(),
        [
            "pairs-qos1 with vaux: 3 messages lost, 0 duplicated, 0 out of order",
            "pairs-qos1 with mosquitto: it stopped"
        ]
    );
    assert!(report.rows[0].to_string().contains("failed"));
}
