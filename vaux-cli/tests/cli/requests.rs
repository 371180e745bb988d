//! `vaux rr` and `vaux get`.

use std::process::Stdio;

use crate::broker::Broker;

/// Starts a request and answers it, as `answer` makes flags of its response topic and correlation data.
fn answered(broker: &Broker, flags: &[&str], answer: impl Fn(&str, &str) -> Vec<String>) -> (String, String) {
    let server = broker.subscriber(&["-t", "sum", "-C", "1", "-F", "%p\t%R\t%D"]);
    let client = broker
        .command("rr", &[&["-t", "sum", "-m", "1+1", "-q", "1"], flags].concat())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let request = String::from_utf8(server.output()).unwrap();
    let [payload, response_topic, correlation_data] =
        request.trim_end().split('\t').collect::<Vec<_>>().try_into().unwrap();
    assert_eq!(payload, "1+1");
    for message in ["late", "2"] {
        let mut flags = answer(response_topic, correlation_data);
        if message == "late" {
            *flags.last_mut().unwrap() = "of another request".to_owned();
        }
        let mut args = vec!["-m", message, "-q", "1"];
        args.extend(flags.iter().map(String::as_str));
        assert_eq!(broker.run("pub", &args).code, Some(0));
    }
    let output = client.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap())
}

fn by_correlation_data(topic: &str, data: &str) -> Vec<String> {
    ["-t", topic, "-D", "publish", "correlation-data", data].map(str::to_owned).to_vec()
}

#[test]
fn an_answer_is_known_by_its_correlation_data() {
    let broker = Broker::plain();
    let (answer, talk) = answered(&broker, &["--latency", "-W", "60"], by_correlation_data);
    assert_eq!(answer, "2\n");
    assert!(talk.starts_with("answered in ") && talk.ends_with(" ms\n"), "{talk}");
}

#[test]
fn the_response_topic_and_the_correlation_data_can_be_chosen() {
    let broker = Broker::plain();
    let flags = ["-e", "answers/me", "-D", "publish", "correlation-data", "seven", "-v"];
    let (answer, _) = answered(&broker, &flags, |topic, data| {
        assert_eq!((topic, data), ("answers/me", "seven"));
        by_correlation_data(topic, data)
    });
    assert_eq!(answer, "answers/me 2\n");
}

#[test]
fn a_request_that_nobody_answers_ends_with_27() {
    let broker = Broker::plain();
    let run = broker.run("rr", &["-t", "sum", "-m", "1+1", "-q", "1", "-W", "1"]);
    assert_eq!((run.code, run.stdout.as_str()), (Some(27), ""));
    assert!(run.stderr.contains("nobody has subscribed to sum"), "{}", run.stderr);
}

#[test]
fn requests_that_cannot_be_made_are_told() {
    let broker = Broker::plain();
    for (args, code, text) in [
        (&["-t", "a", "-m", "m", "-V", "311"][..], 2, "-e TOPIC"),
        (&["-t", "a"], 2, "-m MESSAGE"),
        (&["-m", "m"], 2, "-t TOPIC"),
        (&["-t", "a", "-m", "m", "-e", "a/+"], 2, "-e"),
        (&["-t", "a", "-m", "m", "-s"], 2, "does not go with"),
        (&["-t", "$x", "-m", "m", "-q", "1", "-W", "60"], 7, "0x87"),
        (&["-t", "a", "-e", "$CONTROL/a", "-m", "m", "-W", "60"], 7, "0x87"),
    ] {
        let run = broker.run("rr", args);
        assert_eq!(run.code, Some(code), "{args:?}: {}", run.stderr);
        assert!(run.stderr.contains(text), "{args:?}: {}", run.stderr);
    }
}

#[test]
fn get_prints_the_retained_message_and_ends() {
    let broker = Broker::plain();
    for (topic, message) in [("kept/a", "one"), ("kept/b", "two")] {
        assert_eq!(broker.run("pub", &["-t", topic, "-m", message, "-r", "-q", "1"]).code, Some(0));
    }
    assert_eq!(broker.run("get", &["-t", "kept/b", "-W", "60"]).stdout, "two\n");
    assert_eq!(broker.run("get", &["-t", "kept/+", "-T", "kept/a", "-v", "-W", "60"]).stdout, "kept/b two\n");
    let not_json = broker.run("get", &["-t", "kept/a", "-F", "%J"]);
    assert_eq!((not_json.code, not_json.stdout.as_str()), (Some(1), "\n"), "{}", not_json.stderr);
}

#[test]
fn get_waits_for_the_next_message() {
    let broker = Broker::plain();
    let getter = broker.subscribing("get", &["-t", "next"]);
    assert_eq!(broker.run("pub", &["-t", "next", "-m", "here", "-q", "1"]).code, Some(0));
    assert_eq!(getter.output(), b"here\n");
    assert_eq!(broker.run("get", &["-t", "never", "-W", "1"]).code, Some(27));
    assert_eq!(broker.run("get", &["-t", "$CONTROL/x"]).code, Some(7));
    assert_eq!(broker.run("get", &[]).code, Some(2));
}
