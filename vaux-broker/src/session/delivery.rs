//! A message on its way to one session.

use std::sync::Arc;

use triomphe::ThinArc;
use vaux_mqtt::QoS;

use crate::message::Message;
use crate::router::interest::GroupKey;

/// A message that is queued for a session or sent to it and not acknowledged.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// The message.
    pub message: Message,
    /// The QoS that it is delivered with.
    pub qos: QoS,
    /// The RETAIN flag that it is delivered with.
    pub retain: bool,
    /// The identifiers of the subscriptions that it matched.
    pub identifiers: Identifiers,
    /// The shared subscription that it came by: another member may get it.
    pub group: Option<Arc<GroupKey>>,
}

/// Subscription identifiers, mostly none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identifiers(Option<ThinArc<(), u32>>);

impl Identifiers {
    /// The identifiers, which are above 0.
    pub fn new(identifiers: impl Iterator<Item = u32>) -> Self {
        let mut identifiers = identifiers.peekable();
        if identifiers.peek().is_none() {
            return Identifiers(None);
        }
        let identifiers: Vec<u32> = identifiers.collect();
        Identifiers(Some(ThinArc::from_header_and_slice((), &identifiers)))
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// The identifiers.
    pub fn as_slice(&self) -> &[u32] {
        self.0.as_ref().map_or(&[], |identifiers| &identifiers.slice)
    }
}
