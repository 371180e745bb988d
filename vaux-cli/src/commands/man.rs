//! `vaux man`: the manual pages.

use std::io::{Write, stdout};
use std::path::{Path, PathBuf};

use clap::{Args, Command};
use clap_mangen::Man;

use crate::cli_error::{CliError, Exit};

/// Write manual pages
#[derive(Args, Debug)]
#[command(after_help = NOTES)]
pub(crate) struct ManArgs {
    /// The command whose page is written [default: the page of vaux]
    #[arg(value_name = "COMMAND", conflicts_with = "output")]
    command: Vec<String>,
    /// Write all pages into this directory
    #[arg(short = 'O', long, value_name = "DIR")]
    output: Option<PathBuf>,
}

const NOTES: &str = "\
Examples:
  vaux man pub | man -l -
  vaux man -O ~/.local/share/man/man1";

/// Writes pages of `command`.
pub(crate) fn run(args: &ManArgs, command: Command) -> Result<Exit, CliError> {
    let command = command.disable_help_subcommand(true);
    if let Some(directory) = &args.output {
        let failed = |source| CliError::Write { path: directory.clone(), source };
        std::fs::create_dir_all(directory).map_err(failed)?;
        write_all(&command, "vaux", directory)?;
        return Ok(Exit::Ok);
    }
    let mut found = &command;
    let mut name = "vaux".to_owned();
    for word in &args.command {
        found = found
            .find_subcommand(word)
            .ok_or_else(|| CliError::usage(format!("there is no command {name} {word}")))?;
        name = format!("{name} {word}");
    }
    stdout().write_all(&page(found, &name).map_err(CliError::Internal)?).map_err(CliError::Stdio)?;
    Ok(Exit::Ok)
}

fn write_all(command: &Command, name: &str, directory: &Path) -> Result<(), CliError> {
    let path = directory.join(format!("{}.1", name.replace(' ', "-")));
    let text = page(command, name).map_err(CliError::Internal)?;
    std::fs::write(&path, text).map_err(|source| CliError::Write { path, source })?;
    command
        .get_subcommands()
        .filter(|command| !command.is_hide_set())
        .try_for_each(|command| write_all(command, &format!("{name} {}", command.get_name()), directory))
}

/// The page of a command, called as people call it: `vaux pub` on the page `vaux-pub`.
fn page(command: &Command, name: &str) -> std::io::Result<Vec<u8>> {
    let title = name.replace(' ', "-");
    let command =
        command.clone().disable_help_subcommand(true).display_name(title.clone()).bin_name(name.to_owned());
    let mut text = Vec::new();
    let source = concat!("vaux ", env!("CARGO_PKG_VERSION"));
    Man::new(command).title(title.to_uppercase()).source(source).render(&mut text)?;
    Ok(text)
}
