//! The busiest topics and clients: a sketch of bounded size, never a list of all.
//!
//! Of a busy worker's messages only some are counted, picked at random, each for those between: counting every one cost an
//! eighth of the time of a small message (`docs/performance.md`).
//!
//! A space-saving sketch that makes room in bulk: when it is full, the lesser half goes, and newcomers begin with the
//! count of the greatest that went. What is truly busy is never missed; what is not may be counted too high, by at most
//! that much.

use fastrand::Rng;
use hashbrown::HashMap;

/// What a worker counts of topics and clients while somebody watches.
#[derive(Debug, Default)]
pub(super) struct Top {
    topics: Sketch,
    clients: Sketch,
    sampling: Sampling,
}

/// Which messages are counted. The first `STEP` all are; with each `STEP` more the gaps between those that are double.
#[derive(Debug)]
struct Sampling {
    /// How many messages to let pass before the next that is counted.
    gap: u32,
    counted: u32,
    random: Rng,
}

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

/// How many messages are counted before the gaps double.
const STEP: u32 = 1024;
/// The gaps are no wider than this, as a power of two.
const WIDEST: u32 = 6;
/// How many keys there are at most.
const MAX_KEYS: usize = 1024;
/// How many are told.
pub(super) const TOLD: usize = 50;

impl Top {
    /// A message came from a client.
    #[inline]
    pub(super) fn count(&mut self, topic: &str, client_id: &str, payload_len: usize) {
        if self.sampling.gap > 0 {
            self.sampling.gap -= 1;
            return;
        }
        let messages = u64::from(self.sampling.next_weight());
        let count = Count { messages, bytes: messages * payload_len as u64 };
        self.topics.add(topic, count);
        self.clients.add(client_id, count);
    }

    /// Adds what was counted to that of other workers, and begins again.
    pub(super) fn move_into(&mut self, topics: &mut Sketch, clients: &mut Sketch) {
        topics.absorb(&mut self.topics);
        clients.absorb(&mut self.clients);
        self.sampling.counted = 0;
        self.sampling.gap = 0;
    }
}

impl Sampling {
    /// How many messages the one that is counted now stands for. Picks the next, by chance so that publishers in step with
    /// each other are all met.
    fn next_weight(&mut self) -> u32 {
        let doubled = (self.counted / STEP).min(WIDEST);
        self.counted = self.counted.saturating_add(1);
        let weight = 1 << doubled;
        self.gap = self.random.u32(0..2 * weight - 1);
        weight
    }
}

impl Default for Sampling {
    fn default() -> Sampling {
        // Whoever could tell which messages are counted could only hide from, or push into, a list of the busiest.
        Sampling { gap: 0, counted: 0, random: Rng::with_seed(0) }
    }
}

impl Sketch {
    /// Adds what another has counted, and takes it away there.
    fn absorb(&mut self, other: &mut Sketch) {
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

    fn one(bytes: u64) -> Count {
        Count { messages: 1, bytes }
    }

    #[test]
    fn a_flood_is_counted_by_samples_that_stand_for_all() {
        let mut top = Top::default();
        for round in 0..200_000 {
            // In turn, as publishers in step would: every other message is of "even".
            let topic = ["even", "odd/a", "even", "odd/b"][round % 4];
            top.count(topic, "p", 10);
        }
        assert!(top.sampling.counted < 12_000, "{}", top.sampling.counted);
        let (mut topics, mut clients) = (Sketch::default(), Sketch::default());
        top.move_into(&mut topics, &mut clients);
        let even = topics.busiest()[0];
        assert_eq!(even.0, "even");
        assert!((93_000..107_000).contains(&even.1.messages), "{even:?}");
        assert_eq!(even.1.bytes, 10 * even.1.messages);
        let all = clients.busiest()[0].1.messages;
        assert!((192_000..208_000).contains(&all), "{all}");
    }

    #[test]
    fn a_calm_second_after_a_busy_one_is_exact() {
        let mut top = Top::default();
        (0..50_000).for_each(|_| top.count("a", "p", 1));
        let mut drop_it = (Sketch::default(), Sketch::default());
        top.move_into(&mut drop_it.0, &mut drop_it.1);
        (0..STEP).for_each(|_| top.count("a", "p", 1));
        let mut calm = (Sketch::default(), Sketch::default());
        top.move_into(&mut calm.0, &mut calm.1);
        assert_eq!(calm.0.busiest(), [("a", Count { messages: 1024, bytes: 1024 })]);
    }

    #[test]
    fn the_busiest_are_found_among_a_flood_of_others() {
        let mut sketch = Sketch::default();
        for round in 0..10_000 {
            sketch.add(&format!("noise/{round}"), one(10));
            sketch.add(&format!("busy/{}", round % 10), one(100));
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
        let (mut first, mut other) = (Sketch::default(), Sketch::default());
        first.add("a", one(1));
        other.add("a", one(2));
        other.add("b", one(3));
        first.absorb(&mut other);
        first.absorb(&mut other);
        assert_eq!(
            first.busiest(),
            [("a", Count { messages: 2, bytes: 3 }), ("b", Count { messages: 1, bytes: 3 })]
        );
    }
}
