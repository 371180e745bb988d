//! Messages that the application acknowledges itself, and what it has said.

use std::collections::HashMap;
use std::sync::Arc;

use vaux_mqtt::ReasonCode;

use crate::acknowledgement::{Acknowledgement, GivenQueue, Receipt};

/// Messages that the application acknowledges itself.
#[derive(Debug, Default)]
pub(super) struct ByHand {
    given: Arc<GivenQueue>,
    /// Whether there ever was one.
    is_used: bool,
    /// Messages of several such subscriptions: how many have not acknowledged, and what to say.
    shared: HashMap<Receipt, (usize, ReasonCode)>,
}

impl ByHand {
    /// What an application gets with a message.
    pub(super) fn handle(&self, receipt: Receipt) -> Acknowledgement {
        self.given.handle(receipt)
    }

    /// A message was handed to so many streams, at least one, that acknowledge it by hand.
    pub(super) fn expect(&mut self, receipt: Receipt, streams: usize) {
        self.is_used = true;
        if streams > 1 {
            self.shared.insert(receipt, (streams, ReasonCode::Success));
        }
    }

    /// Where the application says what it acknowledges, if it ever had such a message.
    pub(super) fn given(&self) -> Option<Arc<GivenQueue>> {
        self.is_used.then(|| self.given.clone())
    }

    /// What the application acknowledged.
    pub(super) fn take(&mut self) -> Vec<(Receipt, ReasonCode)> {
        let given = self.given.take();
        self.settle(given)
    }

    /// The connection is over: what the application acknowledged in time. Handles are stale from now on.
    pub(super) fn end_connection(&mut self) -> Vec<(Receipt, ReasonCode)> {
        let given = self.given.end_connection();
        let settled = self.settle(given);
        self.shared.clear();
        settled
    }

    /// Leaves those that all their streams have acknowledged. One that refuses decides what is said.
    fn settle(&mut self, mut given: Vec<(Receipt, ReasonCode)>) -> Vec<(Receipt, ReasonCode)> {
        if self.shared.is_empty() {
            return given;
        }
        given.retain_mut(|(receipt, reason)| {
            let Some((missing, said)) = self.shared.get_mut(receipt) else { return true };
            *missing -= 1;
            if reason.is_error() {
                *said = *reason;
            }
            if *missing > 0 {
                return false;
            }
            *reason = *said;
            self.shared.remove(receipt);
            true
        });
        given
    }
}
