//! The task behind a client: connects, drives the protocol machine, reconnects.
//!
//! In come requests of the application over bounded channels and bytes from the server; out go messages into bounded
//! streams, outcomes, events and bytes. The protocol itself is in `vaux_mqtt::protocol::client`.
//!
//! - `connect` makes CONNECT from the options; `attempt` does one connection attempt.
//! - `connector` hands accepted connections to programs that go on by themselves.
//! - `online` is the loop while connected, `offline` what happens in between.
//! - `requests` keeps account of who waits for what, `held` of publishes that cannot be sent yet.
//! - `routes` knows where messages go, with `topics` and `payloads`, and `by_hand` what the application acknowledges.
//! - `link` owns the buffers.

mod attempt;
mod by_hand;
mod connect;
mod connector;
mod held;
mod link;
mod offline;
mod online;
mod payloads;
mod requests;
mod routes;
mod topics;

use std::sync::Arc;
use std::time::Instant;

use tokio::sync::{broadcast, mpsc};
use vaux_mqtt::protocol::client::{Outgoing, Session};
use vaux_mqtt::{Version, packet::Publish, protocol};

use crate::client::{Client, Connection, Control, PublishRequest};
use crate::error::{ConnectError, Disconnected};
use crate::event::{Connected, ConnectionEvent, ConnectionEvents};
use crate::options::ConnectOptions;
use crate::stream::stream;
use crate::subscription::Messages;
use attempt::{Established, Server};
pub use connector::{Accepted, Connector};
use offline::Attempts;
use requests::Requests;
use routes::Routes;

type Machine = protocol::client::Client<PublishRequest>;

/// How many events may wait for a receiver before the oldest are forgotten.
const EVENT_CAPACITY: usize = 64;

/// How many requests other than publishes may wait in front of the task.
const CONTROL_CAPACITY: usize = 64;

impl Outgoing for PublishRequest {
    fn publish(&self) -> Publish<'_> {
        let message = &self.message;
        Publish {
            qos: message.qos,
            retain: message.retain,
            properties: message.properties.list(),
            payload: &message.payload,
            ..Publish::new(&message.topic)
        }
    }
}

/// Milliseconds since the client began.
#[derive(Clone, Copy, Debug)]
struct Clock(Instant);

impl Clock {
    fn now_ms(self) -> u64 {
        // Half a billion years fit.
        self.0.elapsed().as_millis() as u64
    }

    fn at(self, ms: u64) -> tokio::time::Instant {
        (self.0 + std::time::Duration::from_millis(ms)).into()
    }
}

/// What the task owns.
pub(crate) struct Driver {
    server: Server,
    publishes: mpsc::Receiver<PublishRequest>,
    controls: mpsc::Receiver<Control>,
    requests: Requests,
    routes: Routes,
    events: broadcast::Sender<ConnectionEvent>,
    /// The client identifier in force.
    client_id: Box<str>,
    /// Publishes that were taken out of their channel at once; kept for its memory.
    taken: Vec<PublishRequest>,
}

/// How a connection ended.
enum End {
    /// The application wants no more.
    Final(Disconnected),
    /// Something else: the policy decides whether to connect again.
    Lost(Disconnected),
}

/// Connects. What runs the protocol from then on is given back, to be spawned.
pub(crate) async fn connect(
    options: ConnectOptions,
) -> Result<(Client, Connection, impl Future<Output = ()> + Send + use<>), ConnectError> {
    let (client, events, messages, mut driver) = prepare(options)?;
    let options = &driver.server.options;
    let established = driver.server.connect_first(&options.client_id).await?;
    driver.client_id = established.connected.client_id.clone();
    let connection = Connection { connected: established.connected.clone(), events, messages };
    Ok((client, connection, driver.run(established)))
}

/// The session of the first connection. Who does not start clean says that there is a session to go on with, be it one
/// that this process never saw.
fn first_session(options: &ConnectOptions) -> Session<PublishRequest> {
    if options.clean_start { Session::new() } else { Session::resumed() }
}

/// Makes what the task owns and what reaches it. Nothing is tried.
pub(crate) fn prepare(
    options: ConnectOptions,
) -> Result<(Client, ConnectionEvents, Messages, Driver), ConnectError> {
    connect::check(&options)?;
    let server = Server::new(options)?;
    let options = &server.options;
    let (publish_sender, publishes) = mpsc::channel(options.request_capacity);
    let (control_sender, controls) = mpsc::channel(CONTROL_CAPACITY);
    let (default_stream, messages) = stream(options.message_capacity);
    let (events, event_receiver) = broadcast::channel(EVENT_CAPACITY);
    let client = Client::new(publish_sender, control_sender, options.message_capacity);
    let driver = Driver {
        publishes,
        controls,
        requests: Requests::new(options.version, options.offline_queue),
        routes: Routes::new(default_stream, options.is_manual),
        events,
        client_id: options.client_id.as_str().into(),
        taken: Vec::new(),
        server,
    };
    Ok((client, ConnectionEvents(event_receiver), Messages(messages), driver))
}

impl Driver {
    /// Runs the protocol to its end, beginning without a connection.
    pub(crate) async fn start(mut self) {
        let options = &self.server.options;
        let (session, clean_start) = (first_session(options), options.clean_start);
        match self.connect(session, clean_start, Attempts::First).await {
            Some(established) => {
                self.tell(ConnectionEvent::Connected(established.connected.clone()));
                self.run(established).await;
            }
            None => self.tell(ConnectionEvent::Ended),
        }
    }

    /// Runs the protocol to its end.
    async fn run(mut self, mut established: Established) {
        loop {
            let keeps_session = self.keeps_session(&established.machine);
            let (end, session) = self.go_online(established).await;
            let (disconnected, is_final) = match end {
                End::Final(disconnected) => (disconnected, true),
                End::Lost(disconnected) => {
                    let is_final = disconnected.reason().is_some_and(crate::error::is_permanent);
                    (disconnected, is_final)
                }
            };
            self.tell(ConnectionEvent::Disconnected(disconnected));
            if is_final {
                self.requests.end(session);
                break;
            }
            let clean_start = self.server.options.clean_start && !keeps_session;
            match self.connect(session, clean_start, Attempts::Again).await {
                Some(again) => established = again,
                None => break,
            }
            self.tell(ConnectionEvent::Connected(established.connected.clone()));
        }
        self.tell(ConnectionEvent::Ended);
    }

    /// Whether the server keeps the session when the connection ends.
    fn keeps_session(&self, machine: &Machine) -> bool {
        let options = &self.server.options;
        match options.version {
            Version::V5 => {
                let asked = options.session_expiry_interval.unwrap_or(0);
                machine.limits().session_expiry_interval.unwrap_or(asked) > 0
            }
            Version::V31 | Version::V311 => !options.clean_start,
        }
    }

    /// Tells whoever listens.
    fn tell(&self, event: ConnectionEvent) {
        // Without a receiver nobody wants to know.
        let _ = self.events.send(event);
    }

    /// What is to be done at the beginning of a connection that is not the first.
    fn resume(&mut self, connected: &Arc<Connected>, machine: &mut Machine) {
        self.client_id = connected.client_id.clone();
        if !connected.session_present && self.server.options.resubscribe {
            self.requests.note_lost(self.routes.live_subscriptions());
            self.resubscribe(machine);
        }
    }

    /// Goes on making subscriptions again that the server lost.
    fn resubscribe(&mut self, machine: &mut Machine) {
        let refused = self.requests.resubscribe(machine, &mut self.routes);
        if !refused.is_empty() {
            self.tell(ConnectionEvent::SubscriptionsLost(refused));
        }
    }
}
