//! `vaux completions`: what shells complete commands and flags with.

use std::io::{Write, stdout};

use clap::{Args, Command};
use clap_complete::Shell;

use crate::cli_error::{CliError, Exit};

/// Write completions for a shell
#[derive(Args, Debug)]
#[command(after_help = NOTES)]
pub(crate) struct CompletionsArgs {
    /// The shell
    #[arg(value_name = "bash|zsh|fish|elvish|powershell", hide_possible_values = true)]
    shell: Shell,
}

const NOTES: &str = "\
Examples:
  vaux completions bash > ~/.local/share/bash-completion/completions/vaux
  vaux completions zsh > \"${fpath[1]}/_vaux\"
  vaux completions fish > ~/.config/fish/completions/vaux.fish";

/// Writes the completions of `command`.
pub(crate) fn run(args: &CompletionsArgs, mut command: Command) -> Result<Exit, CliError> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut command, "vaux", &mut script);
    stdout().write_all(&script).map_err(CliError::Stdio)?;
    Ok(Exit::Ok)
}
