//! Long queues: what of them is in memory, and reading the rest.
//!
//! A queued message that is recorded may stay in the store alone. As its turn comes near, core asks for it
//! ([`Core::take_page_requests`]); it comes back with [`Core::handle_page`]. Requests leave behind the submissions of
//! their turn, and the store takes both in one order: what is asked for has been written by then.

use super::Core;
use super::incident::DropCause;
use crate::session::{Delivery, SessionSlot};
use crate::store::{Page, PageRequest};
use crate::time::Time;
use vaux_mqtt::QoS;

/// How much of a queue is in memory, in bytes. More stays in the store.
#[derive(Clone, Copy, Debug)]
pub struct QueueMemory {
    /// While the client is connected.
    pub connected_bytes: usize,
    /// While it is not.
    pub offline_bytes: usize,
}

impl Default for QueueMemory {
    fn default() -> Self {
        QueueMemory { connected_bytes: 256 << 10, offline_bytes: 1 << 10 }
    }
}

impl Core {
    /// Sets how much of each queue is in memory.
    pub fn set_queue_memory(&mut self, memory: QueueMemory) {
        self.queue_memory = memory;
    }

    /// How much of a session's queue may be in memory for one more message to be there; `None` if it has to be,
    /// because the store does not have it, or not under this session's number alone.
    pub(super) fn memory_for(&self, session: SessionSlot, delivery: &Delivery) -> Option<usize> {
        let state = &self.sessions[session];
        let is_recorded = state.is_stored() && self.recorder.is_keeping() && delivery.qos > QoS::AtMostOnce;
        // Who takes part in shared subscriptions may lose messages to others, and get one twice.
        let may_be_away = is_recorded && state.member().is_none() && delivery.group.is_none();
        may_be_away.then_some(match state.connection() {
            Some(_) => self.queue_memory.connected_bytes,
            None => self.queue_memory.offline_bytes,
        })
    }

    /// Asks for what of a queue is to be sent soon and is not in memory.
    pub(super) fn request_page(&mut self, session: SessionSlot) {
        let state = &mut self.sessions[session];
        if let Some(mids) = state.queue.next_page(self.queue_memory.connected_bytes) {
            self.page_requests.push(PageRequest { sid: state.sid, mids });
        }
    }

    /// Takes what is to be read. To be given to the store behind what [`Core::take_submission`] gives.
    pub fn take_page_requests(&mut self) -> Vec<PageRequest> {
        std::mem::take(&mut self.page_requests)
    }

    /// Whether there is something to be read.
    pub fn has_page_requests(&self) -> bool {
        !self.page_requests.is_empty()
    }

    /// Part of a queue was read.
    pub fn handle_page(&mut self, now: Time, page: Page) {
        // The session may have ended meanwhile.
        let Some(session) = self.sessions.of_sid(page.sid) else { return };
        let missing = self.sessions[session].queue.fill(page);
        for _ in 0..missing {
            // Its row stays, for the next start to see and to tell.
            self.drop_for(now, session, DropCause::Damaged, "");
        }
        self.count_in_flight(session);
        if let Some(slot) = self.sessions[session].connection() {
            self.pump(now, slot);
        }
    }
}
