//! What went wrong with connections and messages, each kind with how often.

use std::fmt::Display;

use serde::Serialize;
use vaux_client::{ConnectError, Disconnected, PropertyBuffer, ReasonCode, RequestError};

use crate::cli_error::{CliError, Exit};
use crate::connection::Plan;
use crate::output::talk::Talk;

/// Everything that went wrong.
#[derive(Debug, Default)]
pub(super) struct Failures {
    kinds: Vec<Failure>,
    /// How the program is to end, by the first failure.
    exit: Option<Exit>,
}

/// What went wrong in the same way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Failure {
    pub(super) what: What,
    pub(super) error: String,
    pub(super) reason_code: Option<u8>,
    pub(super) reason: Option<&'static str>,
    pub(super) count: u64,
}

/// What failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum What {
    NotConnected,
    ConnectionLost,
    MessageRefused,
}

impl Failures {
    /// A client that could not connect.
    pub(super) fn add_not_connected(&mut self, error: ConnectError, plan: &Plan) {
        self.add(What::NotConnected, error.to_string(), error.reason(), || plan.connect_error(error));
    }

    /// A connection that ended.
    pub(super) fn add_lost(&mut self, why: Disconnected) {
        self.add(What::ConnectionLost, why.to_string(), why.reason(), || CliError::Lost(why));
    }

    /// A message that the server did not take.
    pub(super) fn add_refused(&mut self, reason: ReasonCode) {
        let source = || RequestError::Refused { reasons: vec![reason], properties: PropertyBuffer::new() };
        self.add(What::MessageRefused, source(), Some(reason), || CliError::Request {
            what: String::new(),
            source: source(),
        });
    }

    fn add(
        &mut self,
        what: What,
        error: impl Display,
        reason: Option<ReasonCode>,
        cli_error: impl FnOnce() -> CliError,
    ) {
        let error = error.to_string();
        if let Some(known) = self.kinds.iter_mut().find(|known| known.what == what && known.error == error) {
            known.count += 1;
            return;
        }
        self.exit.get_or_insert_with(|| cli_error().exit());
        let (reason_code, reason) = (reason.map(ReasonCode::value), reason.map(ReasonCode::name));
        self.kinds.push(Failure { what, error, reason_code, reason, count: 1 });
    }

    /// All kinds, in the order in which they came up.
    pub(super) fn kinds(&self) -> &[Failure] {
        &self.kinds
    }

    /// How many there are of a kind.
    pub(super) fn count(&self, what: What) -> u64 {
        self.kinds.iter().filter(|failure| failure.what == what).map(|failure| failure.count).sum()
    }

    /// How the program is to end, if anything went wrong.
    pub(super) fn exit(&self) -> Option<Exit> {
        self.exit
    }
}

impl Failure {
    /// Says what went wrong.
    pub(super) fn tell(&self, talk: Talk) {
        let Failure { what, error, count, .. } = self;
        let (one, many) = match what {
            What::NotConnected => ("client did not connect", "clients did not connect"),
            What::ConnectionLost => ("connection was lost", "connections were lost"),
            What::MessageRefused => ("message was refused", "messages were refused"),
        };
        talk.error(format_args!("{count} {}: {error}", if *count == 1 { one } else { many }));
    }
}
