//! `vaux pub` and `vaux sub` through `vaux broker`, as three terminals would run them.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStderr, Stdio};

use tempfile::TempDir;

use crate::program::{Run, vaux};

/// `vaux broker` on a port of its own, ended when dropped.
pub(crate) struct Broker {
    child: Child,
    data_dir: TempDir,
    pub(crate) url: String,
}

impl Broker {
    fn start(flags: &[&str], scheme: &str) -> Broker {
        Broker::start_in(tempfile::tempdir().unwrap(), &[&["-p", "0"], flags].concat(), scheme)
    }

    /// With one listener of this kind.
    fn listening(kind: &str) -> Broker {
        let directory = tempfile::tempdir().unwrap();
        let config = directory.path().join("vaux.toml");
        let listener = format!("[[listener]]\nkind = \"{kind}\"\nbind = \"127.0.0.1:0\"\n");
        std::fs::write(&config, listener).unwrap();
        Broker::start_in(tempfile::tempdir().unwrap(), &["-c", config.to_str().unwrap()], kind)
    }

    fn start_in(data_dir: TempDir, flags: &[&str], scheme: &str) -> Broker {
        let mut child = vaux(&["broker", "--data-dir"])
            .arg(data_dir.path())
            .args(flags)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let port = lines
            .map(Result::unwrap)
            .find_map(|line| Some(line.strip_prefix("listening")?.rsplit_once(':')?.1.to_owned()))
            .expect("the broker says where it listens");
        Broker { child, data_dir, url: format!("{scheme}://localhost:{port}") }
    }

    pub(crate) fn plain() -> Broker {
        Broker::start(&["--plain"], "mqtt")
    }

    fn command(&self, command: &str, args: &[&str]) -> std::process::Command {
        let mut vaux = vaux(&[command, "-L", &self.url]);
        vaux.env("VAUX_DATA_DIR", self.data_dir.path()).args(args).stdin(Stdio::null());
        vaux
    }

    fn run(&self, command: &str, args: &[&str]) -> Run {
        let output = self.command(command, args).output().unwrap();
        Run {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// A subscriber whose subscription is in force.
    fn subscriber(&self, args: &[&str]) -> Subscriber {
        let mut child = self
            .command("sub", args)
            .arg("--debug")
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut talk = BufReader::new(child.stderr.take().unwrap());
        let mut line = String::new();
        while !line.contains("subscribed to") {
            line.clear();
            assert_ne!(talk.read_line(&mut line).unwrap(), 0, "the subscriber ended");
        }
        Subscriber { child, _talk: talk }
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

struct Subscriber {
    child: Child,
    /// Kept open, so that the subscriber can go on talking.
    _talk: BufReader<ChildStderr>,
}

impl Subscriber {
    /// What it printed, once it has ended well by itself.
    fn output(mut self) -> Vec<u8> {
        let mut output = Vec::new();
        self.child.stdout.take().unwrap().read_to_end(&mut output).unwrap();
        assert_eq!(self.child.wait().unwrap().code(), Some(0));
        output
    }
}

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
}
