//! Between connections: pauses, attempts, and requests that have to wait.

use std::future::Future;
use std::sync::Arc;

use tokio::sync::mpsc;
use vaux_mqtt::protocol::client::Session;

use super::Driver;
use super::attempt::Established;
use super::requests::Requests;
use super::routes::Routes;
use crate::client::{Control, PublishRequest};
use crate::event::ConnectionEvent;

/// The application wants the client to end.
struct Leave;

/// Which attempts to connect these are.
pub(super) enum Attempts {
    /// The first ones of this client: there is no pause before the first.
    First,
    /// A connection was lost.
    Again,
}

impl Driver {
    /// Connects, as the policy says. `None` when the client has ended; whoever waited was told.
    pub(super) async fn connect(
        &mut self,
        mut session: Session<PublishRequest>,
        clean_start: bool,
        attempts: Attempts,
    ) -> Option<Established> {
        let mut attempt = match attempts {
            Attempts::First => 0,
            Attempts::Again => 1,
        };
        loop {
            let mut waiting = Waiting {
                is_in_flight: session.in_flight_count() > 0,
                publishes: &mut self.publishes,
                controls: &mut self.controls,
                requests: &mut self.requests,
                routes: &mut self.routes,
            };
            if attempt > 0 {
                let Some(after) = self.server.options.reconnect.pause(attempt) else { break };
                let _ = self.events.send(ConnectionEvent::Reconnecting { attempt, after });
                if waiting.meanwhile(tokio::time::sleep(after)).await.is_err() {
                    break;
                }
            }
            attempt += 1;
            let connecting = self.server.connect(&self.client_id, clean_start, session);
            match waiting.meanwhile(connecting).await {
                // The session went with the attempt that was given up.
                Err(Leave) => {
                    session = Session::new();
                    break;
                }
                Ok(Ok(mut established)) => {
                    self.requests.handle_lost(established.machine.take_lost());
                    self.resume(&established.connected, &mut established.machine);
                    return Some(established);
                }
                Ok(Err(failed)) => {
                    session = failed.session;
                    self.requests.handle_lost(failed.lost);
                    let is_permanent = failed.error.is_permanent();
                    self.tell(ConnectionEvent::ReconnectFailed(Arc::new(failed.error)));
                    if is_permanent {
                        break;
                    }
                }
            }
        }
        self.requests.end(session);
        None
    }
}

/// What goes on while there is no connection.
struct Waiting<'a> {
    /// Whether messages are under way.
    is_in_flight: bool,
    publishes: &'a mut mpsc::Receiver<PublishRequest>,
    controls: &'a mut mpsc::Receiver<Control>,
    requests: &'a mut Requests,
    routes: &'a mut Routes,
}

impl Waiting<'_> {
    /// Runs `future`, and meanwhile takes what the application asks for, as far as it may wait, and lets streams fetch
    /// what is parked for them.
    async fn meanwhile<F: Future>(&mut self, future: F) -> Result<F::Output, Leave> {
        let mut future = std::pin::pin!(future);
        let (mut is_abandoned, mut has_publishers) = (false, true);
        loop {
            let is_parked = self.routes.is_parked();
            let wants_publish = has_publishers && self.requests.wants_offline();
            tokio::select! {
                biased;
                output = &mut future => return Ok(output),
                () = self.routes.unpark(), if is_parked => {}
                control = self.controls.recv(), if !is_abandoned => match control {
                    Some(Control::Disconnect { answer, .. }) => {
                        // There is nobody to say it to.
                        let _ = answer.send(Ok(()));
                        return Err(Leave);
                    }
                    // The next connection authenticates anyway.
                    Some(Control::ReAuthenticate) => {}
                    Some(control) => self.requests.wait(control),
                    None if self.has_work() => is_abandoned = true,
                    None => return Err(Leave),
                },
                request = self.publishes.recv(), if wants_publish => match request {
                    Some(request) => self.requests.take_offline(request),
                    None => has_publishers = false,
                },
            }
        }
    }

    /// Whether there is something to do even when all handles are gone.
    fn has_work(&self) -> bool {
        self.is_in_flight || !self.requests.is_idle() || !self.publishes.is_empty()
    }
}
