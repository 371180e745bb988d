//! Answers that wait until what they stand for is durable.

use std::collections::VecDeque;

use super::{Core, Effect};
use crate::store::Sequence;
use crate::time::Time;

/// Answers held back, in the order of what they answer.
#[derive(Debug, Default)]
pub(super) struct Held {
    bytes: Vec<u8>,
    /// Up to which byte the answers need which number.
    marks: VecDeque<(Sequence, usize)>,
}

impl Core {
    /// Writes an answer once `needs` is durable. One that needs nothing waits for those before it.
    pub(super) fn acknowledge(&mut self, slot: u32, needs: Sequence, write: impl FnOnce(&mut Vec<u8>)) {
        let connection = &mut self.connections[slot as usize];
        if connection.held.is_none() && needs <= self.durable {
            return self.write(slot, write);
        }
        if connection.held.is_none() {
            let id = self.connection_id(slot);
            self.holding.push_back(id);
        }
        let held = self.connections[slot as usize].held.get_or_insert_default();
        let needs = held.marks.back().map_or(needs, |(last, _)| needs.max(*last));
        write(&mut held.bytes);
        held.marks.push_back((needs, held.bytes.len()));
    }

    /// The store has caught up to `durable`.
    pub fn handle_durable(&mut self, now: Time, durable: Sequence) {
        self.durable = durable;
        for _ in 0..self.holding.len() {
            let Some(id) = self.holding.pop_front() else { break };
            let Some(slot) = self.slot_of(id) else { continue };
            self.release_held(slot);
            let connection = &mut self.connections[slot as usize];
            if connection.held.is_some() {
                self.holding.push_back(id);
            }
            if connection.awaits_connack() && connection.input_needs <= durable {
                connection.input_needs = Sequence::NONE;
                connection.last_received = now;
                self.watch(slot);
                self.effects.push_back(Effect::Resume(slot));
                self.pump(now, slot);
            }
        }
    }

    fn release_held(&mut self, slot: u32) {
        let connection = &mut self.connections[slot as usize];
        let Some(held) = &mut connection.held else { return };
        let mut released = 0;
        while let Some((_, end)) = held.marks.pop_front_if(|(needs, _)| *needs <= self.durable) {
            released = end;
        }
        if released == 0 {
            return;
        }
        connection.outbox.tail(&mut self.buffers).extend_from_slice(&held.bytes[..released]);
        held.bytes.drain(..released);
        held.marks.iter_mut().for_each(|(_, end)| *end -= released);
        if held.marks.is_empty() {
            connection.held = None;
        }
        self.mark_dirty(slot);
    }
}
