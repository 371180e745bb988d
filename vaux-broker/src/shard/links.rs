//! The links of a worker, by the slots that core gives to connections.

use std::ops::Range;

use super::link::Link;

/// Links by slot. It grows by chunks, as core's table of connections does (`crate::slots`).
#[derive(Debug, Default)]
pub(super) struct Links(Vec<Box<[Option<Link>; CHUNK]>>);

/// So many slots lie side by side.
const CHUNK: usize = 64;

impl Links {
    /// All slots there are.
    pub(super) fn slots(&self) -> Range<u32> {
        0..(self.0.len() * CHUNK) as u32
    }

    /// The link in a slot, if there is one.
    pub(super) fn get_mut(&mut self, slot: u32) -> Option<&mut Link> {
        self.place_mut(slot)?.as_mut()
    }

    /// Takes the link out of a slot, if there is one.
    pub(super) fn take(&mut self, slot: u32) -> Option<Link> {
        self.place_mut(slot)?.take()
    }

    /// Puts a link into a slot.
    pub(super) fn insert(&mut self, slot: u32, link: Link) {
        while self.0.len() <= slot as usize / CHUNK {
            self.0.push(Box::new([const { None }; CHUNK]));
        }
        if let Some(place) = self.place_mut(slot) {
            *place = Some(link);
        }
    }

    fn place_mut(&mut self, slot: u32) -> Option<&mut Option<Link>> {
        let slot = slot as usize;
        Some(&mut self.0.get_mut(slot / CHUNK)?[slot % CHUNK])
    }
}
