//! `vaux import-mosquitto`: a configuration of mosquitto as one of vaux.
//!
//! [`read`] takes mosquitto's files apart, [`sort`] says what each directive is about, and [`translate`] makes a
//! configuration of it. What has no equal there is told by [`report`]. Where that is about security, nothing is
//! printed: what comes out never lets in or allows what mosquitto would not.

mod broker;
mod ciphers;
mod listener;
mod log;
mod plugins;
mod read;
mod report;
mod security;
mod sort;
mod tls;
mod translate;

use std::io::{self, Write as _};
use std::path::PathBuf;

use vaux_broker::config::Config;

use crate::cli_error::{CliError, Exit};
use crate::output::talk::Talk;
use report::Report;

/// Turn a configuration file of mosquitto into one for `vaux broker -c`
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct ImportMosquittoArgs {
    /// Configuration file of mosquitto; the directories that it includes are read, too
    file: PathBuf,
}

const AFTER_HELP: &str = "\
What has no equal is listed on standard error, and as comments in what is printed. When that is about security (keys \
shared in advance, plugins, ciphers, prefixes of client identifiers …), nothing is printed and the exit code is 2: what \
is printed never lets in or allows what mosquitto would not.

Password files and access lists are not copied: vaux reads mosquitto's own. Messages and sessions in mosquitto.db are not \
read; `vaux retained export` and `import` carry over what is retained.

Examples:
  vaux import-mosquitto /etc/mosquitto/mosquitto.conf > vaux.toml
  vaux broker -c vaux.toml --check-config";

/// Prints the configuration, or what is in the way of it.
pub(crate) fn run(args: &ImportMosquittoArgs, talk: Talk) -> Result<Exit, CliError> {
    let sorted = sort::sort(read::read(&args.file)?)?;
    let mut report = Report::default();
    let config = translate::translate(sorted, &mut report)?;
    for remark in report.notes() {
        talk.note(remark);
    }
    if report.has_refusals() {
        report.refusals().for_each(|refusal| talk.error(refusal));
        talk.hint("nothing is printed; comment out what you can do without, in a copy of the file");
        return Ok(Exit::Usage);
    }
    let text = print(&args.file, &config, &report)?;
    io::stdout().write_all(text.as_bytes()).map_err(CliError::Stdio)?;
    Ok(Exit::Ok)
}

/// The configuration as a file that the broker takes.
fn print(file: &std::path::Path, config: &Config, report: &Report) -> Result<String, CliError> {
    config.check().map_err(|error| CliError::usage(format!("{}: {error}", file.display())))?;
    let mut text =
        format!("# Made of {} by `vaux import-mosquitto`.\n", one_line(&file.display().to_string()));
    for (index, remark) in report.notes().enumerate() {
        if index == 0 {
            text.push_str("#\n# What has no equal, or is different:\n");
        }
        text.push_str(&format!("# - {}\n", one_line(remark)));
    }
    text.push('\n');
    text.push_str(&config.to_short_toml());
    match Config::from_toml(&text) {
        Ok(read) if read == *config => Ok(text),
        Ok(_) => {
            Err(CliError::Internal(io::Error::other("what is printed would read back as something else")))
        }
        Err(error) => {
            Err(CliError::Internal(io::Error::other(format!("what is printed does not read: {error}"))))
        }
    }
}

/// As a comment it must not end before it is over.
fn one_line(text: &str) -> String {
    text.chars().map(|character| if character.is_control() { '?' } else { character }).collect()
}
