//! `cargo xtask counts`: instructions and allocations of what happens for every message, against what is on record.
//!
//! Valgrind counts instructions. They do not depend on what else runs on the machine, so that a change of one in a
//! hundred can be told where a clock tells nothing. Gungraun runs it and compares; what is counted, and what it came to, is
//! in `vaux-broker/benches/counts.rs`. What is here sees that both programs are there, and builds as the record was built.

use std::env;
use std::ffi::OsStr;
use std::fs;
use std::path::Path;
use std::process::Command;

use clap::Args;
use toml::Table;

use crate::bench::peer;
use crate::{Outcome, workspace};

/// What `cargo xtask counts` takes.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// What gungraun takes: a pattern for the jobs, such as '*match*', and flags
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<String>,
}

/// What is optimized, each in one piece: divided into several, a new module elsewhere would change what is inlined here.
/// What it stands on is shared with other builds, so that not everything is built twice.
const OPTIMIZED: [&str; 2] = ["vaux-mqtt", "vaux-broker"];

/// Gungraun's part that runs valgrind. It has to be of the version of the library.
const RUNNER: &str = "gungraun-runner";

/// Counts, and compares.
///
/// # Errors
///
/// Valgrind is missing, something does not build, or a job has become dearer.
pub(crate) fn run(arguments: &Arguments) -> Outcome {
    if !peer::is_installed("valgrind") {
        return Err("instructions are counted by valgrind, which is not installed".into());
    }
    let tools = workspace::tools();
    let others = env::var_os("PATH").unwrap_or_default();
    let path = env::join_paths([tools.join("bin")].into_iter().chain(env::split_paths(&others)))?;
    install_runner(&tools, &path)?;
    let mut command = workspace::cargo();
    // In the profile of all other checks. The whole workspace decides on the features of what both stand on.
    command.args(["bench", "--locked", "--profile", "dev", "--workspace", "--bench", "counts"]);
    for package in OPTIMIZED {
        for setting in ["opt-level=3", "codegen-units=1", "debug-assertions=false", "overflow-checks=false"] {
            command.args(["--config", &format!("profile.dev.package.{package}.{setting}")]);
        }
    }
    command.arg("--").args(&arguments.arguments).env("PATH", path);
    if command.status()?.success() {
        return Ok(());
    }
    Err("what is counted does not build or has become dearer; if that is meant, write it down in \
         vaux-broker/benches/counts.rs"
        .into())
}

/// Installs the runner with the other tools, unless it is in the path.
fn install_runner(tools: &Path, path: &OsStr) -> Outcome {
    let lock = fs::read_to_string(workspace::root().join("Cargo.lock"))?;
    let version = version_of(RUNNER, &lock).ok_or_else(|| format!("{RUNNER} is not in Cargo.lock"))?;
    let installed = Command::new(RUNNER).arg("--version").env("PATH", path).output();
    if installed.is_ok_and(|output| output.stdout.trim_ascii() == format!("{RUNNER} {version}").as_bytes()) {
        return Ok(());
    }
    let mut command = workspace::cargo();
    // Built without optimization: it works for a second and would take minutes to build.
    command.args(["install", "--locked", "--debug", "--version", &version, RUNNER, "--root"]).arg(tools);
    if command.status()?.success() { Ok(()) } else { Err(format!("{RUNNER} cannot be installed").into()) }
}

/// The version of a package in the text of a `Cargo.lock`.
fn version_of(package: &str, lock: &str) -> Option<String> {
    let lock: Table = lock.parse().ok()?;
    let mut packages = lock.get("package")?.as_array()?.iter();
    let found = packages.find(|found| found.get("name").and_then(|name| name.as_str()) == Some(package))?;
    Some(found.get("version")?.as_str()?.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_of_the_runner_is_read() {
        let lock = "version = 4\n[[package]]\nname = \"a\"\nversion = \"1.0.0\"\n\
                    [[package]]\nname = \"gungraun-runner\"\nversion = \"0.20.0\"\n";
        assert_eq!(version_of(RUNNER, lock).as_deref(), Some("0.20.0"));
        assert_eq!(version_of("b", lock), None);
    }
}
