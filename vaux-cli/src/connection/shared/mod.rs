//! A connection that is open already and that several commands use, one after the other and at the same time: those of
//! the shell. For a command it is a session of its own, whose subscriptions end with it.
//!
//! A task reads the messages of the connection and hands each to the users that want it. `table` knows who does.

mod table;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::runtime::Handle;
use tokio::sync::{mpsc, watch};
use vaux_client::{
    Answer, Client, Connected, Connection, ConnectionEvent, Disconnected, Message, Property, PropertyBuffer,
    RequestError, RetainHandling, Subscribe, SubscriptionOptions,
};

use super::Plan;
use table::{Leftover, Outlet, Table, UserKey};

/// How many messages wait for a command before the connection is read no further.
const MESSAGES: usize = 1024;

/// Learns what comes over a connection, in the task that reads it: nothing here may wait.
pub(crate) trait Observer: Send + Sync {
    /// A message came. Nobody asked for it if `is_unasked`: a session of before did.
    fn message(&self, message: &Message, is_unasked: bool);
    /// The connection changed.
    fn event(&self, event: &ConnectionEvent);
}

/// How a connection is.
#[derive(Clone, Debug)]
pub(crate) enum State {
    /// It is there.
    Online,
    /// It was lost, and is tried again.
    Lost(Disconnected),
    /// It is over.
    Ended(Disconnected),
}

/// A handle to an open connection. Clones are the same connection.
#[derive(Clone, Debug)]
pub(crate) struct SharedConnection(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    plan: Plan,
    client: Client,
    connected: Arc<Connected>,
    /// Whether messages say which subscription they are for.
    has_identifiers: bool,
    table: Mutex<Table>,
    state: watch::Sender<State>,
    /// Held while the server is asked, so that an UNSUBSCRIBE does not overtake a SUBSCRIBE.
    asking: tokio::sync::Mutex<()>,
    runtime: Handle,
}

impl SharedConnection {
    /// Shares a connection that was made as planned. Its task lives in the runtime of the caller.
    pub(crate) fn new(
        plan: Plan,
        client: Client,
        connection: Connection,
        observer: Arc<dyn Observer>,
    ) -> SharedConnection {
        let connected = connection.connected.clone();
        let offers = connected.properties.list().subscription_identifier_available();
        let shared = Arc::new(Shared {
            has_identifiers: plan.version.has_properties() && offers != Some(0),
            plan,
            client,
            connected,
            table: Mutex::new(Table::new()),
            state: watch::Sender::new(State::Online),
            asking: tokio::sync::Mutex::new(()),
            runtime: Handle::current(),
        });
        tokio::spawn(shared.clone().serve(connection, observer));
        SharedConnection(shared)
    }

    /// What the connection was made of.
    pub(crate) fn plan(&self) -> &Plan {
        &self.0.plan
    }

    /// What the server said first.
    pub(crate) fn connected(&self) -> &Connected {
        &self.0.connected
    }

    /// How the connection is.
    pub(crate) fn state(&self) -> State {
        self.0.state.borrow().clone()
    }

    /// A user of the connection, and its messages.
    pub(super) fn join(&self) -> (User, mpsc::Receiver<Message>, watch::Receiver<State>) {
        let (sender, messages) = mpsc::channel(MESSAGES);
        let is_gone = watch::Sender::new(false);
        let key = self.0.table().add(Outlet { messages: sender, is_gone: is_gone.subscribe() });
        let user = User(Arc::new(Membership { shared: self.0.clone(), key, is_gone }));
        (user, messages, self.0.state.subscribe())
    }

    /// Asks the server not to send messages for these filters any more, whoever asked for them.
    pub(crate) async fn unsubscribe(
        &self,
        filters: &[String],
        properties: PropertyBuffer,
    ) -> Result<Answer, RequestError> {
        self.0.unsubscribe(filters, properties).await
    }

    /// Ends the connection. Whoever uses it is told.
    pub(crate) async fn close(&self) {
        // One that is over already needs no end.
        let _ = self.0.client.disconnect().await;
    }
}

impl Shared {
    fn table(&self) -> MutexGuard<'_, Table> {
        // No table is left half changed: what is done under the lock does not panic.
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hands messages out until the connection is over.
    async fn serve(self: Arc<Shared>, connection: Connection, observer: Arc<dyn Observer>) {
        let Connection { mut events, mut messages, .. } = connection;
        let mut why = Disconnected::Closed;
        let mut is_telling = true;
        loop {
            tokio::select! {
                event = events.next(), if is_telling => match event {
                    Some(event) => {
                        self.note(&event, &mut why);
                        observer.event(&event);
                    }
                    None => is_telling = false,
                },
                message = messages.next() => match message {
                    Some(message) => self.hand_out(message, &*observer).await,
                    None => break,
                },
            }
        }
        while let Some(event) = events.next().await {
            self.note(&event, &mut why);
            observer.event(&event);
        }
        self.state.send_replace(State::Ended(why));
        // Their streams end.
        *self.table() = Table::new();
    }

    fn note(&self, event: &ConnectionEvent, why: &mut Disconnected) {
        match event {
            ConnectionEvent::Connected(_) => {
                self.state.send_replace(State::Online);
            }
            ConnectionEvent::Disconnected(reason) => {
                *why = reason.clone();
                self.state.send_replace(State::Lost(reason.clone()));
            }
            _ => {}
        }
    }

