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
        bytes_each: Some(700.0),
        ..Measurement::default()
    }
}

fn row(name: &str, contenders: Vec<Contender>) -> Row {
    let scenario = scenario::named(name).unwrap();
    let mut row = Row::new(&scenario, true, contenders);
    row.summarize(&scenario);
    row
}

fn contender(broker: &str, runs: Vec<Measurement>) -> Contender {
    Contender { runs, ..Contender::new(broker) }
}

fn report(rows: Vec<Row>) -> Report {
    Report {
        machine: Machine::this(),
        profile: "release".to_owned(),
        protocol: "3.1.1".to_owned(),
        rounds: 2,
        warm_up_seconds: 1.0,
        measured_seconds: 3.0,
        rows,
    }
}

#[test]
fn ratios_are_to_mosquitto_and_to_the_best_peer() {
    let mut lossy = run(8000, 100.0);
    lossy.faults.lost = 1;
    let row = row(
        "pairs-qos0",
        vec![
            contender("vaux", vec![run(4000, 2000.0)]),
            contender("mosquitto", vec![run(1000, 5000.0)]),
            contender("another", vec![run(2000, 2000.0)]),
            contender("lossy", vec![lossy]),
        ],
    );
    let vaux = row.cells(&row.contenders[0]);
    assert_eq!(vaux.len(), row.columns().len());
    assert_eq!(vaux[..4], ["vaux", "0.500 (0.500 to 0.500)", "0.100", "0.500"]);
    assert_eq!(vaux[4..7], ["2000 (2000 to 2000)", "4.000", "2.000"]);
    assert_eq!(row.cells(&row.contenders[1])[2..4], ["1.000", "5.000"]);
}

#[test]
fn without_other_brokers_there_is_no_ratio() {
    let row = row("connects", vec![contender("vaux", vec![run(4000, 2000.0)])]);
    assert_eq!(row.cells(&row.contenders[0])[2..4], ["-", "-"]);
}

#[test]
fn idle_connections_report_their_memory() {
    let row = row("idle", vec![contender("vaux", vec![run(10, 1.0)])]);
    assert_eq!(row.cells(&row.contenders[0])[1], "700 (700 to 700)");
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
    assert_eq!(cells[7..10], ["800 (800 to 800)", "1023 (1023 to 1023)", "4095 (4095 to 4095)"]);
    assert_eq!(row.cells(&row.contenders[1])[7..10], ["0.000 (0.000 to 0.000)", "-", "-"]);
    assert!(row.to_string().contains("p99 µs"));
}

#[test]
fn the_disturbed_are_compared_with_themselves_alone() {
    let disturbed = Measurement { rate_alone: Some(1000.0), ..run(1500, 1.0) };
    let row = row("many", vec![contender("vaux", vec![disturbed])]);
    assert_eq!(row.cells(&row.contenders[0])[1], "0.750 (0.750 to 0.750)");
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
    let report = report(vec![row("pairs-qos1", vec![contender("vaux", vec![run(1, 1.0), lossy]), failed])]);
    assert_eq!(
        report.complaints(),
        [
            "pairs-qos1 with vaux: 3 messages lost, 0 duplicated, 0 out of order",
            "pairs-qos1 with mosquitto: it stopped"
        ]
    );
    assert!(report.rows[0].to_string().contains("failed"));
}

#[test]
fn what_was_written_is_read_again_and_put_together() {
    let folder = tempfile::tempdir().unwrap();
    let paths = [folder.path().join("a"), folder.path().join("b")];
    for (path, name) in paths.iter().zip(["pairs-qos0", "idle"]) {
        report(vec![row(name, vec![contender("vaux", vec![run(1, 1.0)])])]).write(path).unwrap();
    }
    let whole = Report::read(&paths).unwrap();
    assert_eq!(whole.rows[1].name, "idle");
    assert_eq!(whole.rows[1].contenders[0].figure(0).unwrap().spread.median, 700.0);
    std::fs::write(&paths[0], "{}").unwrap();
    assert!(Report::read(&paths).unwrap_err().to_string().contains("no result"));
}
