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

impl Driver {
    /// Connects again, as the policy says. `None` when the client has ended; whoever waited was told.
    pub(super) async fn reconnect(
        &mut self,
        mut session: Session<PublishRequest>,
        clean_start: bool,
    ) -> Option<Established> {
        let mut attempt = 0;
        loop {
            attempt += 1;
            let Some(after) = self.server.options.reconnect.pause(attempt) else { break };
            self.tell(ConnectionEvent::Reconnecting { attempt, after });
            let has_work =
                session.in_flight_count() > 0 || !self.requests.is_idle() || !self.publishes.is_empty();
            let pause = tokio::time::sleep(after);
            if meanwhile(pause, has_work, &mut self.controls, &mut self.requests, &mut self.routes)
                .await
                .is_err()
            {
                break;
            }
            let connecting = self.server.connect(&self.client_id, clean_start, session);
            match meanwhile(connecting, has_work, &mut self.controls, &mut self.requests, &mut self.routes)
                .await
            {
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

/// Runs `future`, and meanwhile lets requests wait and streams fetch what is parked for them. `has_work` says that
/// there is something to do even when all handles are gone.
async fn meanwhile<F: Future>(
    future: F,
    has_work: bool,
    controls: &mut mpsc::Receiver<Control>,
    requests: &mut Requests,
    routes: &mut Routes,
) -> Result<F::Output, Leave> {
    let mut future = std::pin::pin!(future);
    let mut is_abandoned = false;
    loop {
        let is_parked = routes.is_parked();
        tokio::select! {
            biased;
            output = &mut future => return Ok(output),
            () = routes.unpark(), if is_parked => {}
            control = controls.recv(), if !is_abandoned => match control {
                Some(Control::Disconnect { answer, .. }) => {
                    // There is nobody to say it to.
                    let _ = answer.send(Ok(()));
                    return Err(Leave);
                }
                // The next connection authenticates anyway.
                Some(Control::ReAuthenticate) => {}
                Some(control) => requests.wait(control),
                None if has_work => is_abandoned = true,
                None => return Err(Leave),
            },
        }
    }
}
