//! Directives about the log, which count together.

use vaux_broker::config::Config;

use super::read::Directive;
use super::report::Report;
use crate::cli_error::CliError;

const LEVELS: [&str; 5] = ["off", "error", "warn", "info", "debug"];

pub(super) fn apply(
    directives: &[&Directive],
    config: &mut Config,
    report: &mut Report,
) -> Result<(), CliError> {
    let (mut level, mut has_destination, mut is_silent) = (None, false, false);
    for directive in directives {
        match directive.name.as_str() {
            "log_type" => level = level.max(log_type(directive, report)?),
            "log_dest" => match directive.word()? {
                "none" => is_silent = true,
                "stderr" => has_destination = true,
                "stdout" | "file" | "syslog" | "topic" | "dlt" => {
                    has_destination = true;
                    report.note(directive, "the log goes to standard error");
                }
                other => return Err(directive.mistake(format_args!("cannot be {other:?}"))),
            },
            "log_facility" => report.note(directive, "the log goes to standard error"),
            _ => report.note(directive, "lines of the log always begin with the time"),
        }
    }
    let level = if is_silent && !has_destination { Some(0) } else { level };
    if let Some(level) = level {
        config.log.filter = LEVELS[level].into();
    }
    Ok(())
}

/// How much of the log is wanted, as an index of `LEVELS`.
fn log_type(directive: &Directive, report: &mut Report) -> Result<Option<usize>, CliError> {
    Ok(match directive.word()? {
        "none" => Some(0),
        "error" => Some(1),
        "warning" => Some(2),
        "notice" | "information" => Some(3),
        "debug" | "all" => Some(4),
        "subscribe" | "unsubscribe" | "websockets" | "internal" => {
            report.note(directive, "the log has no part of its own for this");
            None
        }
        other => return Err(directive.mistake(format_args!("cannot be {other:?}"))),
    })
}
