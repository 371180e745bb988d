//! `vaux bench` against `vaux broker`.

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use insta::assert_snapshot;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value as Json;

use crate::broker::Broker;
use crate::program::{Run, run};

/// So long nothing is missing, however slow the machine is.
const PATIENCE: [&str; 2] = ["--drain", "60"];

fn bench(broker: &Broker, line: &str) -> Run {
    let args: Vec<_> = line.split_whitespace().collect();
    broker.run("bench", &args)
}

/// The report of a run, which ends with this code.
fn report(broker: &Broker, code: i32, line: &str) -> Json {
    let run = bench(broker, &format!("{line} --json"));
    assert_eq!(run.code, Some(code), "{line}: {}", run.stderr);
    let report: Json = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(report["exit_code"], code);
    report
}

#[test]
fn every_mode_delivers_what_was_due_to_everybody_once() {
    let broker = Broker::plain();
    for (line, copies) in [
        ("e2e --clients 3", 1),
        ("e2e --clients 2 --topics 12 -q 1", 1),
        ("e2e --clients 2 -q 2 -V 311", 1),
        ("fanout --clients 5 -q 1", 5),
        ("fanin --clients 5 --topics 2 -V 31", 1),
        ("shared --clients 3 --group 2 -q 1", 1),
    ] {
        let patience = PATIENCE.join(" ");
        let line = format!("{line} --rate 200 --duration 0.5 --warmup 0.1 {patience}");
        let report = report(&broker, 0, &line);
        let check = |name: &str| report["check"][name].as_u64().unwrap();
        // 200 a second for 0.6 seconds. What could not be sent in time on a busy machine is told.
        assert_eq!(check("published") + check("unsent"), 120, "{line}");
        assert_eq!(check("expected"), check("published") * copies, "{line}");
        assert_eq!(check("received"), check("expected"), "{line}");
        for fault in ["lost", "duplicated", "out_of_order", "stray", "foreign", "refused"] {
            assert_eq!(check(fault), 0, "{line}: {fault}");
        }
        assert_eq!((&report["exit_reason"], &report["errors"]), (&"done".into(), &Json::Array(vec![])));
        let latency = &report["latency_us"];
        assert!(latency["max"].as_f64() >= latency["p50"].as_f64(), "{latency}");
    }
}

#[test]
fn without_a_rate_windows_are_kept_full() {
    let broker = Broker::plain();
    let patience = PATIENCE.join(" ");
    for line in ["e2e --clients 2", "e2e --clients 2 -q 2 --window 1", "fanout --clients 3 --window 7"] {
        let line = format!("{line} --duration 0.3 --warmup 0 {patience}");
        let check = report(&broker, 0, &line)["check"].take();
        assert!(check["published"].as_u64() > Some(10), "{line}: {check}");
        assert_eq!((&check["received"], check["lost"].as_u64()), (&check["expected"], Some(0)), "{line}");
    }
}

#[test]
fn publishers_alone_wait_for_acknowledgements() {
    let broker = Broker::plain();
    let line = "pub --clients 3 -q 1 --duration 0.3 --warmup 0 --fail-p99 100000 --max-loss 0 --drain 60";
    let report = report(&broker, 0, line);
    let check = &report["check"];
    assert!(check["published"].as_u64() > Some(10), "{check}");
    assert_eq!((&check["acknowledged"], check["lost"].as_u64()), (&check["published"], Some(0)));
    assert_eq!(report["latency_us"], report["acknowledgement_us"]);
    let unlimited = bench(&broker, "pub --clients 1 --duration 0.1 --warmup 0");
    assert_eq!(unlimited.code, Some(0), "{}", unlimited.stderr);
    assert!(unlimited.stdout.starts_with("pub: 1 publisher, QoS 0, 64 bytes, as fast as it goes\n"));
}

#[test]
fn who_subscribes_hears_another_run_until_interrupted() {
    let broker = Broker::plain();
    let mut subscriber = broker
        .command(
            "bench",
            &["sub", "-q", "1", "--duration", "1000", "--warmup", "0", "--debug", "--progress", "--json"],
        )
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut talk = BufReader::new(subscriber.stderr.take().unwrap()).lines().map(Result::unwrap);
    assert!(talk.any(|line| line.contains("subscribed to vaux-bench/#")));
    let published =
        report(&broker, 0, "pub --clients 2 -q 1 --rate 100 --duration 0.5 --warmup 0 --drain 60");
    let has_received = |line: &str| {
        let rate = line.split_once("received").map(|(_, rate)| rate.split_whitespace().next().unwrap());
        rate.is_some_and(|rate| !rate.starts_with('0'))
    };
    assert!(talk.any(|line| has_received(&line)), "{published}");
    kill_process(Pid::from_child(&subscriber), Signal::INT).unwrap();
    let output = subscriber.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130));
    let heard: Json = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&heard["exit_reason"], heard["exit_code"].as_u64()), (&"interrupted".into(), Some(130)));
    let received = heard["check"]["received"].as_u64().unwrap();
    assert!(received > 0 && Some(received) <= published["check"]["published"].as_u64(), "{heard}");
    assert_eq!(heard["check"]["lost"], 0);
    assert_eq!(heard["latency_us"]["count"].as_u64(), Some(received));
}

#[test]
fn connections_are_made_and_held() {
    let broker = Broker::plain();
    for rate in ["", "--rate 500"] {
        let report = report(&broker, 0, &format!("conn --clients 40 --duration 0 {rate}"));
        let connections = &report["connections"];
        for name in ["wanted", "connected", "at_end"] {
            assert_eq!(connections[name], 40, "{connections}");
        }
        assert_eq!((&report["latency_us"]["count"], &report["check"]), (&40.into(), &Json::Null));
    }
    let text = bench(&broker, "conn --clients 2 --duration 0");
    assert!(text.stdout.starts_with("conn: 2 connections\n"), "{}", text.stdout);
}

