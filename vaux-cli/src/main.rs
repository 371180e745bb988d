//! The `vaux` command: publish, subscribe, decode, and the broker.

mod cli_error;
mod commands;
mod input;
mod output;

use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{Parser, Subcommand};

use cli_error::{CliError, Exit};

/// MQTT from the command line.
#[derive(Debug, Parser)]
#[command(name = "vaux", version, disable_version_flag = true, max_term_width = 100, infer_long_args = false)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    /// Print version
    #[arg(long, action = clap::ArgAction::Version)]
    version: (),
}

#[derive(Debug, Subcommand)]
enum Command {
    Decode(commands::decode::DecodeArgs),
}

fn main() -> ExitCode {
    let outcome = match Cli::try_parse() {
        Ok(cli) => run(cli),
        Err(error) => match error.kind() {
            // What was asked for, on standard output, is no error.
            ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
                error.print().map(|()| Exit::Ok).map_err(CliError::Stdio)
            }
            ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
                error.print().map(|()| Exit::Usage).map_err(CliError::Stdio)
            }
            _ => Err(CliError::Arguments(error)),
        },
    };
    outcome.unwrap_or_else(|error| error.report()).into()
}

fn run(cli: Cli) -> Result<Exit, CliError> {
    match cli.command {
        Command::Decode(args) => commands::decode::run(&args),
    }
}
