//! `cargo xtask ci`: the checks that every change must pass.
//!
//! Each step is a few command lines, or the repository's own rules. The first failure ends the run, and its line says
//! which step to repeat alone.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use clap::{Args, ValueEnum};

use crate::{Outcome, conformance, tidy, workspace};

/// What `cargo xtask ci` takes.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Only these steps, in this order [default: all]
    steps: Vec<Step>,
}

/// One step of the run. The order here is the order of a whole run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Step {
    /// Formatting
    Fmt,
    /// Lints, where a warning is an error
    Clippy,
    /// vaux-mqtt with each of its features alone, and without the standard library
    Features,
    /// Unit, integration and documentation tests
    Test,
    /// Documentation, where a warning is an error
    Doc,
    /// Licences, sources and doubled versions of the dependencies
    Deny,
    /// Whether the page of the specifications' statements is what the tests say
    Conformance,
    /// The repository's own rules
    Tidy,
}

/// Feature sets that vaux-mqtt must build with, besides everything at once.
const FEATURE_SETS: [&str; 9] =
    ["", "client", "server", "alloc", "std", "client,alloc", "server,alloc", "explain", "bytes"];

/// Targets without a standard library: to build for one proves that nothing asks for it.
const BARE_TARGETS: [&str; 3] = ["thumbv7em-none-eabi", "thumbv7em-none-eabihf", "x86_64-unknown-none"];

/// Runs the chosen steps.
///
/// # Errors
///
/// The first step that failed.
pub(crate) fn run(arguments: &Arguments) -> Outcome {
    let steps = if arguments.steps.is_empty() { Step::value_variants() } else { &arguments.steps };
    let began = Instant::now();
    for (index, step) in steps.iter().enumerate() {
        let name = step.name();
        eprintln!("[{}/{}] {name}", index + 1, steps.len());
        let step_began = Instant::now();
        step.run().map_err(|why| {
            format!(
                "step {name} failed after {}: {why}\nrepeat it alone with: cargo xtask ci {name}",
                in_seconds(step_began.elapsed())
            )
        })?;
        eprintln!("[{}/{}] {name}: passed in {}", index + 1, steps.len(), in_seconds(step_began.elapsed()));
    }
    eprintln!("all {} steps passed in {}", steps.len(), in_seconds(began.elapsed()));
    Ok(())
}

impl Step {
    fn name(self) -> String {
        self.to_possible_value().expect("no step is hidden").get_name().to_owned()
    }

    fn run(self) -> Outcome {
        match self {
            Step::Fmt => cargo(&["fmt", "--all", "--check"]),
            Step::Clippy => {
                cargo(&["clippy", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings"])
            }
            Step::Features => features(),
            Step::Test => cargo(&["test", "--workspace", "--locked"]),
            Step::Doc => {
                let mut command = workspace::cargo();
                command
                    .args(["doc", "--workspace", "--no-deps", "--locked"])
                    .env("RUSTDOCFLAGS", "-D warnings");
                status(&mut command)
            }
            Step::Deny => deny(),
            Step::Conformance => conformance::check(),
            Step::Tidy => tidy::run(),
        }
    }
}

/// Each feature alone, linted so that code left unused by a missing feature is seen, then the bare targets.
fn features() -> Outcome {
    for set in FEATURE_SETS {
        let alone = ["clippy", "-p", "vaux-mqtt", "--no-default-features", "--locked", "--features", set];
        cargo(&[&alone[..], &["--", "-D", "warnings"]].concat())?;
    }
    let installed = installed_targets();
    let bare: Vec<_> =
        BARE_TARGETS.iter().filter(|target| installed.iter().any(|had| had == *target)).collect();
    if bare.is_empty() {
        eprintln!(
            "no bare-metal target is installed, so the build without a standard library is not checked here"
        );
        eprintln!("add one with: rustup target add {}", BARE_TARGETS[0]);
    }
    for target in bare {
        let build = ["check", "-p", "vaux-mqtt", "--no-default-features", "--locked", "--target", target];
        cargo(&[&build[..], &["--features", "client,server"]].concat())?;
    }
    Ok(())
}

/// The targets that rustup has installed; none when there is no rustup.
fn installed_targets() -> Vec<String> {
    let output = Command::new("rustup")
        .args(["target", "list", "--installed"])
        .current_dir(workspace::root())
        .output();
    let Ok(output) = output else { return Vec::new() };
    String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect()
}

fn deny() -> Outcome {
    let mut probe = workspace::cargo();
    let present = probe.args(["deny", "--version"]).stdout(Stdio::null()).stderr(Stdio::null()).status();
    if !present.is_ok_and(|status| status.success()) {
        return Err("cargo-deny is not installed; install it with: cargo install --locked cargo-deny".into());
    }
    // Advisories need their database from the network; the hosted workflow checks them.
    cargo(&["deny", "--all-features", "check", "bans", "licenses", "sources"])
}

fn cargo(arguments: &[&str]) -> Outcome {
    status(workspace::cargo().args(arguments))
}

fn status(command: &mut Command) -> Outcome {
    let line = shown(command);
    eprintln!("$ {line}");
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("`{line}` ended with {status}").into()),
        Err(error) => Err(format!("`{line}` did not start: {error}").into()),
    }
}

/// The command line as one would type it.
fn shown(command: &Command) -> String {
    let mut line = String::from("cargo");
    for argument in command.get_args() {
        let argument = argument.to_string_lossy();
        line.push(' ');
        line.push_str(if argument.is_empty() { "''" } else { &argument });
    }
    line
}

fn in_seconds(duration: Duration) -> String {
    format!("{:.1} s", duration.as_secs_f64())
}
