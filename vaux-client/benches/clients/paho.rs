//! paho-mqtt at work: `paho_client.py`, in a Python that has it.

use std::process::{Command, Stdio};

use super::Job;

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/clients/paho_client.py");

/// A Python that has paho-mqtt: the one that `PAHO_PYTHON` names, or else `python3`.
pub(crate) fn python() -> Option<String> {
    let python = std::env::var("PAHO_PYTHON").unwrap_or_else(|_| "python3".into());
    let status = Command::new(&python).args(["-c", "import paho.mqtt"]).stderr(Stdio::null()).status();
    status.is_ok_and(|status| status.success()).then_some(python)
}

pub(crate) fn command(python: &str, job: Job, port: u16, messages: usize) -> Command {
    let mut command = Command::new(python);
    command.args([SCRIPT, job.name(), &port.to_string(), &messages.to_string()]);
    command
}
