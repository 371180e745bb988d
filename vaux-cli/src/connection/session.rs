//! An open connection of a command, the runtime it lives in, and Ctrl-C.

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{mpsc, oneshot, watch};
use vaux_client::{
    Answer, Client, Connected, Connection, ConnectionEvent, ConnectionEvents, Disconnected, Message,
    Messages, PropertyBuffer, PublishTicket, ReasonCode, ReconnectPolicy, RequestError, Subscribe,
};

use super::Plan;
use super::shared::{SharedConnection, State, User};
use crate::cli_error::{CliError, Exit};
use crate::output::talk::Talk;

/// An open connection: one of the command's own, or its share in one that was open already.
#[derive(Debug)]
pub(crate) struct Session {
    /// What asks the server.
    pub(crate) client: Link,
    /// What happens to the connection.
    pub(crate) events: Events,
    /// All messages.
    pub(crate) messages: Inbox,
}

/// What a command asks the server by. Clones are the same.
#[derive(Clone, Debug)]
pub(crate) enum Link {
    /// The client of its own.
    Own(Client),
    /// The client of others, too.
    Shared(User),
}

/// Where a command's messages come from.
#[derive(Debug)]
pub(crate) enum Inbox {
    /// A connection of its own.
    Own(Messages),
    /// What of a connection is for this command.
    Shared(mpsc::Receiver<Message>),
}

/// How a command learns about its connection.
#[derive(Debug)]
pub(crate) enum Events {
    /// It is told all.
    Own(ConnectionEvents),
    /// Whoever opened the connection tells people about it.
    Shared(watch::Receiver<State>),
}

impl Session {
    /// Connects as planned.
    pub(crate) async fn open(
        plan: &Plan,
        reconnect: ReconnectPolicy,
        talk: Talk,
    ) -> Result<Session, CliError> {
        if let Some(shared) = &plan.shared {
            return Session::share(shared);
        }
        let (client, Connection { events, messages, .. }) = connect(plan, reconnect, talk).await?;
        Ok(Session { client: Link::Own(client), events: Events::Own(events), messages: Inbox::Own(messages) })
    }

    fn share(shared: &SharedConnection) -> Result<Session, CliError> {
        match shared.state() {
            State::Online => {
                let (user, messages, state) = shared.join();
                Ok(Session {
                    client: Link::Shared(user),
                    events: Events::Shared(state),
                    messages: Inbox::Shared(messages),
                })
            }
            State::Lost(why) => {
                Err(CliError::NotConnected { why: format!("not connected at present: {why}"), hint: None })
            }
            State::Ended(why) => Err(CliError::NotConnected {
                why: format!("not connected: {why}"),
                hint: Some("connect".to_owned()),
            }),
        }
    }

    /// What became of a request: when the connection is the reason, why it ended.
    pub(crate) async fn request_error(&mut self, what: &str, error: RequestError) -> CliError {
        match error {
            RequestError::Disconnected | RequestError::Ended => match self.events.end().await {
                Some(reason) => CliError::Lost(reason),
                None => CliError::Request { what: what.to_owned(), source: error },
            },
            _ => CliError::Request { what: what.to_owned(), source: error },
        }
    }

    /// Why there will be no more messages.
    pub(crate) async fn lost(&mut self) -> CliError {
        CliError::Lost(self.events.end().await.unwrap_or(Disconnected::Closed))
    }
}

/// Makes a connection as planned, of the caller's own.
pub(crate) async fn connect(
    plan: &Plan,
    reconnect: ReconnectPolicy,
    talk: Talk,
) -> Result<(Client, Connection), CliError> {
    talk.debug(format_args!("connecting to {}, MQTT {}", plan.server(), plan.version));
    let options = plan.options.clone().reconnect(reconnect);
    let (client, connection) = Client::connect(options).await.map_err(|error| plan.connect_error(error))?;
    talk.debug(format_args!("connected: {}", describe(&connection.connected)));
    Ok((client, connection))
}

