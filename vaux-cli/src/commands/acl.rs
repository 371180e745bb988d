//! `vaux acl`: what an access list says.

use std::io::{self, Write as _};
use std::path::PathBuf;
use std::sync::Arc;

use clap::{Subcommand, ValueEnum};
use serde_json::json;
use vaux_broker::Authorize as _;
use vaux_broker::auth::{Acl, Decision};
use vaux_broker::rights::{Action, DefaultRights, Subject};
use vaux_broker::session::Identity;
use vaux_mqtt::topic::{TopicFilter, TopicName};

use crate::cli_error::{CliError, Exit};

/// Ask a broker's access list
#[derive(Debug, clap::Args)]
pub(crate) struct AclArgs {
    #[command(subcommand)]
    command: AclCommand,
}

#[derive(Debug, Subcommand)]
enum AclCommand {
    Check(CheckArgs),
}

/// Say whether a client would be allowed a topic, and by which line
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct CheckArgs {
    /// What the client wants
    #[arg(hide_possible_values = true, value_name = "read|write|subscribe")]
    access: Wanted,
    /// Topic; with subscribe a filter
    #[arg(allow_hyphen_values = true)]
    topic: String,
    /// User name [default: an anonymous client]
    #[arg(long, value_name = "USER", allow_hyphen_values = true)]
    user: Option<String>,
    /// Client identifier
    #[arg(
        long,
        value_name = "ID",
        default_value = "",
        hide_default_value = true,
        allow_hyphen_values = true
    )]
    client: String,
    /// Access list [default: none, and what holds without one]
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// Print the answer as JSON
    #[arg(long)]
    json: bool,
}

const AFTER_HELP: &str = "\
A subscription is allowed when a message could come by it that may be read; of what comes, each message is then asked \
about as read. Exit code 0 when it is allowed, 7 when it is denied.";

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Wanted {
    Read,
    Write,
    Subscribe,
}

pub(crate) fn run(args: &AclArgs) -> Result<Exit, CliError> {
    let AclCommand::Check(args) = &args.command;
    let (action, topic) = args.question()?;
    let identity = args.user.as_deref().map_or(Identity::Anonymous, |user| Identity::User(Arc::from(user)));
    let subject = Subject { identity: &identity, client_id: &args.client, listener: None };
    let (decision, rule) = match &args.file {
        Some(path) => {
            let decision = Acl::read(path).map_err(CliError::Security)?.decide(&subject, action, topic);
            (decision, decision.line.map(|line| rule(path, line)).transpose()?)
        }
        None => {
            let is_allowed = DefaultRights.allows(&subject, action, topic);
            (Decision { is_allowed, line: None }, None)
        }
    };
    writeln!(io::stdout(), "{}", args.answer(decision, rule.as_deref())).map_err(CliError::Stdio)?;
    Ok(if decision.is_allowed { Exit::Ok } else { Exit::RequestRefused })
}

/// The line that decided, as it stands in the file.
fn rule(path: &PathBuf, line: u32) -> Result<String, CliError> {
    let text =
        std::fs::read_to_string(path).map_err(|source| CliError::File { path: path.clone(), source })?;
    Ok(text.lines().nth(line as usize - 1).unwrap_or_default().trim().to_owned())
}

impl AclArgs {
    pub(crate) fn wants_json(&self) -> bool {
        let AclCommand::Check(args) = &self.command;
        args.json
    }
}

impl CheckArgs {
    /// What is asked of the access list: about a shared subscription, the filter behind the share name.
    fn question(&self) -> Result<(Action, &str), CliError> {
        let action = match self.access {
            Wanted::Read => Action::Receive,
            Wanted::Write => Action::Publish,
            Wanted::Subscribe => {
                let filter = TopicFilter::new(&self.topic)
                    .map_err(|_| CliError::usage(format!("{:?} is not a topic filter", self.topic)))?;
                let plain = filter.shared().map_or(filter, |shared| shared.filter);
                return Ok((Action::Subscribe, plain.as_str()));
            }
        };
        TopicName::new(&self.topic).map_err(|_| {
            CliError::usage_with_hint(
                format!("{:?} is not a topic", self.topic),
                "for a filter ask about subscribe",
            )
        })?;
        Ok((action, &self.topic))
    }

    fn answer(&self, decision: Decision, rule: Option<&str>) -> String {
        let Decision { is_allowed, line } = decision;
        if self.json {
            return json!({ "allowed": is_allowed, "line": line, "rule": rule }).to_string();
        }
        let word = if is_allowed { "allowed" } else { "denied" };
        match (&self.file, line, rule) {
            (Some(path), Some(line), Some(rule)) => format!("{word} by {}:{line}: {rule}", path.display()),
            (Some(path), ..) => format!("{word}: no line of {} grants it", path.display()),
            (None, ..) => format!("{word}: so it is without an access list"),
        }
    }
}
