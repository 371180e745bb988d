//! The `vaux-test` program.

use std::process::ExitCode;

use clap::Parser;
use vaux_test::program::{self, Arguments};

/// Show how an MQTT broker does on every statement of the specifications
#[derive(Debug, Parser)]
#[command(name = "vaux-test", version)]
struct CommandLine {
    #[command(flatten)]
    arguments: Arguments,
}

fn main() -> ExitCode {
    match program::run(&CommandLine::parse().arguments) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(9),
        Err(stop) => {
            if let Some(message) = stop.message() {
                eprintln!("error: {message}");
            }
            ExitCode::from(stop.exit_code())
        }
    }
}
