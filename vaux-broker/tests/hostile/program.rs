//! The broker as a process of its own.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;

use rustix::process::{Pid, Signal, kill_process};

use crate::harness::PATIENCE;

/// A running broker; it is killed when the test ends.
pub(crate) struct Program {
    child: Child,
    /// Lines of its log, which are read as they come: a full pipe would hold the broker up.
    log: Receiver<String>,
    /// Where its first listener is.
    pub(crate) address: SocketAddr,
}

impl Program {
    /// Starts the program in `home`, after a command of the shell.
    pub(crate) fn start(home: &Path, before: &str, flags: &str) -> Program {
        let line = format!("{before}; exec {} {flags}", env!("CARGO_BIN_EXE_vaux-broker"));
        let mut child = Command::new("sh")
            .args(["-c", &line])
            .env_clear()
            .current_dir(home)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let listening = lines.map_while(Result::ok).find(|line| line.starts_with("listening"));
        let address = listening.expect("it starts").split_whitespace().nth(2).unwrap().parse().unwrap();
        let (sender, log) = channel();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        thread::spawn(move || stderr.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
        Program { child, log, address }
    }

    pub(crate) fn hang_up(&self) {
        kill_process(Pid::from_child(&self.child), Signal::HUP).unwrap();
    }

    /// The memory that it holds, and the most that it ever held, in bytes.
    #[cfg(target_os = "linux")]
    pub(crate) fn memory(&self) -> (u64, u64) {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
            line.split_whitespace().next().unwrap().parse::<u64>().unwrap() << 10
        };
        (field("VmRSS:"), field("VmHWM:"))
    }

    /// Reads the log until there is a line with this text.
    pub(crate) fn wait_for(&self, text: &str) {
        while !self.log.recv_timeout(PATIENCE).expect("the line never came").contains(text) {}
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
