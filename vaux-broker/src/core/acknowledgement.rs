//! What waits to be sent until what it stands for is durable: answers, and messages with QoS 2.

use std::collections::VecDeque;

use super::{Core, Effect};
use crate::store::Sequence;
use crate::time::Time;

/// Packets held back, in their order.
#[derive(Debug, Default)]
pub(super) struct Held {
    bytes: Vec<u8>,
    marks: VecDeque<Mark>,
    /// How many of the packets are messages.
    pub(super) publishes: usize,
}

/// The end of a packet in the bytes.
#[derive(Clone, Copy, Debug)]
struct Mark {
    /// What has to be durable before it leaves.
    needs: Sequence,
    end: usize,
    is_publish: bool,
}

impl Held {
    /// How many bytes wait.
    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }
}

impl Core {
    /// Writes an answer once `needs` is durable. One that needs nothing waits for those before it.
    pub(super) fn acknowledge(&mut self, slot: u32, needs: Sequence, write: impl FnOnce(&mut Vec<u8>)) {
        let connection = &mut self.connections[slot as usize];
        if connection.held().is_none() && needs <= self.durable {
            return self.write(slot, write);
        }
        self.hold(slot, needs, false, write);
    }

    /// Whether messages for this client wait: then those that follow wait behind them.
    pub(super) fn holds_publishes(&self, slot: u32) -> bool {
        self.connections[slot as usize].held().is_some_and(|held| held.publishes > 0)
    }

    /// Keeps a packet back until `needs` is durable, and those before it have left.
    pub(super) fn hold(
        &mut self,
        slot: u32,
        needs: Sequence,
        is_publish: bool,
        write: impl FnOnce(&mut Vec<u8>),
    ) {
        if self.connections[slot as usize].held().is_none() {
            let id = self.connection_id(slot);
            self.holding.push_back(id);
        }
        let held = self.connections[slot as usize].extras_mut().held.get_or_insert_default();
        let needs = held.marks.back().map_or(needs, |last| needs.max(last.needs));
        write(&mut held.bytes);
        self.counters.packets_sent += u64::from(!is_publish);
        held.publishes += usize::from(is_publish);
        held.marks.push_back(Mark { needs, end: held.bytes.len(), is_publish });
    }

    /// The store has caught up to `durable`.
    pub fn handle_durable(&mut self, now: Time, durable: Sequence) {
        self.durable = durable;
        self.release_tours(now);
        for _ in 0..self.holding.len() {
            let Some(id) = self.holding.pop_front() else { break };
            let Some(slot) = self.slot_of(id) else { continue };
            self.release_held(slot);
            let connection = &mut self.connections[slot as usize];
            if connection.held().is_some() {
                self.holding.push_back(id);
            }
            if connection.end_waiting_for(durable) {
                connection.last_received = now;
                self.watch(slot);
                self.effects.push_back(Effect::Resume(slot));
                self.pump(now, slot);
            }
        }
        self.leave_answered(now);
    }

    fn release_held(&mut self, slot: u32) {
        let connection = &mut self.connections[slot as usize];
        let Some(extras) = &mut connection.extras else { return };
        let Some(held) = &mut extras.held else { return };
        let mut released = 0;
        while let Some(mark) = held.marks.pop_front_if(|mark| mark.needs <= self.durable) {
            released = mark.end;
            held.publishes -= usize::from(mark.is_publish);
        }
        if released == 0 {
            return;
        }
        connection.outbox.tail(&mut self.buffers).extend_from_slice(&held.bytes[..released]);
        held.bytes.drain(..released);
        held.marks.iter_mut().for_each(|mark| mark.end -= released);
        if held.marks.is_empty() {
            extras.held = None;
            connection.settle();
        }
        self.mark_dirty(slot);
    }
}
