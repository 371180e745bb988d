//! The sessions of one worker, by slot, by key and by number.

use std::hash::BuildHasher;
use std::ops::{Index, IndexMut};

use hashbrown::{DefaultHashBuilder, HashTable};

use super::{Session, SessionKey, SessionSlot};
use crate::slots::Slots;

/// Sessions. The tables by key and by number hold slots only: the session knows both.
#[derive(Debug, Default)]
pub struct SessionTable {
    slots: Slots<Session>,
    by_key: HashTable<SessionSlot>,
    by_sid: HashTable<SessionSlot>,
    hasher: DefaultHashBuilder,
}

impl SessionTable {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All slots in use are below this one.
    pub fn capacity(&self) -> usize {
        self.slots.capacity()
    }

    /// Adds a session whose key and number no other has.
    pub fn insert(&mut self, session: Session) -> SessionSlot {
        let SessionTable { slots, by_key, by_sid, hasher } = self;
        let (key_hash, sid_hash) = (hasher.hash_one(&session.key), hasher.hash_one(session.sid));
        let slot = SessionSlot(slots.insert(session) as u32);
        by_key.insert_unique(key_hash, slot, |other| hasher.hash_one(&slots[other.0 as usize].key));
        by_sid.insert_unique(sid_hash, slot, |other| hasher.hash_one(slots[other.0 as usize].sid));
        slot
    }

    /// Removes a session.
    ///
    /// # Panics
    ///
    /// There is none in this slot.
    pub fn remove(&mut self, slot: SessionSlot) -> Session {
        let session = self.slots.remove(slot.0 as usize);
        let is_it = |other: &SessionSlot| *other == slot;
        if let Ok(entry) = self.by_key.find_entry(self.hasher.hash_one(&session.key), is_it) {
            entry.remove();
        }
        if let Ok(entry) = self.by_sid.find_entry(self.hasher.hash_one(session.sid), is_it) {
            entry.remove();
        }
        session
    }

    /// Where the session with this key is.
    pub fn of_key(&self, key: &SessionKey) -> Option<SessionSlot> {
        let is_it = |slot: &SessionSlot| self.slots[slot.0 as usize].key == *key;
        self.by_key.find(self.hasher.hash_one(key), is_it).copied()
    }

    /// Where the session with this number is.
    pub fn of_sid(&self, sid: u64) -> Option<SessionSlot> {
        let is_it = |slot: &SessionSlot| self.slots[slot.0 as usize].sid == sid;
        self.by_sid.find(self.hasher.hash_one(sid), is_it).copied()
    }

    /// Where the session with this number is, which is mostly `slot`.
    pub fn of_member(&self, slot: SessionSlot, sid: u64) -> Option<SessionSlot> {
        match self.get(slot) {
            Some(session) if session.sid == sid => Some(slot),
            _ => self.of_sid(sid),
        }
    }

    /// The session in a slot, if there is one.
    pub fn get(&self, slot: SessionSlot) -> Option<&Session> {
        self.slots.get(slot.0 as usize)
    }

    /// The session in a slot, if there is one.
    pub fn get_mut(&mut self, slot: SessionSlot) -> Option<&mut Session> {
        self.slots.get_mut(slot.0 as usize)
    }

    /// All sessions with their slots, in the order of these.
    pub fn iter(&self) -> impl Iterator<Item = (SessionSlot, &Session)> {
        self.slots.iter().map(|(index, session)| (SessionSlot(index as u32), session))
    }

    /// All sessions with their slots, in the order of these.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (SessionSlot, &mut Session)> {
        self.slots.iter_mut().map(|(index, session)| (SessionSlot(index as u32), session))
    }
}

impl Index<SessionSlot> for SessionTable {
    type Output = Session;

    #[inline]
    fn index(&self, slot: SessionSlot) -> &Session {
        &self.slots[slot.0 as usize]
    }
}

impl IndexMut<SessionSlot> for SessionTable {
    #[inline]
    fn index_mut(&mut self, slot: SessionSlot) -> &mut Session {
        &mut self.slots[slot.0 as usize]
    }
}
