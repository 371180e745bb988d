//! `vaux test`: how well a broker keeps to the specifications.

use vaux_test::program::{self, Arguments, Stop};

use crate::cli_error::{CliError, Exit};
use crate::connection::server;

/// Check any broker against the specifications, statement by statement
#[derive(Debug, clap::Args)]
pub(crate) struct TestArgs {
    #[command(flatten)]
    pub(crate) arguments: Arguments,
}

pub(crate) fn run(args: &TestArgs) -> Result<Exit, CliError> {
    let mut arguments = args.arguments.clone();
    if !arguments.list {
        let (url, cafile) = server(arguments.url.as_deref(), arguments.cafile, arguments.insecure)?;
        (arguments.url, arguments.cafile) = (Some(url), cafile);
    }
    match program::run(&arguments) {
        Ok(true) => Ok(Exit::Ok),
        Ok(false) => Ok(Exit::ThresholdFailed),
        Err(Stop::Usage(what)) => Err(CliError::usage(what)),
        Err(Stop::Unreachable(what)) => Err(CliError::NoBroker(what)),
        Err(Stop::Output(error)) => Err(CliError::Stdio(error)),
    }
}
