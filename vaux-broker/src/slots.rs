//! A table whose entries are known by number.
//!
//! It grows by chunks, and nothing in it is ever moved. A vector would be copied to a place twice as large each time it
//! is full: for a moment three times what is needed, and then half of it unused.

use std::ops::{Index, IndexMut};

/// A table. Numbers of removed entries are given out again, the last one first.
#[derive(Debug)]
pub(crate) struct Slots<T> {
    chunks: Vec<Box<[Slot<T>; CHUNK]>>,
    len: usize,
    /// The first number that is free. All are when it is the number behind the last chunk.
    next_free: u32,
}

#[derive(Debug)]
enum Slot<T> {
    /// Not in use, and the number that is free after this one.
    Free(u32),
    Used(T),
}

/// So many entries lie side by side.
const CHUNK: usize = 64;

impl<T> Default for Slots<T> {
    fn default() -> Self {
        Slots { chunks: Vec::new(), len: 0, next_free: 0 }
    }
}

impl<T> Slots<T> {
    /// How many entries there are.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// All numbers in use are below this one.
    pub(crate) fn capacity(&self) -> usize {
        self.chunks.len() * CHUNK
    }

    /// The number that the next entry will have.
    pub(crate) fn next_index(&self) -> usize {
        self.next_free as usize
    }

    /// Adds an entry and says its number.
    pub(crate) fn insert(&mut self, value: T) -> usize {
        let index = self.next_free as usize;
        if index == self.capacity() {
            self.add_chunk();
        }
        let slot = &mut self.chunks[index / CHUNK][index % CHUNK];
        if let Slot::Free(next) = *slot {
            self.next_free = next;
        }
        *slot = Slot::Used(value);
        self.len += 1;
        index
    }

    /// Removes the entry with this number.
    ///
    /// # Panics
    ///
    /// There is none.
    pub(crate) fn remove(&mut self, index: usize) -> T {
        let slot = &mut self.chunks[index / CHUNK][index % CHUNK];
        match std::mem::replace(slot, Slot::Free(self.next_free)) {
            Slot::Used(value) => {
                self.next_free = index as u32;
                self.len -= 1;
                value
            }
            Slot::Free(_) => panic!("there is no entry {index}"),
        }
    }

    /// The entry with this number.
    pub(crate) fn get(&self, index: usize) -> Option<&T> {
        match &self.chunks.get(index / CHUNK)?[index % CHUNK] {
            Slot::Used(value) => Some(value),
            Slot::Free(_) => None,
        }
    }

    /// The entry with this number.
    pub(crate) fn get_mut(&mut self, index: usize) -> Option<&mut T> {
        match &mut self.chunks.get_mut(index / CHUNK)?[index % CHUNK] {
            Slot::Used(value) => Some(value),
            Slot::Free(_) => None,
        }
    }

    /// All entries with their numbers, in their order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (usize, &T)> {
        self.chunks.iter().flat_map(|chunk| chunk.iter()).enumerate().filter_map(|(index, slot)| match slot {
            Slot::Used(value) => Some((index, value)),
            Slot::Free(_) => None,
        })
    }

    /// All entries with their numbers, in their order.
    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = (usize, &mut T)> {
        self.chunks.iter_mut().flat_map(|chunk| chunk.iter_mut()).enumerate().filter_map(|(index, slot)| {
            match slot {
                Slot::Used(value) => Some((index, value)),
                Slot::Free(_) => None,
            }
        })
    }

    fn add_chunk(&mut self) {
        let first = self.capacity();
        let slots: Box<[Slot<T>]> = (first + 1..=first + CHUNK).map(|next| Slot::Free(next as u32)).collect();
        self.chunks.extend(slots.try_into().ok());
    }
}

impl<T> Index<usize> for Slots<T> {
    type Output = T;

    fn index(&self, index: usize) -> &T {
        match &self.chunks[index / CHUNK][index % CHUNK] {
            Slot::Used(value) => value,
            Slot::Free(_) => panic!("there is no entry {index}"),
        }
    }
}

impl<T> IndexMut<usize> for Slots<T> {
    fn index_mut(&mut self, index: usize) -> &mut T {
        match &mut self.chunks[index / CHUNK][index % CHUNK] {
            Slot::Used(value) => value,
            Slot::Free(_) => panic!("there is no entry {index}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn it_holds_what_a_map_from_numbers_would() {
        let mut random = fastrand::Rng::with_seed(1);
        let (mut slots, mut map) = (Slots::default(), BTreeMap::new());
        for value in 0..5_000 {
            if random.bool() || map.is_empty() {
                assert!(map.insert(slots.insert(value), value).is_none(), "a number was given out twice");
            } else {
                let numbers: Vec<usize> = map.keys().copied().collect();
                let number = numbers[random.usize(..numbers.len())];
                assert_eq!(Some(slots.remove(number)), map.remove(&number));
                assert_eq!(slots.get(number), None);
            }
            assert_eq!(slots.len(), map.len());
        }
        assert!(slots.iter().eq(map.iter().map(|(number, value)| (*number, value))));
        assert!(map.iter().all(|(number, value)| slots[*number] == *value));
        assert!(slots.capacity() <= 5_000);
        assert_eq!(slots.get(slots.capacity()), None);
    }

    #[test]
    fn freed_numbers_are_used_before_new_ones() {
        let mut slots = Slots::default();
        (0..CHUNK).for_each(|value| assert_eq!(slots.insert(value), value));
        slots.remove(3);
        slots.remove(5);
        assert_eq!((slots.insert(0), slots.insert(0), slots.insert(0)), (5, 3, CHUNK));
    }
}