/// A broker that drops all payloads of more than 32 bytes.
fn dropping_broker() -> Broker {
    let directory = tempfile::tempdir().unwrap();
    let config = directory.path().join("vaux.toml");
    std::fs::write(&config, "[limits]\nmax_payload = 32\n").unwrap();
    Broker::start(&["--plain", "-c", config.to_str().unwrap()], "mqtt")
}

#[test]
fn more_loss_or_latency_than_allowed_is_exit_code_9() {
    let broker = dropping_broker();
    let line = "e2e --clients 2 --rate 100 --duration 0.2 --warmup 0 --drain 0.1";
    let lossy = report(&broker, 9, &format!("{line} --max-loss 0"));
    assert_eq!((&lossy["exit_reason"], &lossy["check"]["received"]), (&"loss".into(), &0.into()));
    assert_eq!(lossy["check"]["lost"], lossy["check"]["published"]);
    assert_eq!(report(&broker, 0, &format!("{line} --max-loss 1000"))["exit_reason"], "done");
    // Nothing arrived, so that nothing was fast.
    assert_eq!(report(&broker, 9, &format!("{line} --fail-p99 1000"))["exit_reason"], "p99");

    let line = "e2e --clients 1 --size 28 --rate 100 --duration 0.2 --warmup 0 --drain 60";
    let slow = bench(&broker, &format!("{line} --fail-p99 0"));
    assert_eq!(slow.code, Some(9));
    assert!(slow.stderr.contains("above --fail-p99 0"), "{}", slow.stderr);
    assert_eq!(report(&broker, 0, &format!("{line} --fail-p99 100000 --max-loss 0"))["exit_reason"], "done");
}

#[test]
fn messages_that_the_server_refuses_are_not_lost() {
    let broker = dropping_broker();
    let line = "e2e --clients 1 -q 1 --rate 100 --duration 0.2 --warmup 0 --drain 60 --max-loss 0";
    let report = report(&broker, 7, line);
    let check = &report["check"];
    assert_eq!((&check["refused"], &check["expected"]), (&check["published"], &0.into()), "{check}");
    assert_eq!((&report["errors"][0]["reason_code"], &check["lost"]), (&0x97.into(), &0.into()));
    assert_eq!(report["exit_reason"], "message-refused");
}

#[test]
fn load_comes_over_tls_and_websocket_too() {
    for broker in [Broker::start(&[], "mqtts"), Broker::listening("ws"), Broker::listening("wss")] {
        let report =
            report(&broker, 0, "e2e --clients 2 -q 1 --duration 0.2 --warmup 0 --drain 60 --size 100000");
        assert!(report["check"]["received"].as_u64() > Some(1), "{report}");
        assert_eq!(report["check"]["lost"], 0);
    }
}

/// What stands where in the JSON: names, and what kind of value.
fn form(value: &Json, indent: usize, out: &mut String) {
    match value {
        Json::Object(object) => {
            for (name, value) in object {
                out.push_str(&format!("\n{}{name}:", "  ".repeat(indent)));
                form(value, indent + 1, out);
            }
        }
        Json::Null => out.push_str(" null"),
        Json::Bool(_) => out.push_str(" bool"),
        Json::Number(number) if number.is_f64() => out.push_str(" real"),
        Json::Number(_) => out.push_str(" whole"),
        Json::String(_) => out.push_str(" text"),
        Json::Array(_) => out.push_str(" list"),
    }
}

#[test]
fn the_json_has_one_form() {
    let broker = Broker::plain();
    let report = report(&broker, 0, "e2e --clients 1 --rate 100 --duration 0.2 --warmup 0 -q 1 --drain 60");
    let mut text = String::new();
    form(&report, 0, &mut text);
    assert_snapshot!(text);
}

#[test]
fn what_cannot_be_measured_is_told() {
    let broker = Broker::plain();
    for (line, code, text) in [
        ("up", 2, "cannot be up; it is one of"),
        ("", 2, "is missing"),
        ("e2e --clients 0", 2, "--clients"),
        ("e2e --rate 0", 2, "--rate cannot be 0"),
        ("e2e --duration x", 2, "--duration cannot be x"),
        ("e2e --group 2", 2, "--group is for shared"),
        ("sub --rate 2", 2, "sub publishes nothing"),
        ("pub --fail-p99 2", 2, "-q 1"),
        ("conn --connect-rate 2", 2, "--rate"),
        ("e2e -t a/#", 2, "-t \"a/#\""),
        ("conn --clients 1000000", 2, "file descriptors"),
        ("e2e --size 5000000 --duration 0.1", 7, "does not support this run"),
        ("pub -t $x -q 1 --rate 10 --duration 0.2 --warmup 0", 7, "Not authorized"),
        ("sub -t $CONTROL/x", 7, "not subscribed"),
    ] {
        let run = bench(&broker, line);
        assert_eq!(run.code, Some(code), "{line}: {}", run.stderr);
        assert!(run.stderr.contains(text), "{line}: {}", run.stderr);
    }
    let small = bench(&broker, "e2e --clients 1 --size 1 --rate 10 --duration 0.1 --warmup 0");
    assert!(small.stderr.contains("--size is 28") && small.stdout.contains(", 28 bytes,"), "{small:?}");
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    drop(listener);
    let run = run(&["bench", "conn", "-h", "127.0.0.1", "-p", &port]);
    assert_eq!(run.code, Some(3), "{}", run.stderr);
}
