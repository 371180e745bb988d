//! An open connection of a command, the runtime it lives in, and Ctrl-C.

use tokio::signal::unix::{Signal, SignalKind, signal};
use vaux_client::{
    Client, Connected, ConnectionEvent, ConnectionEvents, Disconnected, Messages, PropertyBuffer, ReasonCode,
    ReconnectPolicy, RequestError,
};

use super::Plan;
use crate::cli_error::{CliError, Exit};
use crate::output::talk::Talk;

/// An open connection.
#[derive(Debug)]
pub(crate) struct Session {
    /// The handle of the client.
    pub(crate) client: Client,
    /// What happens to the connection.
    pub(crate) events: ConnectionEvents,
    /// All messages.
    pub(crate) messages: Messages,
}

impl Session {
    /// Connects as planned.
    pub(crate) async fn open(
        plan: &Plan,
        reconnect: ReconnectPolicy,
        talk: Talk,
    ) -> Result<Session, CliError> {
        talk.debug(format_args!("connecting to {}, MQTT {}", plan.server(), plan.version));
        let options = plan.options.clone().reconnect(reconnect);
        let (client, connection) =
            Client::connect(options).await.map_err(|error| plan.connect_error(error))?;
        talk.debug(format_args!("connected: {}", describe(&connection.connected)));
        Ok(Session { client, events: connection.events, messages: connection.messages })
    }

    /// What became of a request: when the connection is the reason, why it ended.
    pub(crate) async fn request_error(&mut self, what: &str, error: RequestError) -> CliError {
        match error {
            RequestError::Disconnected | RequestError::Ended => match self.end().await {
                Some(reason) => CliError::Lost(reason),
                None => CliError::Request { what: what.to_owned(), source: error },
            },
            _ => CliError::Request { what: what.to_owned(), source: error },
        }
    }

    /// Why there will be no more messages.
    pub(crate) async fn lost(&mut self) -> CliError {
        CliError::Lost(self.end().await.unwrap_or(Disconnected::Closed))
    }

    /// Why the connection ended for good, once it has.
    async fn end(&mut self) -> Option<Disconnected> {
        let mut reason = None;
        while let Some(event) = self.events.next().await {
            match event {
                ConnectionEvent::Disconnected(why) => reason = Some(why),
                ConnectionEvent::Ended => break,
                _ => {}
            }
        }
        reason
    }
}

/// Disconnects in order, unless the connection is gone already.
pub(crate) async fn close(client: &Client, properties: PropertyBuffer, talk: Talk) {
    match client.disconnect_with(ReasonCode::Success, properties).await {
        Ok(()) => talk.debug("disconnected"),
        Err(error) => talk.debug(format_args!("not disconnected: {error}")),
    }
}

/// Tells what happened to the connection.
pub(crate) fn tell(event: &ConnectionEvent, talk: Talk) {
    match event {
        ConnectionEvent::Disconnected(why) => talk.note(why),
        ConnectionEvent::Reconnecting { attempt, after } => {
            let seconds = after.as_secs_f64();
            talk.note(format_args!("connecting again in {seconds:.1} s, attempt {attempt}"));
        }
        ConnectionEvent::ReconnectFailed(error) => talk.note(error),
        ConnectionEvent::Connected(connected) => {
            talk.note(format_args!("connected again: {}", describe(connected)));
        }
        ConnectionEvent::SubscriptionsLost(filters) => {
            talk.warning(format_args!("not subscribed again to {}", filters.join(", ")));
        }
        _ => {}
    }
}

/// What the server said, in a few words.
fn describe(connected: &Connected) -> String {
    let session = if connected.session_present { "with" } else { "without" };
    format!(
        "client {:?}, keep alive {} s, {session} a session of before",
        connected.client_id, connected.keep_alive
    )
}

/// Ctrl-C and SIGTERM, both of which end a command in order.
#[derive(Debug)]
pub(crate) struct Interrupt {
    interrupt: Signal,
    terminate: Signal,
}

impl Interrupt {
    /// From now on the signals no longer end the process by themselves.
    pub(crate) fn listen() -> Result<Interrupt, CliError> {
        let listen = |kind| signal(kind).map_err(CliError::Internal);
        Ok(Interrupt {
            interrupt: listen(SignalKind::interrupt())?,
            terminate: listen(SignalKind::terminate())?,
        })
    }

    /// Waits for a signal and says how the program is to end.
    pub(crate) async fn wait(&mut self) -> Exit {
        tokio::select! {
            _ = self.interrupt.recv() => Exit::Interrupted,
            _ = self.terminate.recv() => Exit::Terminated,
        }
    }
}

/// Runs a command's work. The client's task has a thread of its own, so that a slow reader of our output does not
/// keep it from answering the server.
pub(crate) fn block_on<T>(work: impl Future<Output = Result<T, CliError>>) -> Result<T, CliError> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .map_err(CliError::Internal)?;
    let outcome = runtime.block_on(work);
    // A name that is still being looked up does not keep the program from ending.
    runtime.shutdown_background();
    outcome
}
