//! Finding out who a client is: the seam for authentication, and what holds when none is configured.

use std::fmt::Debug;
use std::sync::Arc;

use vaux_mqtt::ReasonCode;

use crate::core::{ConnectRequest, Refusal, Step, StepAnswer};
use crate::session::Identity;
use crate::shard::{Reply, StepReply};

/// Decides who clients are.
///
/// Called on a worker's thread: what takes time is done elsewhere, with the reply taken along. The connection waits;
/// others do not.
pub trait Authenticate: Debug + Send + Sync {
    /// Answers by [`Reply::send`], now or later, from any thread. A reply that is dropped leaves the connection to
    /// its time-out.
    fn authenticate(&self, request: Box<ConnectRequest>, reply: Reply);

    /// Whether what a client proved who it is by, and for which [`crate::core::Admission::proof`] stands, still holds.
    /// Asked about everybody after [`crate::Broker::review_admissions`], and about each client once it is let in: there
    /// may have been a change meanwhile. Called on a worker's thread, for one client after the other: it must be quick.
    fn still_holds(&self, listener: &str, identity: &Identity, proof: u64) -> bool {
        let _ = (listener, identity, proof);
        true
    }

    /// Answers a step of enhanced authentication by [`StepReply::send`], now or later, from any thread. The client has
    /// named a method in CONNECT; [`Authenticate::authenticate`] is not asked about it. Unless this is overridden, no
    /// method is known.
    fn exchange(&self, step: Box<Step>, reply: StepReply) {
        drop(step);
        let text = "this authentication method is not supported";
        reply.send(StepAnswer::Refuse(Refusal::new(ReasonCode::BadAuthenticationMethod, text)));
    }
}

/// Takes a client's certificate, where the listener goes by it, for all the proof that is needed, and asks another about
/// everybody else.
#[derive(Debug)]
pub(crate) struct CertificateOr {
    pub(crate) others: Arc<dyn Authenticate>,
}

impl Authenticate for CertificateOr {
    fn authenticate(&self, request: Box<ConnectRequest>, reply: Reply) {
        match &request.certificate_user {
            Some(user) => {
                let identity = Identity::User((**user).into());
                reply.send(request, Ok(identity.into()));
            }
            None => self.others.authenticate(request, reply),
        }
    }

    fn still_holds(&self, listener: &str, identity: &Identity, proof: u64) -> bool {
        self.others.still_holds(listener, identity, proof)
    }

    fn exchange(&self, step: Box<Step>, reply: StepReply) {
        self.others.exchange(step, reply);
    }
}

/// Lets everybody in on listeners that allow it, whatever they say: no names are known.
#[derive(Clone, Copy, Debug, Default)]
pub struct AnonymousOnly;

impl Authenticate for AnonymousOnly {
    fn authenticate(&self, request: Box<ConnectRequest>, reply: Reply) {
        let verdict = match request.listener.allow_anonymous {
            true => Ok(Identity::Anonymous.into()),
            false => Err(Refusal::new(
                ReasonCode::NotAuthorized,
                "this listener lets nobody in without authentication",
            )),
        };
        reply.send(request, verdict);
    }
}
