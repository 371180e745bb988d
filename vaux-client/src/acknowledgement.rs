//! Acknowledging messages by hand: the application's end, and the place where the protocol task picks them up.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use vaux_mqtt::packet::{PacketId, PacketType, Sender};
use vaux_mqtt::{QoS, ReasonCode};

/// Says to the server that the application has a message, or does not want it: the handle of one message.
///
/// It comes with messages of subscriptions that ask for it ([`crate::Subscribe::manual_acknowledgement`]). Clones are
/// the same handle. Dropping it says nothing.
#[derive(Clone)]
pub struct Acknowledgement(Arc<Handle>);

struct Handle {
    receipt: Receipt,
    connection: u64,
    is_given: AtomicBool,
    given: Arc<GivenQueue>,
}

/// Which message it is about, between client and server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Receipt {
    pub(crate) qos: QoS,
    pub(crate) packet_id: PacketId,
}

/// Why an acknowledgement says nothing to the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AcknowledgeError {
    /// The connection that brought the message is over. If the session goes on, the server sends the message again,
    /// and it comes out of the stream again.
    Stale,
    /// The reason code is none that refuses a message.
    ReasonCode,
}

impl Acknowledgement {
    /// Lets PUBACK or PUBREC leave, as soon as all earlier messages with the same QoS are acknowledged too
    /// (`MQTT-4.6.0-2`, `MQTT-4.6.0-3`). Doing it twice is the same as once.
    ///
    /// It does not wait. Ok does not yet mean that the server knows: when the connection is lost just now, a message
    /// with QoS 1 comes again. One with QoS 2 does not.
    ///
    /// # Errors
    ///
    /// [`AcknowledgeError::Stale`].
    pub fn acknowledge(&self) -> Result<(), AcknowledgeError> {
        self.give(ReasonCode::Success)
    }

    /// Acknowledges with a reason code that is a failure. The server then counts the message as done and does not send
    /// it again. Before version 5.0 the server is not told the reason.
    ///
    /// # Errors
    ///
    /// See [`AcknowledgeError`].
    pub fn refuse(&self, reason: ReasonCode) -> Result<(), AcknowledgeError> {
        if !reason.is_error() || !reason.is_allowed_in(PacketType::PubAck, Sender::Client) {
            return Err(AcknowledgeError::ReasonCode);
        }
        self.give(reason)
    }

    fn give(&self, reason: ReasonCode) -> Result<(), AcknowledgeError> {
        let handle = &self.0;
        let mut state = handle.given.lock();
        if state.connection != handle.connection {
            return Err(AcknowledgeError::Stale);
        }
        if !handle.is_given.swap(true, Ordering::Relaxed) {
            state.given.push((handle.receipt, reason));
            handle.given.wake.notify_one();
        }
        Ok(())
    }
}

impl fmt::Debug for Acknowledgement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Acknowledgement")
            .field("qos", &self.0.receipt.qos)
            .field("packet_id", &self.0.receipt.packet_id)
            .field("is_given", &self.0.is_given.load(Ordering::Relaxed))
            .finish_non_exhaustive()
    }
}

impl fmt::Display for AcknowledgeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            AcknowledgeError::Stale => "the connection that brought the message is over",
            AcknowledgeError::ReasonCode => "this reason code does not refuse a message",
        })
    }
}

impl std::error::Error for AcknowledgeError {}

/// What the application acknowledged and the protocol task did not pick up yet.
///
/// It holds each message of the present connection once, and so never more than the receive maximum.
#[derive(Default)]
pub(crate) struct GivenQueue {
    state: Mutex<State>,
    wake: Notify,
}

#[derive(Default)]
struct State {
    /// Counts connections.
    connection: u64,
    given: Vec<(Receipt, ReasonCode)>,
}

impl GivenQueue {
    /// The handle of a message that came on the present connection.
    pub(crate) fn handle(self: &Arc<Self>, receipt: Receipt) -> Acknowledgement {
        let connection = self.lock().connection;
        Acknowledgement(Arc::new(Handle {
            receipt,
            connection,
            is_given: AtomicBool::new(false),
            given: self.clone(),
        }))
    }

    /// Waits until the application acknowledged something. Cancelling loses nothing.
    pub(crate) async fn given(&self) {
        self.wake.notified().await;
    }

    /// Takes what the application acknowledged, in its order.
    pub(crate) fn take(&self) -> Vec<(Receipt, ReasonCode)> {
        std::mem::take(&mut self.lock().given)
    }

    /// The connection is over: takes what the application acknowledged in time. Handles are stale from now on.
    pub(crate) fn end_connection(&self) -> Vec<(Receipt, ReasonCode)> {
        let mut state = self.lock();
        state.connection += 1;
        std::mem::take(&mut state.given)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it is locked.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for GivenQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GivenQueue").finish_non_exhaustive()
    }
}
