//! The program with a configuration file of the test's, and what it says.

use std::fs;
use std::io::{BufRead as _, BufReader, Read};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

/// A running program, killed when the test ends.
pub(crate) struct Serving {
    child: Child,
    out: Receiver<String>,
    log: Receiver<String>,
    home: Arc<TempDir>,
}

/// A line that took longer never came.
const PATIENCE: Duration = Duration::from_secs(60);

/// A plain listener on a port of the system's choice.
pub(crate) const LISTENER: &str = "[[listener]]\nkind = \"tcp\"\nbind = \"127.0.0.1:0\"\n";

impl Serving {
    /// Writes these files into a home of its own, `broker.toml` among them, and starts the program there.
    pub(crate) fn start(files: &[(&str, &str)]) -> Serving {
        Serving::start_in(tempfile::tempdir().unwrap(), files)
    }

    /// The same, in a home where something is already.
    pub(crate) fn start_in(home: impl Into<Arc<TempDir>>, files: &[(&str, &str)]) -> Serving {
        let home = home.into();
        for (name, content) in files {
            fs::write(home.path().join(name), content).unwrap();
        }
        let mut child = command(home.path()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let out = lines(child.stdout.take().unwrap());
        let log = lines(child.stderr.take().unwrap());
        Serving { child, out, log, home }
    }

    /// Kills the program and starts it again.
    pub(crate) fn restart(mut self) -> Serving {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        Serving::start_in(Arc::clone(&self.home), &[])
    }

    /// The address of the next `listening` line.
    pub(crate) fn address(&self) -> SocketAddr {
        let line = wait_for(&self.out, |line| line.starts_with("listening"));
        line.split_whitespace().nth(2).unwrap().parse().unwrap()
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, content: &str) {
        fs::write(self.path(name), content).unwrap();
    }

    /// Has the program read its files again, and returns the line that says how that went.
    pub(crate) fn reload(&self) -> String {
        kill_process(Pid::from_child(&self.child), Signal::HUP).unwrap();
        wait_for(&self.log, |line| line.contains("reloaded"))
    }

    /// The next line of its log with this text.
    pub(crate) fn log_line(&self, part: &str) -> String {
        wait_for(&self.log, |line| line.contains(part))
    }

    /// How the program ended, which it does by itself: its exit code and the last line.
    pub(crate) fn end(mut self) -> (Option<i32>, String) {
        let code = self.child.wait().unwrap().code();
        let home = self.home.path().to_str().unwrap().to_owned();
        (code, self.log.iter().last().unwrap_or_default().replace(&format!("{home}/"), ""))
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn command(home: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_vaux-broker"));
    command.env_clear().env("HOME", home).current_dir(home).stdin(Stdio::null());
    command.args(["-c", "broker.toml", "--data-dir", "data"]);
    command
}

fn lines(stream: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    receiver
}

fn wait_for(lines: &Receiver<String>, is_it: impl Fn(&str) -> bool) -> String {
    loop {
        let line = lines.recv_timeout(PATIENCE).expect("the line never came");
        if is_it(&line) {
            return line;
        }
    }
}
