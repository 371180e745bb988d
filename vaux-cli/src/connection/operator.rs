//! Being the operator of the broker on this machine: whoever can read the token in its data directory.

use std::path::{Path, PathBuf};

use vaux_broker::operator::FILE;
use vaux_broker::session::OPERATOR;
use vaux_client::{Client, ConnectErrorKind, Connection, ReconnectPolicy};

use super::transport::Target;
use super::{ConnectArgs, Place, Plan, connect, password};
use crate::cli_error::CliError;
use crate::output::talk::Talk;

/// Where the token is that the broker would accept: only from this machine.
pub(super) fn token_file(target: &Target, data_dir: Option<&Path>) -> Option<PathBuf> {
    data_dir.filter(|_| target.is_loopback()).map(|data_dir| data_dir.join(FILE))
}

impl Plan {
    /// Connects as the operator if nobody else was named, and one of these topics or filters is for operators only.
    pub(crate) fn with_operator<'a>(
        mut self,
        topics: impl IntoIterator<Item = &'a str>,
    ) -> Result<Plan, CliError> {
        let Some(path) = &self.operator_token else { return Ok(self) };
        if !topics.into_iter().any(is_operators) || !path.exists() {
            return Ok(self);
        }
        let token = password::read(path).map_err(|source| CliError::File { path: path.clone(), source })?;
        self.options = self.options.user_name(OPERATOR).password(token);
        Ok(self)
    }
}

/// Connects as the operator of the broker on this machine, unless somebody else is named; where the broker is another
/// one, which does not know the operator, as nobody.
pub(crate) async fn connect_as_operator(
    args: ConnectArgs,
    places: &[Place],
    reconnect: ReconnectPolicy,
    talk: Talk,
) -> Result<(Plan, Client, Connection), CliError> {
    let names_somebody = args.names_somebody();
    let plan = args.plan(places, talk)?;
    let own_options = plan.options.clone();
    let mut plan = plan.with_operator(["$SYS/broker/vaux/#"])?;
    let connected = match connect(&plan, reconnect, talk).await {
        // The token in the data directory is of no use to another broker on this machine.
        Err(CliError::Connect { source, .. })
            if !names_somebody && source.kind() == ConnectErrorKind::Authentication =>
        {
            plan.options = own_options;
            connect(&plan, reconnect, talk).await
        }
        connected => connected,
    };
    let (client, connection) = connected?;
    Ok((plan, client, connection))
}

/// Whether a topic or filter is for operators only.
fn is_operators(topic: &str) -> bool {
    let topic = match topic.strip_prefix("$share/") {
        Some(shared) => shared.split_once('/').map_or("", |(_, filter)| filter),
        None => topic,
    };
    ["$SYS/broker/vaux/", "$CONTROL/"].iter().any(|prefix| topic.starts_with(prefix))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxy_does_not_get_the_token() {
        use clap::{Args, Command, FromArgMatches};
        let plan = |flags: &[&str]| {
            let command = Command::new("vaux").no_binary_name(true).disable_help_flag(true);
            let matches = crate::connection::ConnectArgs::augment_args(command).get_matches_from(flags);
            let args = crate::connection::ConnectArgs::from_arg_matches(&matches).unwrap();
            args.plan(&[], crate::output::talk::TalkArgs::default().talk()).unwrap()
        };
        let local = ["-L", "mqtt://localhost", "--data-dir", "/data"];
        assert!(plan(&local).operator_token.is_some());
        assert!(plan(&[&local[..], &["--proxy", "socks5h://proxy"]].concat()).operator_token.is_none());
    }

    #[test]
    fn topics_that_are_for_operators() {
        assert!(is_operators("$SYS/broker/vaux/#"));
        assert!(is_operators("$share/g/$SYS/broker/vaux/events"));
        assert!(is_operators("$CONTROL/vaux/v1"));
        assert!(!is_operators("$SYS/#"));
        assert!(!is_operators("a/$CONTROL/x"));
        assert!(!is_operators("$share/g"));
    }
}
