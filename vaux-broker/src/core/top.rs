//! The busiest topics and clients: a sketch of bounded size, never a list of all.
//!
//! A space-saving sketch that makes room in bulk: when it is full, the lesser half goes, and newcomers begin with the
//! count of the greatest that went. What is truly busy is never missed; what is not may be counted too high, by at most
//! that much.

use hashbrown::HashMap;

/// Counts of the busiest keys.
#[derive(Debug, Default)]
pub(super) struct Sketch {
    counts: HashMap<Box<str>, Count>,
    /// What a newcomer may have missed at most.
    floor: Count,
}

/// What was counted of one key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Count {
    pub(super) messages: u64,
    pub(super) bytes: u64,
}

impl Count {
    fn add(&mut self, other: Count) {
        self.messages += other.messages;
        self.bytes += other.bytes;
    }
}

/// How many keys there are at most.
const MAX_KEYS: usize = 1024;
/// How many are told.
pub(super) const TOLD: usize = 50;

impl Sketch {
    /// A message more of a key.
    pub(super) fn count(&mut self, key: &str, bytes: usize) {
        self.add(key, Count { messages: 1, bytes: bytes as u64 });
    }

    /// Adds what another worker has counted, and takes it away there.
    pub(super) fn absorb(&mut self, other: &mut Sketch) {
        for (key, count) in other.counts.drain() {
            self.add(&key, count);
        }
        other.floor = Count::default();
    }

    /// The busiest, most messages first.
    pub(super) fn busiest(&self) -> Vec<(&str, Count)> {
        let mut all: Vec<_> = self.counts.iter().map(|(key, count)| (&**key, *count)).collect();
        all.sort_unstable_by(|(key, count), (other_key, other)| other.cmp(count).then(key.cmp(other_key)));
        all.truncate(TOLD);
        all
    }

    fn add(&mut self, key: &str, count: Count) {
        if let Some(entry) = self.counts.get_mut(key) {
            entry.add(count);
            return;
        }
        if self.counts.len() >= MAX_KEYS {
            self.make_room();
        }
        let mut newcomer = self.floor;
        newcomer.add(count);
        self.counts.insert(key.into(), newcomer);
    }

    fn make_room(&mut self) {
        let mut counts: Vec<Count> = self.counts.values().copied().collect();
        let (_, &mut middle, _) = counts.select_nth_unstable(MAX_KEYS / 2);
        self.floor = middle;
        let mut equals_to_go = MAX_KEYS / 2;
        self.counts.retain(|_, count| {
            let goes = *count < middle || *count == middle && equals_to_go > 0;
            equals_to_go = equals_to_go.saturating_sub(usize::from(goes));
            !goes
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_busiest_are_found_among_a_flood_of_others() {
        let mut sketch = Sketch::default();
        for round in 0..10_000 {
            sketch.count(&format!("noise/{round}"), 10);
            sketch.count(&format!("busy/{}", round % 10), 100);
        }
        assert!(sketch.counts.len() <= MAX_KEYS);
        let busiest = sketch.busiest();
        assert_eq!(busiest.len(), TOLD);
        for (key, count) in &busiest[..10] {
            assert!(key.starts_with("busy/"), "{key}");
            assert!((1_000..1_100).contains(&count.messages), "{key}: {count:?}");
        }
    }

    #[test]
    fn what_was_absorbed_is_counted_once() {
        let (mut one, mut other) = (Sketch::default(), Sketch::default());
        one.count("a", 1);
        other.count("a", 2);
        other.count("b", 3);
        one.absorb(&mut other);
        one.absorb(&mut other);
        assert_eq!(
            one.busiest(),
            [("a", Count { messages: 2, bytes: 3 }), ("b", Count { messages: 1, bytes: 3 })]
        );
    }
}
