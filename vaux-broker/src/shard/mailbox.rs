//! How threads reach a worker: a list that is swapped out whole, and one wake-up however much is posted.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use mio::Waker;
use vaux_mqtt::ReasonCode;

use super::link::Link;
use crate::config::Network;
use crate::core::{
    Admission, ConnectRequest, ConnectionId, ListenerSettings, Parcel, Refusal, Settings, StepAnswer, Totals,
    WorkerId,
};
use crate::rights::Authorize;
use crate::tls::ServerTls;
use crate::transport::WebSocketRules;

/// What is posted to a worker.
pub(crate) enum Mail {
    /// Letters of another worker.
    Parcel(WorkerId, Parcel),
    /// A connection whose session lives here.
    Handover(Box<Handover>),
    /// Who a client is.
    Verdict(ConnectionId, Box<ConnectRequest>, Result<Admission, Refusal>),
    /// What a plug-in answers to a step of enhanced authentication.
    StepAnswer(ConnectionId, StepAnswer),
    /// Send everybody to another server.
    Redirect(ReasonCode, Arc<str>),
    /// Whether what connected clients proved who they are by still holds may have changed.
    Review,
    /// Who may do what from now on.
    Rights(Arc<dyn Authorize>),
    /// New limits.
    Settings(Arc<Settings>),
    /// What a listener, by its index, goes by from now on.
    Listener(usize, Box<ListenerTerms>),
    /// A listener was taken out of the configuration.
    ListenerGone(usize, Arc<ListenerSettings>),
    /// A request of an operator, as JSON, and where its answer goes.
    Request(Box<[u8]>, AnswerTo<serde_json::Value>),
    /// A request for figures, and where they go. For the first worker.
    Totals(AnswerTo<Totals>),
    /// Something happened outside of core that those who watch should know: what, and a sentence about it.
    Event(&'static str, Box<str>),
    /// The store has got further.
    Stored,
    /// Say goodbye to all connections, then end.
    Shutdown,
    /// End now.
    Stop,
}

/// Where an answer goes. Whoever waits is told that there is none when it is dropped.
pub(crate) type AnswerTo<T> = tokio::sync::oneshot::Sender<T>;

/// What a listener goes by.
#[derive(Clone)]
pub(crate) struct ListenerTerms {
    pub(crate) settings: Arc<ListenerSettings>,
    pub(crate) tls: Option<ServerTls>,
    pub(crate) web_socket: Option<Arc<WebSocketRules>>,
    pub(crate) proxies: Option<Arc<[Network]>>,
    pub(crate) max_connections_per_ip: usize,
}

/// A connection on its way to its home, with all its state.
pub(crate) struct Handover {
    pub(crate) link: Link,
    pub(crate) request: Box<ConnectRequest>,
    pub(crate) admission: Admission,
}

/// The mailbox of one worker.
#[derive(Debug)]
pub(crate) struct Mailbox {
    mail: Mutex<Vec<Mail>>,
    /// Whether the worker sleeps, or is about to, and has not been woken.
    sleeps: AtomicBool,
    waker: Waker,
}

impl Mailbox {
    pub(crate) fn new(waker: Waker) -> Mailbox {
        Mailbox { mail: Mutex::default(), sleeps: AtomicBool::new(false), waker }
    }

    /// Posts, and wakes the worker if it sleeps. Never blocks for longer than another thread takes to post.
    pub(crate) fn post(&self, mail: Mail) {
        self.mail.lock().unwrap_or_else(PoisonError::into_inner).push(mail);
        if self.sleeps.swap(false, Ordering::SeqCst) {
            // Without a wake-up the worker would come to it at its next time-out: nothing is lost.
            let _ = self.waker.wake();
        }
    }

    /// Announces sleep. False when there is mail: then the worker must not sleep.
    pub(super) fn prepare_sleep(&self) -> bool {
        self.sleeps.store(true, Ordering::SeqCst);
        let is_empty = self.mail.lock().unwrap_or_else(PoisonError::into_inner).is_empty();
        if !is_empty {
            self.sleeps.store(false, Ordering::SeqCst);
        }
        is_empty
    }

    pub(super) fn end_sleep(&self) {
        self.sleeps.store(false, Ordering::SeqCst);
    }

    /// Takes all mail.
    pub(super) fn take(&self, into: &mut Vec<Mail>) {
        std::mem::swap(into, &mut self.mail.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

impl std::fmt::Debug for Mail {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Mail::Parcel(..) => "Parcel",
            Mail::Handover(_) => "Handover",
            Mail::Verdict(..) => "Verdict",
            Mail::StepAnswer(..) => "StepAnswer",
            Mail::Redirect(..) => "Redirect",
            Mail::Review => "Review",
            Mail::Rights(_) => "Rights",
            Mail::Settings(_) => "Settings",
            Mail::Listener(..) => "Listener",
            Mail::ListenerGone(..) => "ListenerGone",
            Mail::Request(..) => "Request",
            Mail::Totals(_) => "Totals",
            Mail::Event(..) => "Event",
            Mail::Stored => "Stored",
            Mail::Shutdown => "Shutdown",
            Mail::Stop => "Stop",
        })
    }
}

/// Where the answer to [`crate::Authenticate::exchange`] goes. One that is dropped leaves the client to its time-out.
#[derive(Debug)]
pub struct StepReply {
    pub(super) connection: ConnectionId,
    pub(super) mailbox: Arc<Mailbox>,
}

impl StepReply {
    /// Answers the step.
    pub fn send(self, answer: StepAnswer) {
        self.mailbox.post(Mail::StepAnswer(self.connection, answer));
    }
}

/// Where the answer to [`crate::Authenticate::authenticate`] goes.
#[derive(Debug)]
pub struct Reply {
    pub(super) connection: ConnectionId,
    pub(super) mailbox: Arc<Mailbox>,
}

impl Reply {
    /// Says who the client is, or why it is refused.
    pub fn send(self, request: Box<ConnectRequest>, verdict: Result<Admission, Refusal>) {
        self.mailbox.post(Mail::Verdict(self.connection, request, verdict));
    }
}