    async fn hand_out(&self, message: Message, observer: &dyn Observer) {
        let (outlets, is_wanted) = self.table().outlets_of(&message);
        observer.message(&message, !is_wanted && self.connected.session_present);
        for mut outlet in outlets {
            outlet.send(message.clone()).await;
        }
    }

    async fn subscribe(&self, key: UserKey, request: Subscribe) -> Result<Answer, RequestError> {
        let _asking = self.asking.lock().await;
        let filters: Vec<(Box<str>, SubscriptionOptions)> =
            request.filters().map(|(filter, options)| (filter.into(), options)).collect();
        let own = request.properties().list().subscription_identifiers().next();
        let (request, identifier) = match own {
            None if self.has_identifiers => {
                let identifier = self.table().new_identifier();
                (with_identifier(request, identifier), Some(identifier))
            }
            own => (request, own),
        };
        {
            let mut table = self.table();
            filters.iter().for_each(|(filter, options)| table.subscribe(key, filter, *options, identifier));
        }
        let answer = self.client.subscribe_default(request).await;
        let mut table = self.table();
        let refusals = match &answer {
            Ok(Answer { reasons, .. }) | Err(RequestError::Refused { reasons, .. }) => reasons.clone(),
            // The connection is over, or the request broke a rule and was not sent.
            Err(_) => Vec::new(),
        };
        for (index, (filter, _)) in filters.iter().enumerate() {
            if answer.is_err() || refusals.get(index).is_some_and(|reason| reason.is_error()) {
                table.refused(key, filter);
            }
        }
        answer
    }

    async fn unsubscribe(
        &self,
        filters: &[String],
        properties: PropertyBuffer,
    ) -> Result<Answer, RequestError> {
        let _asking = self.asking.lock().await;
        let answer = self.client.unsubscribe_with(filters.iter().map(String::as_str), properties).await?;
        let ended = filters.iter().zip(&answer.reasons).filter(|(_, reason)| !reason.is_error());
        self.table().unsubscribed(ended.map(|(filter, _)| filter.as_str()));
        Ok(answer)
    }

    /// Ends what a user has subscribed to, as far as others do not want it.
    async fn leave(&self, key: UserKey) {
        let asking = async {
            let _asking = self.asking.lock().await;
            let Leftover { unsubscribe, restore } = self.table().leave(key);
            // Whatever becomes of it: the user does not want the messages, and gets none.
            if !unsubscribe.is_empty() {
                let _ = self.client.unsubscribe(unsubscribe).await;
            }
            for (filter, mut options, identifier) in restore {
                // What the server has kept is known.
                options.retain_handling = RetainHandling::DoNotSend;
                let request = with_identifier(Subscribe::with_options(filter, options), identifier);
                let _ = self.client.subscribe_default(request).await;
            }
        };
        let mut state = self.state.subscribe();
        tokio::select! {
            biased;
            () = asking => {}
            // What was handed to the client is sent when it is connected again; nobody waits for that.
            _ = state.wait_for(|state| !matches!(state, State::Online)) => {}
        }
        self.table().remove(key);
    }
}

fn with_identifier(request: Subscribe, identifier: u32) -> Subscribe {
    let property = Property::SubscriptionIdentifier(identifier);
    request.property(property).expect("the table gives identifiers that a packet can hold")
}

/// A user of a connection: a command. Clones are the same user.
#[derive(Clone, Debug)]
pub(crate) struct User(Arc<Membership>);

#[derive(Debug)]
struct Membership {
    shared: Arc<Shared>,
    key: UserKey,
    /// From then on it reads its messages no more.
    is_gone: watch::Sender<bool>,
}

impl User {
    /// Subscribes. The messages come out of the user's stream.
    pub(super) async fn subscribe(&self, request: Subscribe) -> Result<Answer, RequestError> {
        let (shared, key) = (self.0.shared.clone(), self.0.key);
        // In a task: a command that has enough before the answer comes must not stop others from asking.
        let asking = self.0.shared.runtime.spawn(async move { shared.subscribe(key, request).await });
        asking.await.unwrap_or(Err(RequestError::Ended))
    }

    /// Ends subscriptions, whoever made them.
    pub(super) async fn unsubscribe(
        &self,
        filters: &[String],
        properties: PropertyBuffer,
    ) -> Result<Answer, RequestError> {
        self.0.shared.unsubscribe(filters, properties).await
    }

    /// Ends the user's subscriptions.
    pub(super) async fn leave(&self) {
        // The answer of the server comes behind messages that nobody reads any more.
        self.0.is_gone.send_replace(true);
        self.0.shared.leave(self.0.key).await;
    }

    /// The client of the connection.
    pub(super) fn client(&self) -> &Client {
        &self.0.shared.client
    }
}

impl Drop for Membership {
    /// A command that was broken off left no orders: its subscriptions end all the same.
    fn drop(&mut self) {
        self.is_gone.send_replace(true);
        let (shared, key) = (self.shared.clone(), self.key);
        self.shared.runtime.spawn(async move { shared.leave(key).await });
    }
}
