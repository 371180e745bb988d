//! `vaux record` and `vaux replay`.

use std::io::Write;
use std::path::Path;
use std::process::Stdio;

use serde_json::Value as Json;

use crate::broker::{Broker, Subscriber};
use crate::program::{Run, run, run_with_input};

/// Publishes one message of each kind.
fn publish_all_kinds(broker: &Broker) {
    let binary = broker.data_dir.path().join("binary");
    std::fs::write(&binary, b"\0\x01\xff\n").unwrap();
    let properties = "-D publish content-type text/plain -D publish user-property k v -D publish user-property k w \
                      -D publish correlation-data id -D publish response-topic back \
                      -D publish payload-format-indicator 1 -D publish message-expiry-interval 600";
    let properties: Vec<_> = properties.split_whitespace().collect();
    let flags = [
        &["-t", "a/zero", "-m", "0"][..],
        &["-t", "a/one", "-m", "1", "-q", "1", "-r"],
        &["-t", "a/two", "-m", "2", "-q", "2"],
        &[&["-t", "a/properties", "-m", "°C", "-q", "1"], &properties[..]].concat(),
        &["-t", "a/binary", "-f", binary.to_str().unwrap(), "-q", "1", "-r"],
        &["-t", "a/one", "-n", "-q", "1", "-r"],
    ];
    for flags in flags {
        let run = broker.run("pub", flags);
        assert_eq!(run.code, Some(0), "{}", run.stderr);
    }
}

const KINDS: &str = "6";

/// The messages of a recording, without their times.
fn messages(path: &Path) -> Vec<Json> {
    let text = std::fs::read_to_string(path).unwrap();
    let lines = text.lines().map(|line| serde_json::from_str::<Json>(line).unwrap());
    lines
        .filter(|line| line.get("vaux").is_none())
        .map(|mut line| {
            line.as_object_mut().unwrap().remove("us").unwrap();
            line
        })
        .collect()
}

fn recorder(broker: &Broker, path: &Path, flags: &[&str]) -> Subscriber {
    let args = [&["-t", "a/#", "-O", path.to_str().unwrap()], flags].concat();
    broker.subscribing("record", &args)
}

fn replay(broker: &Broker, path: &Path, flags: &[&str]) -> Run {
    broker.run("replay", &[&[path.to_str().unwrap()], flags].concat())
}

#[test]
fn a_replay_reproduces_what_was_recorded() {
    let directory = tempfile::tempdir().unwrap();
    let [first, second] = ["first", "second"].map(|name| directory.path().join(name));
    let broker = Broker::plain();
    let recording = recorder(&broker, &first, &["-C", KINDS]);
    publish_all_kinds(&broker);
    assert_eq!(recording.output(), b"");
    let recorded = messages(&first);
    let flags: Vec<_> = recorded.iter().map(|line| (line["q"].as_u64(), line["r"].as_bool())).collect();
    let expected = [(0, false), (1, true), (2, false), (1, false), (1, true), (1, true)];
    assert!(flags.iter().eq(expected.map(|(q, r)| (Some(q), Some(r))).iter()), "{flags:?}");
    assert_eq!(recorded[3]["props"].as_array().unwrap().len(), 7);

    let other = Broker::plain();
    let recording = recorder(&other, &second, &["-C", KINDS]);
    let run = replay(&other, &first, &["--speed", "max"]);
    assert_eq!((run.code, run.stdout.as_str()), (Some(0), ""), "{}", run.stderr);
    assert!(run.stderr.starts_with("replayed 6 messages in "), "{}", run.stderr);
    recording.output();
    assert_eq!(messages(&second), recorded);
}

#[test]
fn ten_thousand_messages_are_replayed_in_their_order() {
    let directory = tempfile::tempdir().unwrap();
    let [first, second] = ["first", "second"].map(|name| directory.path().join(name));
    let broker = Broker::plain();
    let recording = recorder(&broker, &first, &["-C", "10000"]);
    let lines: String = (0..10_000).map(|number| format!("line {number}\n")).collect();
    let mut publisher =
        broker.command("pub", &["-q", "1", "-t", "a/lines", "-l"]).stdin(Stdio::piped()).spawn().unwrap();
    publisher.stdin.take().unwrap().write_all(lines.as_bytes()).unwrap();
    assert_eq!(publisher.wait().unwrap().code(), Some(0));
    recording.output();

    let other = Broker::plain();
    let recording = recorder(&other, &second, &["-C", "10000"]);
    assert_eq!(replay(&other, &first, &["--speed", "max"]).code, Some(0));
    recording.output();
    let replayed = messages(&second);
    assert!(replayed.iter().enumerate().all(|(number, line)| line["p"] == format!("line {number}")));
    assert!(replayed == messages(&first));
}

