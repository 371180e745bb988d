//! `vaux broker` for the commands of a test, and subscribers that are known to listen.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStderr, Stdio};

use tempfile::TempDir;

use crate::program::{Run, vaux};

/// `vaux broker` on a port of its own, ended when dropped.
pub(crate) struct Broker {
    child: Child,
    pub(crate) data_dir: TempDir,
    pub(crate) url: String,
}

impl Broker {
    pub(crate) fn start(flags: &[&str], scheme: &str) -> Broker {
        Broker::start_in(tempfile::tempdir().unwrap(), &[&["-p", "0"], flags].concat(), scheme)
    }

    /// With one listener of this kind.
    pub(crate) fn listening(kind: &str) -> Broker {
        let directory = tempfile::tempdir().unwrap();
        let config = directory.path().join("vaux.toml");
        let listener = format!("[[listener]]\nkind = \"{kind}\"\nbind = \"127.0.0.1:0\"\n");
        std::fs::write(&config, listener).unwrap();
        Broker::start_in(tempfile::tempdir().unwrap(), &["-c", config.to_str().unwrap()], kind)
    }

    pub(crate) fn start_in(data_dir: TempDir, flags: &[&str], scheme: &str) -> Broker {
        let (child, port) = launch(&data_dir, flags);
        Broker { child, data_dir, url: format!("{scheme}://localhost:{port}") }
    }

    /// Kills it; its data stays.
    pub(crate) fn stop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Starts it again with these flags, where it listened before.
    pub(crate) fn start_again(&mut self, flags: &[&str]) {
        let port = self.url.rsplit_once(':').unwrap().1;
        self.child = launch(&self.data_dir, &[&["-p", port], flags].concat()).0;
    }

    pub(crate) fn plain() -> Broker {
        Broker::start(&["--plain"], "mqtt")
    }

    pub(crate) fn command(&self, command: &str, args: &[&str]) -> std::process::Command {
        let mut vaux = vaux(&[command, "-L", &self.url]);
        vaux.env("VAUX_DATA_DIR", self.data_dir.path()).args(args).stdin(Stdio::null());
        vaux
    }

    pub(crate) fn run(&self, command: &str, args: &[&str]) -> Run {
        let output = self.command(command, args).output().unwrap();
        Run {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// A subscriber whose subscription is in force.
    pub(crate) fn subscriber(&self, args: &[&str]) -> Subscriber {
        self.subscribing("sub", args)
    }

    /// A command whose subscription is in force.
    pub(crate) fn subscribing(&self, command: &str, args: &[&str]) -> Subscriber {
        let mut child = self
            .command(command, args)
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

/// Starts a broker, and says on which port it listens.
fn launch(data_dir: &TempDir, flags: &[&str]) -> (Child, String) {
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
    (child, port)
}

impl Drop for Broker {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) struct Subscriber {
    pub(crate) child: Child,
    /// Kept open, so that the subscriber can go on talking.
    _talk: BufReader<ChildStderr>,
}

impl Subscriber {
    /// What it printed, once it has ended well by itself.
    pub(crate) fn output(mut self) -> Vec<u8> {
        let mut output = Vec::new();
        self.child.stdout.take().unwrap().read_to_end(&mut output).unwrap();
        assert_eq!(self.child.wait().unwrap().code(), Some(0));
        output
    }
}
