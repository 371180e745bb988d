//! What can be asked of a running broker, by whoever has it and from its HTTP server.

use serde_json::Value;
use tokio::sync::oneshot;

use super::Broker;
use crate::core::Totals;
use crate::shard::{Mail, Mailbox};

impl Broker {
    /// Asks what an operator can ask, as `$CONTROL/vaux/v1` does. The answer is one of `docs/monitoring/control.md`, or
    /// null when the broker ends before there is one.
    pub fn control(&self, request: &Value) -> impl Future<Output = Value> + Send + use<> {
        control(&self.mailboxes[0], request)
    }

    /// What happened since the start, and what there is at present. `None` when the broker ends before it is known.
    pub fn totals(&self) -> impl Future<Output = Option<Totals>> + Send + use<> {
        totals(&self.mailboxes[0])
    }
}

/// Asks a worker, and through it all of them.
pub(super) fn control(mailbox: &Mailbox, request: &Value) -> impl Future<Output = Value> + Send + use<> {
    let (sender, answer) = oneshot::channel();
    let request = request.to_string().into_bytes().into_boxed_slice();
    mailbox.post(Mail::Request(request, sender));
    async { answer.await.unwrap_or_default() }
}

/// Lets a worker add up what all of them count.
pub(super) fn totals(mailbox: &Mailbox) -> impl Future<Output = Option<Totals>> + Send + use<> {
    let (sender, totals) = oneshot::channel();
    mailbox.post(Mail::Totals(sender));
    async { totals.await.ok() }
}
