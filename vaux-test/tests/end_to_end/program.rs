//! The `vaux-test` program: what it prints and how it ends.

use std::net::TcpListener;
use std::process::{Command, Output};

use serde_json::{Value, json};
use vaux_broker::config::ListenerKind;

use crate::broker::TestBroker;

fn vaux_test(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_vaux-test")).args(arguments).output().expect("the program starts")
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("it prints text")
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).expect("it prints text")
}

/// A flow in a file of its own.
fn flow(folder: &tempfile::TempDir, text: &str) -> String {
    let path = folder.path().join("a.flow");
    std::fs::write(&path, text).expect("the file can be written");
    path.display().to_string()
}

#[test]
fn flows_that_pass_end_with_0() {
    let broker = TestBroker::start(ListenerKind::Tcp, 1);
    let output = vaux_test(&["--url", &broker.url(), "--filter", "connect-ping-disconnect"]);
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(stdout(&output).lines().last(), Some("3 passed, 0 failed"));
    let output =
        vaux_test(&["--url", &broker.url(), "--filter", "v5:MQTT-3.12.4-1", "--only", "5", "--json"]);
    assert_eq!(output.status.code(), Some(0));
    let text = stdout(&output);
    let lines: Vec<Value> =
        text.lines().map(|line| serde_json::from_str(line).expect("it is JSON")).collect();
    assert_eq!(lines[0]["flow"], "connect-ping-disconnect");
    assert_eq!(lines[0]["status"], "pass");
    assert_eq!(lines[1], json!({ "passed": 1, "failed": 0 }));
}

#[test]
fn a_flow_that_fails_ends_with_9_and_shows_the_bytes() {
    let broker = TestBroker::start(ListenerKind::Tcp, 1);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = flow(&folder, "name: refused\nversions: 3.1.1\nc> CONNECT\nc< CONNACK reason=05\n");
    let output = vaux_test(&["--url", &broker.url(), &file]);
    assert_eq!(output.status.code(), Some(9));
    let text = stdout(&output);
    assert!(text.contains("line 4: c< CONNACK reason=05\n"), "{text}");
    assert!(text.contains("reason is 00, not 05\n"), "{text}");
    assert!(text.contains("20  type CONNACK, flags 0000\n"), "{text}");
    assert!(text.ends_with("0 passed, 1 failed\n"), "{text}");
}

#[test]
fn wrong_usage_ends_with_2() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = flow(&folder, "name: wrong\nversions: 5\nc> PUBLICH\n");
    let unused = "mqtt://127.0.0.1:1";
    for (arguments, words) in [
        (&[][..], "--url"),
        (&["--url", "http://localhost"], "scheme"),
        (&["--url", "mqtts://localhost"], "--cafile"),
        (&["--url", unused, "--filter", "no flow has this"], "no flow is left"),
        (&["--url", unused, "no such file"], "no such file"),
        (&["--url", unused, &file], "`PUBLICH` is no packet"),
        (&["--url", unused, "--only", "4"], "3.1, 3.1.1 and 5"),
    ] {
        let output = vaux_test(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(stderr(&output).contains(words), "{arguments:?}: {}", stderr(&output));
    }
}

#[test]
fn a_broker_that_is_not_there_ends_with_3() {
    // Bound and closed again: nobody listens on this port.
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let url = format!("mqtt://{}", listener.local_addr().expect("it is bound"));
    drop(listener);
    let output = vaux_test(&["--url", &url]);
    assert_eq!(output.status.code(), Some(3));
    assert!(stderr(&output).contains(&url), "{}", stderr(&output));
}

#[test]
fn flows_are_listed_without_a_broker() {
    let output = vaux_test(&["--list"]);
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(stdout(&output).lines().count(), vaux_test::bundled::FLOWS.len());
}