#[test]
fn a_recorder_that_is_killed_leaves_a_recording() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("recording");
    let broker = Broker::plain();
    let mut recording = recorder(&broker, &path, &[]);
    let mut publisher = broker
        .command("pub", &["-q", "1", "-t", "a/b", "-m", "message", "--repeat", "1000000000"])
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    while std::fs::metadata(&path).unwrap().len() < 200_000 {
        std::thread::yield_now();
    }
    recording.child.kill().unwrap();
    recording.child.wait().unwrap();
    publisher.kill().unwrap();
    publisher.wait().unwrap();
    let run = run(&["replay", path.to_str().unwrap(), "--dry-run"]);
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    assert!(run.stdout.lines().count() > 1000);

    // What is torn is cut off before more is written.
    let whole = std::fs::read_to_string(&path).unwrap().lines().count();
    std::fs::OpenOptions::new()
        .append(true)
        .open(&path)
        .unwrap()
        .write_all(b"{\"us\":1,\"t\":\"tor")
        .unwrap();
    let recording = recorder(&broker, &path, &["-C", "1", "--append"]);
    assert_eq!(broker.run("pub", &["-t", "a/b", "-m", "appended", "-q", "1"]).code, Some(0));
    recording.output();
    let appended = run_replay_dry(&path);
    assert!(appended.ends_with("\"p\":\"appended\"}\n"));
    assert!(std::fs::read_to_string(&path).unwrap().lines().count() > whole);
}

fn run_replay_dry(path: &Path) -> String {
    let run = run(&["replay", path.to_str().unwrap(), "--dry-run"]);
    assert_eq!((run.code, run.stderr.as_str()), (Some(0), ""));
    run.stdout
}

#[test]
fn a_full_file_gets_a_number_and_none_is_overwritten() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("recording");
    let broker = Broker::plain();
    let recording = recorder(&broker, &path, &["-C", "3", "--rotate", "160"]);
    for message in ["1", "2", "3"] {
        assert_eq!(broker.run("pub", &["-t", "a/b", "-m", message, "-q", "1"]).code, Some(0));
    }
    recording.output();
    let parts = ["recording.1", "recording"].map(|name| messages(&directory.path().join(name)).len());
    assert_eq!(parts, [2, 1]);

    let again = broker.run("record", &["-t", "a/#", "-O", path.to_str().unwrap()]);
    assert_eq!(again.code, Some(2));
    assert!(again.stderr.contains("holds something already"), "{}", again.stderr);
    let other = directory.path().join("other");
    std::fs::write(&other, "letters\n").unwrap();
    let letters = broker.run("record", &["-t", "a/#", "--append", "-O", other.to_str().unwrap()]);
    assert_eq!(letters.code, Some(2), "{}", letters.stderr);
    assert_eq!(std::fs::read_to_string(&other).unwrap(), "letters\n");
}

#[test]
fn the_recorded_broker_is_spared_unless_asked_for() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("recording");
    let broker = Broker::plain();
    let recording = recorder(&broker, &path, &["-C", "1"]);
    assert_eq!(broker.run("pub", &["-t", "a/b", "-m", "m", "-q", "1"]).code, Some(0));
    recording.output();
    let refused = replay(&broker, &path, &["--speed", "max"]);
    assert_eq!(refused.code, Some(2));
    assert!(refused.stderr.contains("--map FROM=TO"), "{}", refused.stderr);
    for (flags, topic) in [(&["--yes"][..], "a/b"), (&["--map", "a=test/a"], "test/a/b")] {
        let subscriber = broker.subscriber(&["-t", topic, "-C", "1", "-v"]);
        assert_eq!(replay(&broker, &path, &[&["--speed", "max"], flags].concat()).code, Some(0));
        assert_eq!(subscriber.output(), format!("{topic} m\n").as_bytes());
    }
}

