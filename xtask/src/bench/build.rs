//! Building what is measured, and what measures it.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::{Outcome, workspace};

/// Builds a program of the workspace and says where it is.
///
/// # Errors
///
/// It does not build.
pub(crate) fn program(package: &str, name: &str, profile: &str) -> Outcome<PathBuf> {
    let mut command = workspace::cargo();
    command.args(["build", "--locked", "--package", package, "--bin", name, "--profile", profile]);
    eprintln!("building {name} with profile {profile}");
    executable_of(&mut command, name)
}

/// Runs a build and says where the program of that name is.
fn executable_of(command: &mut Command, name: &str) -> Outcome<PathBuf> {
    command.args(["--message-format", "json-render-diagnostics"]).stderr(Stdio::inherit());
    let output = command.output().map_err(|error| format!("cargo did not start: {error}"))?;
    if !output.status.success() {
        return Err(format!("{name} does not build").into());
    }
    let messages = String::from_utf8(output.stdout)?;
    let program = messages.lines().filter_map(|line| executable(line, name)).next_back();
    program.ok_or_else(|| format!("cargo did not say where {name} is").into())
}

/// The program that one message of cargo is about, if it is about this one.
fn executable(message: &str, name: &str) -> Option<PathBuf> {
    let message: Value = serde_json::from_str(message).ok()?;
    let is_it = message.pointer("/target/name")?.as_str() == Some(name);
    message.get("executable")?.as_str().filter(|_| is_it).map(PathBuf::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_program_is_found_among_the_messages() {
        let message = r#"{"reason":"compiler-artifact","target":{"name":"a"},"executable":"/t/a"}"#;
        assert_eq!(executable(message, "a"), Some(PathBuf::from("/t/a")));
        assert_eq!(executable(message, "b"), None);
        assert_eq!(
            executable(r#"{"reason":"compiler-artifact","target":{"name":"a"},"executable":null}"#, "a"),
            None
        );
        assert_eq!(executable(r#"{"reason":"build-finished","success":true}"#, "a"), None);
    }
}
