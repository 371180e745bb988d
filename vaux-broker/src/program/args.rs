//! The command line.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{Parser, ValueEnum};

use super::error::{self, USAGE};
use crate::config::{Durability, LogFormat};

/// MQTT 5.0, 3.1.1 and 3.1 broker. Without arguments it listens with TLS on 127.0.0.1:8883.
#[derive(Clone, Debug, Default, Parser)]
#[command(name = "vaux-broker", version, max_term_width = 100, after_help = AFTER_HELP)]
pub(super) struct Flags {
    /// Address or name to listen on [default: 127.0.0.1]
    #[arg(short, long, value_name = "ADDR")]
    pub(super) listen_addr: Option<String>,

    /// Port, 0 for any free one [default: 8883, with --plain 1883]
    #[arg(short, long)]
    pub(super) port: Option<u16>,

    /// Sessions that are kept at one time, connected or not
    #[arg(short = 's', long, value_name = "N")]
    pub(super) max_sessions: Option<usize>,

    /// Clients that are connected at one time
    #[arg(short = 'a', long, value_name = "N")]
    pub(super) max_active_sessions: Option<usize>,

    /// Configuration file (TOML)
    #[arg(short, long, value_name = "FILE")]
    pub(super) config: Option<PathBuf>,

    /// Where sessions, messages, keys and certificates are kept
    #[arg(long, value_name = "DIR")]
    pub(super) data_dir: Option<PathBuf>,

    /// Plain TCP instead of TLS
    #[arg(long)]
    pub(super) plain: bool,

    /// Certificate, and those that issued it (PEM)
    #[arg(long, value_name = "FILE")]
    pub(super) tls_cert: Option<PathBuf>,

    /// Private key of the certificate (PEM)
    #[arg(long, value_name = "FILE")]
    pub(super) tls_key: Option<PathBuf>,

    /// Authorities (PEM) of which each client must have a certificate, whose common name is its user name
    #[arg(long, value_name = "FILE")]
    pub(super) tls_client_ca: Option<PathBuf>,

    /// Let anyone connect, also from other machines
    #[arg(long)]
    pub(super) allow_anonymous: bool,

    /// Worker threads, 0 for one per core
    #[arg(long, value_name = "N")]
    pub(super) workers: Option<usize>,

    /// What an acknowledgement means: it is on disk, or soon will be [default: commit]
    #[arg(long, value_name = "WHEN")]
    pub(super) durability: Option<Durability>,

    /// What to log: off, error, warn, info, debug or trace, and part=level
    #[arg(long, value_name = "FILTER")]
    pub(super) log: Option<String>,

    /// What a line of the log looks like
    #[arg(long, value_name = "FORMAT")]
    pub(super) log_format: Option<LogFormat>,

    /// Say whether the configuration is good, and end
    #[arg(long, conflicts_with = "print_config")]
    pub(super) check_config: bool,

    /// Print the configuration in force as a file, and end
    #[arg(long)]
    pub(super) print_config: bool,
}

const AFTER_HELP: &str = "\
Without --tls-cert and --tls-key the broker makes a certificate authority of its own in the data directory; clients \
trust its tls/ca.pem.

Each setting can also be given in the environment, as VAUX_BROKER_ and the name of the flag: VAUX_BROKER_PORT=1884. \
The command line comes first, then the environment, then the file.

Signals: SIGHUP reads the file and the certificates again (certificates are also read when they change); SIGTERM and SIGINT end the broker in order, a second one \
at once.";

impl ValueEnum for LogFormat {
    fn value_variants<'a>() -> &'a [LogFormat] {
        &[LogFormat::Text, LogFormat::Json]
    }

    fn to_possible_value(&self) -> Option<clap::builder::PossibleValue> {
        Some(clap::builder::PossibleValue::new(match self {
            LogFormat::Text => "text",
            LogFormat::Json => "json",
        }))
    }
}

impl ValueEnum for Durability {
    fn value_variants<'a>() -> &'a [Durability] {
        &[Durability::Commit, Durability::Interval, Durability::None]
    }

    fn to_possible_value(&self) -> Option<clap::builder::PossibleValue> {
        Some(clap::builder::PossibleValue::new(match self {
            Durability::Commit => "commit",
            Durability::Interval => "interval",
            Durability::None => "none",
        }))
    }
}

/// Reads flags that did not come from the command line. An error is one line.
pub(super) fn parse(flags: Vec<OsString>) -> Result<Flags, String> {
    let args = [OsString::from("vaux-broker")].into_iter().chain(flags);
    Flags::try_parse_from(args).map_err(|error| one_line(&error))
}

/// Prints what the command line asked for (help, version) or what is wrong with it.
pub(super) fn report(error: &clap::Error) -> ExitCode {
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            // Nobody is left to be told when standard output is closed.
            let _ = error.print();
            ExitCode::SUCCESS
        }
        _ => {
            error::say(&format!("{} (--help lists what there is)", one_line(error)));
            ExitCode::from(USAGE)
        }
    }
}

/// What clap says, without the usage below it.
fn one_line(error: &clap::Error) -> String {
    let text = error.render().to_string();
    let parts = text.lines().take_while(|line| !line.starts_with("Usage:") && !line.starts_with("For more"));
    let parts: Vec<_> = parts.map(str::trim).filter(|line| !line.is_empty()).collect();
    parts.join("; ").trim_start_matches("error: ").to_owned()
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn help() {
        insta::assert_snapshot!(Flags::command().term_width(100).render_help());
    }

    #[test]
    fn the_command_is_well_formed() {
        Flags::command().debug_assert();
    }

    #[test]
    fn a_mistake_is_one_line() {
        for (flags, line) in [
            (
                &["--prot=1"][..],
                "unexpected argument '--prot' found; tip: a similar argument exists: '--port'",
            ),
            (&["-p", "x"], "invalid value 'x' for '--port <PORT>': invalid digit found in string"),
            (&["-p"], "a value is required for '--port <PORT>' but none was supplied"),
            (
                &["--log-format=xml"],
                "invalid value 'xml' for '--log-format <FORMAT>'; [possible values: text, json]",
            ),
            (&["extra"], "unexpected argument 'extra' found"),
            (
                &["--check-config", "--print-config"],
                "the argument '--check-config' cannot be used with '--print-config'",
            ),
        ] {
            let flags = flags.iter().map(Into::into).collect();
            assert_eq!(parse(flags).unwrap_err(), line);
        }
    }
}