impl Link {
    /// Hands a message over; see [`Client::start_publish`].
    pub(crate) async fn start_publish(&self, message: Message) -> Result<PublishTicket, RequestError> {
        match self {
            Link::Own(client) => client.start_publish(message).await,
            Link::Shared(user) => user.client().start_publish(message).await,
        }
    }

    /// Subscribes; the messages come out of the session's.
    pub(crate) async fn subscribe(&self, request: Subscribe) -> Result<Answer, RequestError> {
        match self {
            Link::Own(client) => client.subscribe_default(request).await,
            Link::Shared(user) => user.subscribe(request).await,
        }
    }

    /// Ends subscriptions.
    pub(crate) async fn unsubscribe(
        &self,
        filters: &[String],
        properties: PropertyBuffer,
    ) -> Result<Answer, RequestError> {
        match self {
            Link::Own(client) => {
                client.unsubscribe_with(filters.iter().map(String::as_str), properties).await
            }
            Link::Shared(user) => user.unsubscribe(filters, properties).await,
        }
    }
}

impl Inbox {
    /// The next message, `None` when the connection is over.
    pub(crate) async fn next(&mut self) -> Option<Message> {
        match self {
            Inbox::Own(messages) => messages.next().await,
            Inbox::Shared(messages) => messages.recv().await,
        }
    }

    /// A message that is there already.
    pub(crate) fn try_next(&mut self) -> Option<Message> {
        match self {
            Inbox::Own(messages) => messages.try_next(),
            Inbox::Shared(messages) => messages.try_recv().ok(),
        }
    }

    /// Takes no more messages.
    pub(crate) fn close(&mut self) {
        match self {
            Inbox::Own(messages) => messages.close(),
            Inbox::Shared(messages) => messages.close(),
        }
    }
}

impl Events {
    /// The next event, `None` when none follows for this command.
    pub(crate) async fn next(&mut self) -> Option<ConnectionEvent> {
        match self {
            Events::Own(events) => events.next().await,
            Events::Shared(_) => None,
        }
    }

    /// Why the connection ended for good, once it has; a shared one why it ended last.
    pub(crate) async fn end(&mut self) -> Option<Disconnected> {
        let events = match self {
            Events::Own(events) => events,
            Events::Shared(state) => {
                return match &*state.borrow() {
                    State::Online => None,
                    State::Lost(why) | State::Ended(why) => Some(why.clone()),
                };
            }
        };
        let mut reason = None;
        while let Some(event) = events.next().await {
            match event {
                ConnectionEvent::Disconnected(why) => reason = Some(why),
                ConnectionEvent::Ended => break,
                _ => {}
            }
        }
        reason
    }
}

/// Disconnects in order, unless the connection is gone already. In a shared one what was subscribed to ends.
pub(crate) async fn close(link: &Link, properties: PropertyBuffer, talk: Talk) {
    let client = match link {
        Link::Own(client) => client,
        Link::Shared(user) => return user.leave().await,
    };
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

/// Ctrl-C and SIGTERM, both of which end a command in order; or for one in the background, the wish that it ends.
#[derive(Debug)]
pub(crate) enum Interrupt {
    /// Signals.
    Signals {
        /// Ctrl-C.
        interrupt: Signal,
        /// SIGTERM.
        terminate: Signal,
    },
    /// Somebody else's wish.
    Wish(oneshot::Receiver<()>),
}

impl Interrupt {
    /// From now on the signals no longer end the process by themselves.
    pub(crate) fn listen() -> Result<Interrupt, CliError> {
        let listen = |kind| signal(kind).map_err(CliError::Internal);
        Ok(Interrupt::Signals {
            interrupt: listen(SignalKind::interrupt())?,
            terminate: listen(SignalKind::terminate())?,
        })
    }

    /// Waits for a signal and says how the program is to end.
    pub(crate) async fn wait(&mut self) -> Exit {
        match self {
            Interrupt::Signals { interrupt, terminate } => tokio::select! {
                _ = interrupt.recv() => Exit::Interrupted,
                _ = terminate.recv() => Exit::Terminated,
            },
            Interrupt::Wish(wish) => {
                // Whoever could wish it and is gone wishes it too.
                let _ = wish.await;
                Exit::Ok
            }
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
