//! The broker's process: how it is started again and again in one folder, and how it is ended.

use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use super::wal;
use crate::Outcome;
use crate::bench::peer::{Broker, Peer};
use crate::bench::placement::Placement;

/// How a round ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// SIGKILL.
    Kill,
    /// SIGSTOP, and SIGKILL some time later: what clients send meanwhile is never read.
    StopKill,
    /// SIGTERM.
    Terminate,
}

impl Ending {
    /// Its name for the person at the terminal.
    pub(super) fn name(self) -> &'static str {
        match self {
            Ending::Kill => "SIGKILL",
            Ending::StopKill => "SIGSTOP, SIGKILL",
            Ending::Terminate => "SIGTERM",
        }
    }
}

/// A broker and the folder that outlives its processes.
#[derive(Debug)]
pub(super) struct Process {
    peer: Peer,
    folder: TempDir,
    broker: Option<Broker>,
}

/// How many commits make the batch that a store loses on purpose: the very last may be about nothing that was
/// acknowledged before the end.
const LOST_COMMITS: usize = 3;

/// How long the broker may take to end when asked to.
const TERMINATION_TIMEOUT: Duration = Duration::from_secs(20);

impl Process {
    /// In an empty folder.
    ///
    /// # Errors
    ///
    /// The folder cannot be made.
    pub(super) fn new(peer: Peer) -> Outcome<Self> {
        let folder = tempfile::Builder::new().prefix("vaux-crash-").tempdir()?;
        std::fs::create_dir(folder.path().join("data"))?;
        Ok(Process { peer, folder, broker: None })
    }

    /// Starts it and waits until it accepts connections.
    ///
    /// # Errors
    ///
    /// It does not start.
    pub(super) fn start(&mut self) -> Outcome<&Broker> {
        let mut broker = self.peer.spawn(self.folder.path(), &Placement::anywhere())?;
        broker.wait_until_ready()?;
        Ok(self.broker.insert(broker))
    }

    /// Starts it and kills it before it has got far.
    ///
    /// # Errors
    ///
    /// The program cannot be run.
    pub(super) fn start_and_kill(&mut self, after: Duration) -> Outcome {
        let broker = self.peer.spawn(self.folder.path(), &Placement::anywhere())?;
        thread::sleep(after);
        // It is killed and waited for.
        drop(broker);
        Ok(())
    }

    /// Whether it has ended by itself.
    pub(super) fn ended_by_itself(&mut self) -> Option<String> {
        let broker = self.broker.as_mut()?;
        let status = broker.child.try_wait().ok()??;
        Some(format!("the broker ended by itself with {status}\n{}", broker.last_words()))
    }

    /// Sends a signal.
    ///
    /// # Errors
    ///
    /// There is no process.
    pub(super) fn signal(&mut self, signal: Signal) -> Outcome {
        let broker = self.broker.as_ref().ok_or("the broker does not run")?;
        kill_process(Pid::from_child(&broker.child), signal)?;
        Ok(())
    }

    /// Kills it, and waits until it is gone and its connections with it.
    ///
    /// # Errors
    ///
    /// It cannot be waited for.
    pub(super) fn kill(&mut self) -> Outcome {
        if let Some(mut broker) = self.broker.take() {
            broker.child.kill()?;
            broker.child.wait()?;
        }
        Ok(())
    }

    /// After SIGTERM: waits until it has ended, with `meanwhile` again and again, and gives its status. `None`: it did
    /// not end in time and was killed.
    ///
    /// # Errors
    ///
    /// Those of `meanwhile`.
    pub(super) fn wait(&mut self, mut meanwhile: impl FnMut() -> Outcome) -> Outcome<Option<ExitStatus>> {
        let Some(mut broker) = self.broker.take() else { return Ok(None) };
        let deadline = Instant::now() + TERMINATION_TIMEOUT;
        while Instant::now() < deadline {
            if let Some(status) = broker.child.try_wait()? {
                return Ok(Some(status));
            }
            meanwhile()?;
        }
        Ok(None)
    }

    /// Takes the last commits out of vaux-broker's store, as a store would that said "durable" too early.
    ///
    /// # Errors
    ///
    /// The log cannot be cut.
    pub(super) fn lose_batch(&self) -> Outcome<u64> {
        wal::drop_last_commits(&self.data_folder().join("store.db-wal"), LOST_COMMITS)
    }

    /// Whether vaux-broker found its store damaged and has set it aside.
    pub(super) fn has_set_aside(&self) -> bool {
        self.data_folder().join("quarantine").exists()
    }

    fn data_folder(&self) -> PathBuf {
        Path::new(self.folder.path()).join("data")
    }
}
