//! `vaux broker`: the same program as `vaux-broker`.

use std::ffi::OsString;
use std::process::ExitCode;

use clap::Args;

/// Run the broker
///
/// The same program as `vaux-broker`; `vaux broker --help` lists its flags.
#[derive(Args, Debug)]
#[command(disable_help_flag = true)]
pub(crate) struct BrokerArgs {
    /// What vaux-broker understands
    #[arg(value_name = "FLAGS", trailing_var_arg = true, allow_hyphen_values = true)]
    flags: Vec<OsString>,
}

/// Runs the broker until it ends.
pub(crate) fn run(args: BrokerArgs) -> ExitCode {
    vaux_broker::program::run([OsString::from("vaux broker")].into_iter().chain(args.flags))
}
