//! Which messages `vaux sub` prints and how, and lines for `vaux pub` that say more than a payload.

use std::io::Write;
use std::process::Stdio;
use std::time::Instant;

use crate::broker::Broker;
use crate::program::Run;

/// Publishes these lines.
fn publish(broker: &Broker, flags: &[&str], lines: &str) -> Run {
    let mut child = broker
        .command("pub", &[&["-q", "1", "-l"], flags].concat())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A publisher that ends early does not read the rest.
    let _ = child.stdin.take().unwrap().write_all(lines.as_bytes());
    let output = child.wait_with_output().unwrap();
    Run {
        code: output.status.code(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

#[test]
fn only_messages_that_match_and_change_are_printed() {
    let broker = Broker::plain();
    let flags = ["-q", "1", "-t", "lamp/+", "--match", "on=true", "--changed", "-v", "-C", "3"];
    let subscriber = broker.subscriber(&flags);
    let lines = "lamp/1\t{\"on\":true}\nlamp/1\t{\"on\":true}\nlamp/2\t{\"on\":true}\nlamp/1\tno json\n\
                 lamp/1\t{\"on\":false}\nlamp/1\t{\"on\":true, \"dim\":1}\n";
    let run = publish(&broker, &["--lines-format", "topic\\tpayload"], lines);
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    let expected = "lamp/1 {\"on\":true}\nlamp/2 {\"on\":true}\nlamp/1 {\"on\":true, \"dim\":1}\n";
    assert_eq!(String::from_utf8(subscriber.output()).unwrap(), expected);
}

#[test]
fn what_sub_prints_as_json_pub_publishes_again() {
    let broker = Broker::plain();
    let first = broker.subscriber(&["-q", "2", "-t", "a/+", "--json", "-C", "2"]);
    for flags in [
        &["-t", "a/1", "-m", "ff00", "--encoding", "hex", "-q", "2"][..],
        &[
            "-t",
            "a/2",
            "-m",
            "wrI=",
            "--encoding",
            "base64",
            "-q",
            "1",
            "-D",
            "publish",
            "user-property",
            "k",
            "v",
        ],
    ] {
        assert_eq!(broker.run("pub", flags).code, Some(0));
    }
    let lines = String::from_utf8(first.output()).unwrap();
    let format = "%t %x %q %P";
    let second = broker.subscriber(&["-q", "2", "-t", "a/+", "-F", format, "-C", "2"]);
    assert_eq!(publish(&broker, &["--lines-format", "json"], &lines).code, Some(0));
    assert_eq!(String::from_utf8(second.output()).unwrap(), "a/1 ff00 2 \na/2 c2b2 1 k:v\n");
}

#[test]
fn hex_shows_every_payload() {
    let broker = Broker::plain();
    let subscriber = broker.subscriber(&["-t", "a", "--hex", "-v", "-C", "1"]);
    assert_eq!(broker.run("pub", &["-t", "a", "-m", "MQTT"]).code, Some(0));
    let view = format!("a\n00000000  {:<48}  |MQTT|\n", "4d 51 54 54");
    assert_eq!(String::from_utf8(subscriber.output()).unwrap(), view);
}

#[test]
fn a_rate_is_kept() {
    let broker = Broker::plain();
    let start = Instant::now();
    let run = broker.run("pub", &["-t", "a", "-m", "m", "-q", "1", "--repeat", "11", "--rate", "50"]);
    assert_eq!(run.code, Some(0));
    assert!(start.elapsed().as_secs_f64() >= 0.2);
}

#[test]
fn lines_and_flags_that_mean_nothing_are_told() {
    let broker = Broker::plain();
    let run = publish(&broker, &["--lines-format", "topic\\tpayload"], "a\tb\nno tab\n");
    assert_eq!(run.code, Some(2));
    assert!(run.stderr.contains("standard input, line 2: nothing separates"), "{}", run.stderr);
    for (command, args, text) in [
        ("pub", &["-t", "a", "-m", "xyz", "--encoding", "hex"][..], "the payload"),
        ("pub", &["-t", "a", "-m", "m", "--lines-format", "json"], "--lines-format"),
        ("pub", &["-l"], "-t TOPIC"),
        ("pub", &["-l", "--lines-format", "csv"], "--lines-format"),
        ("pub", &["-t", "a", "-m", "m", "--rate", "0"], "--rate"),
        ("sub", &["-t", "a", "--match", "on"], "PATH=VALUE"),
        ("sub", &["-t", "a", "--hex", "--json"], "--json"),
    ] {
        let run = broker.run(command, args);
        assert_eq!(run.code, Some(2), "{args:?}: {}", run.stderr);
        assert!(run.stderr.contains(text), "{args:?}: {}", run.stderr);
    }
}
