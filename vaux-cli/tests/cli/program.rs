//! Running the program.

use std::io::Write;
use std::process::{Command, Stdio};

/// What a run of the program left behind.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Run {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Run {
    /// All of it, for a snapshot.
    pub(crate) fn transcript(&self) -> String {
        let code = self.code.map_or("signal".to_owned(), |code| code.to_string());
        let mut text = self.stdout.clone();
        if !self.stderr.is_empty() {
            text.push_str("--- stderr\n");
            text.push_str(&self.stderr);
        }
        format!("{text}--- exit {code}\n")
    }
}

/// The program with these arguments, in an environment without settings.
pub(crate) fn vaux(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_vaux"));
    let settings = std::env::vars_os().map(|(name, _)| name);
    for name in settings.filter(|name| name.to_string_lossy().starts_with("VAUX_")) {
        command.env_remove(name);
    }
    command.env_remove("NO_COLOR").args(args);
    command
}

/// Runs the program without input.
pub(crate) fn run(args: &[&str]) -> Run {
    run_with_input(args, b"")
}

/// Runs the program with `input` on standard input.
pub(crate) fn run_with_input(args: &[&str], input: &[u8]) -> Run {
    let mut child = vaux(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program was built before its tests");
    let mut stdin = child.stdin.take().expect("it is piped");
    // A program that ends early does not read what it does not need.
    let _ = stdin.write_all(input);
    drop(stdin);
    let output = child.wait_with_output().expect("the child can be waited for");
    Run {
        code: output.status.code(),
        stdout: String::from_utf8(output.stdout).expect("the output of these runs is text"),
        stderr: String::from_utf8(output.stderr).expect("messages are text"),
    }
}
