//! `vaux pub` and `vaux sub` through `vaux broker`, as three terminals would run them.

use std::io::Write;
use std::process::Stdio;

use crate::broker::Broker;

#[test]
fn messages_arrive_in_every_version_and_with_every_qos() {
    let broker = Broker::plain();
    for version in ["31", "311", "5"] {
        for qos in ["0", "1", "2"] {
            let subscriber = broker.subscriber(&["-V", version, "-q", qos, "-t", "a/+", "-v", "-C", "1"]);
            let published = broker.run("pub", &["-V", version, "-q", qos, "-t", "a/b", "-m", "hello"]);
            assert_eq!(published.code, Some(0), "{}", published.stderr);
            assert_eq!(subscriber.output(), b"a/b hello\n");
        }
    }
}

#[test]
fn three_terminals_work_over_tls_with_nothing_to_set_up() {
    let broker = Broker::start(&[], "mqtts");
    let subscriber = broker.subscriber(&["-t", "demo/#", "-C", "1", "-v"]);
    assert_eq!(broker.run("pub", &["-t", "demo/hello", "-m", "hi"]).code, Some(0));
    assert_eq!(subscriber.output(), b"demo/hello hi\n");
}

#[test]
fn messages_arrive_over_websocket() {
    for kind in ["ws", "wss"] {
        let broker = Broker::listening(kind);
        let subscriber = broker.subscriber(&["-t", "demo/#", "-C", "1", "-v"]);
        let published = broker.run("pub", &["-t", "demo/hello", "-m", "hi"]);
        assert_eq!(published.code, Some(0), "{}", published.stderr);
        assert_eq!(subscriber.output(), b"demo/hello hi\n");
        let refused = broker.run("pub", &["-t", "x", "-m", "x", "--ws-path", "/elsewhere"]);
        assert_eq!(refused.code, Some(3), "{}", refused.stderr);
        assert!(refused.stderr.contains("404 Not Found"), "{}", refused.stderr);
    }
}

#[test]
fn ten_thousand_lines_arrive_in_their_order() {
    let broker = Broker::plain();
    for qos in ["0", "1", "2"] {
        let subscriber = broker.subscriber(&["-q", qos, "-t", "lines", "-C", "10000"]);
        let lines: String = (0..10_000).map(|number| format!("line {number}\n")).collect();
        let mut publisher =
            broker.command("pub", &["-q", qos, "-t", "lines", "-l"]).stdin(Stdio::piped()).spawn().unwrap();
        publisher.stdin.take().unwrap().write_all(lines.as_bytes()).unwrap();
        assert_eq!(publisher.wait().unwrap().code(), Some(0));
        assert!(subscriber.output() == lines.as_bytes(), "QoS {qos}");
    }
}

#[test]
fn a_binary_payload_of_a_mebibyte_comes_through_a_pipe_as_it_is() {
    let broker = Broker::plain();
    let payload: Vec<u8> = (0..1 << 20).map(|index: u32| ((index * 31) >> 3) as u8).collect();
    let file = broker.data_dir.path().join("payload");
    std::fs::write(&file, &payload).unwrap();
    let subscriber = broker.subscriber(&["-q", "1", "-t", "big", "-C", "1", "-N"]);
    let published = broker.run("pub", &["-q", "1", "-t", "big", "-f", file.to_str().unwrap()]);
    assert_eq!(published.code, Some(0), "{}", published.stderr);
    assert!(subscriber.output() == payload);
}

#[test]
fn a_retained_message_waits_until_it_is_removed() {
    let broker = Broker::plain();
    broker.run("pub", &["-t", "kept", "-m", "still here", "-r", "-q", "1"]);
    assert_eq!(broker.run("sub", &["-t", "kept", "-C", "1"]).stdout, "still here\n");
    broker.run("pub", &["-t", "kept", "-n", "-r", "-q", "1"]);
    assert_eq!(broker.run("sub", &["-t", "kept", "-C", "1", "-W", "1"]).code, Some(27));
}

#[test]
fn a_will_is_published_when_its_client_is_killed() {
    let broker = Broker::plain();
    let subscriber = broker.subscriber(&["-t", "gone", "-C", "1"]);
    let mut dying =
        broker.subscriber(&["-t", "x", "--will-topic", "gone", "--will-payload", "good-bye"]).child;
    dying.kill().unwrap();
    dying.wait().unwrap();
    assert_eq!(subscriber.output(), b"good-bye\n");
}

#[test]
fn exit_codes_tell_what_went_wrong() {
    let broker = Broker::plain();
    let codes = [
        (broker.run("pub", &["-t", "$x", "-m", "m", "-q", "1"]), 7, "0x87 Not authorized"),
        (broker.run("sub", &["-t", "$CONTROL/x", "-C", "1"]), 7, "0x87 Not authorized"),
        (broker.run("sub", &["-t", "quiet", "-W", "1"]), 27, ""),
        (broker.run("pub", &["-t", "a/#", "-m", "m"]), 2, "-t"),
        (
            broker.run("pub", &["-V", "31", "-i", &"i".repeat(24), "-t", "a", "-m", "m"]),
            2,
            "1 to 23 characters",
        ),
    ];
    for (run, code, text) in codes {
        assert_eq!(run.code, Some(code), "{}", run.stderr);
        assert!(run.stderr.contains(text), "{}", run.stderr);
    }
}

#[test]
fn a_server_that_is_not_there_is_exit_code_3() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    drop(listener);
    let run = crate::program::run(&["pub", "-h", "127.0.0.1", "-p", &port, "-t", "a", "-m", "m"]);
    assert_eq!(run.code, Some(3), "{}", run.stderr);
    assert!(run.stderr.contains(&format!("`vaux broker --plain -p {port}` starts")), "{}", run.stderr);
}

#[test]
fn a_proxy_that_is_not_there_is_exit_code_3() {
    let broker = Broker::plain();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let proxy = format!("socks5h://127.0.0.1:{}", listener.local_addr().unwrap().port());
    drop(listener);
    let run = broker.run("pub", &["-t", "a", "-m", "m", "--proxy", &proxy]);
    assert_eq!(run.code, Some(3), "{}", run.stderr);
    let run = broker.run("pub", &["-t", "a", "-m", "m", "--proxy", "http://proxy"]);
    assert_eq!(run.code, Some(2));
    assert!(run.stderr.contains("socks5h://"), "{}", run.stderr);
}
