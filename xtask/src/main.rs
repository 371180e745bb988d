//! The project's automation: `cargo xtask ci`, `cargo xtask tidy`, `cargo xtask bench`.
//!
//! Everything that a continuous integration service or a contributor would otherwise write as a shell script is a
//! subcommand here, so that both run the same thing.

mod ci;
mod tidy;
mod workspace;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// The project's automation.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Run what continuous integration runs, step by step, and stop at the first failure
    Ci(ci::Arguments),
    /// Check the repository's own rules, which no other tool knows
    Tidy,
}

fn main() -> ExitCode {
    let outcome = match Arguments::parse().task {
        Task::Ci(arguments) => ci::run(&arguments),
        Task::Tidy => tidy::run(),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("error: {message}");
            ExitCode::FAILURE
        }
    }
}
