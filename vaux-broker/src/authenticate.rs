//! Finding out who a client is: the seam for authentication, and what holds when none is configured.

use std::fmt::Debug;

use vaux_mqtt::ReasonCode;

use crate::core::{ConnectRequest, Refusal};
use crate::session::Identity;
use crate::shard::Reply;

/// Decides who clients are.
///
/// Called on a worker's thread: what takes time is done elsewhere, with the reply taken along. The connection waits;
/// others do not.
pub trait Authenticate: Debug + Send + Sync {
    /// Answers by [`Reply::send`], now or later, from any thread. A reply that is dropped leaves the connection to
    /// its time-out.
    fn authenticate(&self, request: Box<ConnectRequest>, reply: Reply);
}

/// Lets everybody in on listeners that allow it, whatever they say: no names are known.
#[derive(Clone, Copy, Debug, Default)]
pub struct AnonymousOnly;

impl Authenticate for AnonymousOnly {
    fn authenticate(&self, request: Box<ConnectRequest>, reply: Reply) {
        let verdict = match request.listener.allow_anonymous {
            true => Ok(Identity::Anonymous),
            false => Err(Refusal {
                reason: ReasonCode::NotAuthorized,
                text: "this listener lets nobody in without authentication",
            }),
        };
        reply.send(request, verdict);
    }
}