const RECORDING: &str = r##"{"vaux":"rec/1","start":"2026-11-22T21:00:00Z","broker":"elsewhere:8883","v":5,"filters":["#"]}
{"us":100000,"t":"a/1","q":1,"r":false,"p":"one"}
{"us":400000,"t":"a/2","q":1,"r":false,"p":"two","new":true}
{"us":500000,"t":"a/3","q":1,"##;

#[test]
fn messages_are_published_when_they_are_due() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("recording");
    std::fs::write(&path, RECORDING).unwrap();
    let broker = Broker::plain();
    let subscriber = broker.subscriber(&["-t", "a/#", "-C", "4", "-v"]);
    let run = replay(&broker, &path, &["--json", "--loop=2"]);
    assert_eq!(run.code, Some(0));
    assert!(run.stderr.contains("the last line of the recording is torn"), "{}", run.stderr);
    let report: Json = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!((report["published"].as_u64(), report["refused"].as_u64()), (Some(4), Some(0)));
    assert!(report["seconds"].as_f64().unwrap() >= 0.8, "{report}");
    assert!(report["lag_us"]["max"].as_u64() >= report["lag_us"]["p50"].as_u64());
    assert_eq!(subscriber.output(), b"a/1 one\na/2 two\na/1 one\na/2 two\n");
}

#[test]
fn a_step_is_a_message() {
    let broker = Broker::plain();
    let path = broker.data_dir.path().join("recording");
    std::fs::write(&path, RECORDING).unwrap();
    let subscriber = broker.subscriber(&["-t", "a/#", "-C", "1", "-v"]);
    let mut stepping = broker
        .command("replay", &[path.to_str().unwrap(), "--step"])
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    stepping.stdin.take().unwrap().write_all(b"\nq\n").unwrap();
    let output = stepping.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    let talk = String::from_utf8(output.stderr).unwrap();
    assert!(
        talk.contains("a/2 (QoS 1, 3 bytes): Enter publishes it, q ends\nreplayed 1 message in"),
        "{talk}"
    );
    assert_eq!(subscriber.output(), b"a/1 one\n");
}

#[test]
fn a_dry_run_says_what_would_be_published_and_when() {
    let args = ["replay", "-", "--dry-run", "--speed", "2", "--map", "a=b", "-q", "0", "-T", "a/3"];
    let run = run_with_input(&args, RECORDING.as_bytes());
    assert_eq!(
        run.stdout,
        "{\"us\":50000,\"t\":\"b/1\",\"q\":0,\"r\":false,\"p\":\"one\"}\n\
         {\"us\":200000,\"t\":\"b/2\",\"q\":0,\"r\":false,\"p\":\"two\"}\n"
    );
    assert_eq!(run.code, Some(0));
}

#[test]
fn before_version_5_properties_are_not_replayed() {
    let broker = Broker::plain();
    let line = r#"{"us":1,"t":"a/b","q":1,"p":"m","props":[["content-type","x"]]}"#;
    let path = broker.data_dir.path().join("recording");
    std::fs::write(&path, line).unwrap();
    let subscriber = broker.subscriber(&["-t", "a/b", "-C", "1", "-F", "%p[%C]"]);
    assert_eq!(replay(&broker, &path, &["-V", "311"]).code, Some(0));
    assert_eq!(subscriber.output(), b"m[]\n");
}

#[test]
fn what_cannot_be_replayed_is_told() {
    let broker = Broker::plain();
    for (args, input, code, text) in [
        (&["-"][..], "{\"us\":1}\n", 2, "standard input, line 1"),
        (&["-"], "not a recording\n", 2, "line 1"),
        (&["/no/such/file"], "", 1, "cannot read /no/such/file"),
        (&["-", "--loop"], "", 2, "--loop needs a file"),
        (&["-", "--step"], "", 2, "needs a file"),
        (&["-", "--speed", "0"], "", 2, "--speed"),
        (&["-", "--map", "a"], "", 2, "FROM=TO"),
        (&["-", "--from", "then"], "", 2, "--from"),
        (&["-", "-t", "a/#/b"], "", 2, "-t"),
        (&[], "", 2, "missing"),
    ] {
        let run = run_with_input(&[&["replay", "-L", broker.url.as_str()], args].concat(), input.as_bytes());
        assert_eq!(run.code, Some(code), "{args:?}: {}", run.stderr);
        assert!(run.stderr.contains(text), "{args:?}: {}", run.stderr);
    }
    let path = broker.data_dir.path().join("recording");
    std::fs::write(&path, "{\"us\":1,\"t\":\"$x\",\"q\":1,\"p\":\"\"}\n").unwrap();
    let refused = replay(&broker, &path, &[]);
    assert_eq!(refused.code, Some(7), "{}", refused.stderr);
    assert!(refused.stderr.contains("replayed 0 messages") && refused.stderr.contains("1 refused"));
    // What was not published was not late either.
    let nothing = replay(&broker, &path, &["--from", "9"]);
    assert_eq!(nothing.code, Some(0), "{}", nothing.stderr);
    assert!(nothing.stderr.contains("replayed 0 messages") && !nothing.stderr.contains("lag"));
}
