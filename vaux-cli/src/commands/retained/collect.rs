//! Collecting the retained messages of a server.

use std::pin::pin;
use std::time::Duration;

use vaux_client::{Message, QoS, ReconnectPolicy, RequestError, Subscribe};

use crate::cli_error::{CliError, Exit};
use crate::connection::{Interrupt, Place, Plan, Session, any_matches, close, subscribe};
use crate::output::talk::Talk;

/// Which messages are collected.
pub(super) struct Collector {
    pub(super) filters: Vec<String>,
    pub(super) filter_out: Vec<String>,
    /// How long none must have come.
    pub(super) idle: Duration,
    pub(super) talk: Talk,
}

impl Collector {
    /// Connects, gives each retained message to `take`, and when all have come does what `afterwards` does.
    pub(super) async fn run(
        &self,
        plan: &Plan,
        take: impl FnMut(Message) -> Result<(), CliError>,
        afterwards: impl AsyncFnOnce(&mut Session) -> Result<(), CliError>,
    ) -> Result<Exit, CliError> {
        let mut interrupt = Interrupt::listen()?;
        let mut session = tokio::select! {
            session = Session::open(plan, ReconnectPolicy::NEVER, self.talk) => session?,
            exit = interrupt.wait() => return Ok(exit),
        };
        let work = async {
            let refused = self.collect(plan, &mut session, take).await?;
            // Live messages come for as long as the connection lives: nobody wants them.
            session.messages.close();
            afterwards(&mut session).await?;
            refused.map_or(Ok(Exit::Ok), Err)
        };
        let outcome = tokio::select! {
            outcome = work => outcome,
            exit = interrupt.wait() => Ok(exit),
        };
        close(&session.client, plan.properties.of(Place::Disconnect), self.talk).await;
        outcome
    }

    /// Returns the first filter that was refused while others were granted.
    async fn collect(
        &self,
        plan: &Plan,
        session: &mut Session,
        mut take: impl FnMut(Message) -> Result<(), CliError>,
    ) -> Result<Option<CliError>, CliError> {
        // With the highest QoS each message comes with its own.
        let mut request = Subscribe::default();
        for filter in &self.filters {
            request = request.and(filter.as_str(), QoS::ExactlyOnce);
        }
        for property in plan.properties.of(Place::Subscribe).list() {
            request = request.property(property).expect("-D checked the value of the property");
        }
        let client = session.client.clone();
        let mut asking = pin!(subscribe(&client, request, &self.filters, self.talk));
        let mut is_asking = true;
        let mut refused = None;
        let mut silence = pin!(tokio::time::sleep(self.idle));
        loop {
            tokio::select! {
                biased;
                message = session.messages.next() => match message {
                    Some(message) => {
                        if message.retain {
                            silence.as_mut().reset(tokio::time::Instant::now() + self.idle);
                            if !any_matches(&self.filter_out, &message.topic) {
                                take(message)?;
                            }
                        }
                    }
                    None => return Err(session.lost().await),
                },
                answer = &mut asking, if is_asking => {
                    is_asking = false;
                    silence.as_mut().reset(tokio::time::Instant::now() + self.idle);
                    match answer {
                        Ok(some_refused) => refused = some_refused,
                        // The end of the messages says why.
                        Err((_, RequestError::Disconnected | RequestError::Ended)) => {}
                        Err((what, source)) => return Err(CliError::Request { what, source }),
                    }
                }
                () = &mut silence, if !is_asking => return Ok(refused),
            }
        }
    }
}
