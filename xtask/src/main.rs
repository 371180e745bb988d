//! The project's automation: `cargo xtask ci`, `cargo xtask tidy`, `cargo xtask conformance`, `cargo xtask
//! bench`, `cargo xtask counts`, `cargo xtask crash`.
//!
//! Everything that a continuous integration service or a contributor would otherwise write as a shell script is a
//! subcommand here, so that both run the same thing.

mod account;
mod bench;
mod ci;
mod conformance;
mod counts;
mod crash;
mod load;
mod tidy;
mod workspace;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// How every step ends: failures are sentences for the person at the terminal.
type Outcome<T = ()> = Result<T, Box<dyn std::error::Error>>;

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
    /// Write which test shows which statement of the specifications to docs/conformance.md
    Conformance(conformance::Arguments),
    /// Measure vaux-broker against its peers: processor time for a message, throughput, memory
    Bench(bench::Arguments),
    /// Count instructions and allocations of what happens for every message, and compare
    Counts(counts::Arguments),
    /// Kill a broker again and again under load, and see that what it acknowledged is there
    Crash(crash::Arguments),
    /// Be the load generator of the benchmark, which starts it
    #[command(hide = true)]
    Load(load::Arguments),
}

fn main() -> ExitCode {
    let outcome = match Arguments::parse().task {
        Task::Ci(arguments) => ci::run(&arguments),
        Task::Tidy => tidy::run(),
        Task::Conformance(arguments) => conformance::run(&arguments),
        Task::Bench(arguments) => bench::run(&arguments),
        Task::Counts(arguments) => counts::run(&arguments),
        Task::Crash(arguments) => crash::run(&arguments),
        Task::Load(arguments) => load::run(&arguments),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
