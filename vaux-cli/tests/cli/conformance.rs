//! `vaux test` against `vaux broker`.

use crate::broker::Broker;
use crate::program::{Run, run, vaux};

fn test(broker: &Broker, args: &[&str]) -> Run {
    run(&[&["test", "--url", &broker.url], args].concat())
}

#[test]
fn a_broker_that_keeps_a_statement_passes_and_its_name_is_in_the_table() {
    let run = test(&Broker::plain(), &["--filter", "v5:MQTT-3.12.4-1"]);
    assert_eq!((run.code, run.stderr.as_str()), (Some(0), ""));
    assert!(run.stdout.contains("MQTT-3.12.4-1"), "{}", run.stdout);
}

#[test]
fn the_broker_of_this_machine_is_found_and_trusted() {
    let broker = Broker::start(&[], "mqtts");
    let mut test = vaux(&["test", "--filter", "v5:MQTT-3.12.4-1"]);
    test.env("VAUX_DATA_DIR", broker.data_dir.path()).env("VAUX_URL", &broker.url);
    let output = test.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    // What is said on the command line comes first.
    let elsewhere = test.args(["--url", "mqtts://127.0.0.1:1"]).output().unwrap();
    assert_eq!(elsewhere.status.code(), Some(3));
}

#[test]
fn a_failure_shows_the_exchange_and_ends_with_9() {
    let directory = tempfile::tempdir().unwrap();
    let flow = directory.path().join("wrong.flow");
    let text = "name: a ping is answered with a message\nversions: 5\nrequires: v5:MQTT-3.12.4-1\n\n\
                c> CONNECT\nc< CONNACK reason=00\nc> PINGREQ\nc< PUBLISH\n";
    std::fs::write(&flow, text).unwrap();
    let run = test(&Broker::plain(), &[flow.to_str().unwrap()]);
    assert_eq!(run.code, Some(9), "{}{}", run.stdout, run.stderr);
    assert!(run.stdout.contains("PINGRESP"), "{}", run.stdout);
}

#[test]
fn no_broker_ends_with_3() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("mqtt://127.0.0.1:{}", listener.local_addr().unwrap().port());
    drop(listener);
    let run = run(&["test", "--url", &url]);
    assert_eq!((run.code, run.stdout.as_str()), (Some(3), ""));
    assert!(run.stderr.starts_with(&format!("error: {url}: ")), "{}", run.stderr);
}
