//! A map from topic filters to values that finds all filters matching a topic.
//!
//! Filters have numbers, by which others refer to them. Filters without wildcards stand in one hash table. Filters with
//! wildcards form a trie whose nodes stand in one flat table, keyed by a hash of the whole prefix: following a level is
//! one look-up, with no nested maps. Seeds are random, so that clients cannot choose filters that collide; two prefixes
//! may still share a node, so a filter's text is compared before it counts as a match.
//!
//! A filter rests at the first node of its way where no other rests early, that is before its last level. Most filters so
//! have one node of their own however many levels they have, and what is behind it is compared as text.
//!
//! There may be millions of them: tables hold numbers, and a text is kept once.

use std::hash::{BuildHasher, Hasher};

use hashbrown::{DefaultHashBuilder, HashTable};
use vaux_mqtt::topic::{TopicFilter, TopicName, level_bytes};

use crate::slots::Slots;

/// The number of a filter in its map. Given out again once the filter is removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FilterId(u32);

/// Filters (never shared ones) with a value each.
#[derive(Debug)]
pub struct FilterMap<V> {
    filters: Slots<Filter<V>>,
    /// Those without wildcards.
    exact: HashTable<FilterId>,
    nodes: HashTable<Node>,
    hasher: DefaultHashBuilder,
    plus_hash: u64,
}

#[derive(Debug)]
struct Filter<V> {
    text: Box<str>,
    /// The filter behind this one in the list of its node.
    next: u32,
    /// How many levels there are before the node where it rests.
    depth: u16,
    /// Whether more levels of text or `+` follow.
    rests_early: bool,
    value: V,
}

/// A prefix of filters with wildcards; several, if they have one key.
#[derive(Debug)]
struct Node {
    key: u32,
    /// Filters that go on from here with `+`.
    plus: u32,
    /// Filters that go on from here with a level of text.
    literal: u32,
    /// The list of filters that rest here.
    filters: u32,
}

/// What follows a prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Plus,
    Literal,
}

/// Memory for searches, kept from one to the next.
#[derive(Debug, Default)]
pub struct Search {
    /// Of the topic's levels.
    hashes: Vec<u64>,
    /// What may match.
    candidates: Vec<FilterId>,
}

/// The end of a list.
const NONE: u32 = u32::MAX;

const ROOT: u64 = 0;

impl Node {
    fn new(key: u32) -> Node {
        Node { key, plus: 0, literal: 0, filters: NONE }
    }

    fn is_unused(&self) -> bool {
        self.plus == 0 && self.literal == 0 && self.filters == NONE
    }

    /// How many filters take a step from here.
    fn takers(&mut self, step: Step) -> &mut u32 {
        match step {
            Step::Plus => &mut self.plus,
            Step::Literal => &mut self.literal,
        }
    }
}

impl<V> Default for FilterMap<V> {
    fn default() -> Self {
        let hasher = DefaultHashBuilder::default();
        FilterMap {
            filters: Slots::default(),
            exact: HashTable::new(),
            nodes: HashTable::new(),
            plus_hash: level_hash(&hasher, b"+"),
            hasher,
        }
    }
}

impl<V> FilterMap<V> {
    /// The number of exactly this filter.
    pub fn find(&self, filter: &str) -> Option<FilterId> {
        if !has_wildcard(filter) {
            return self.find_exact(filter);
        }
        let mut nodes = self.path(filter).map_while(|(prefix, _)| self.node(prefix));
        nodes.find_map(|node| self.list(node.filters).find(|id| *self.text(*id) == *filter))
    }

    /// The number of a filter without wildcards.
    fn find_exact(&self, filter: &str) -> Option<FilterId> {
        let is_it = |id: &FilterId| *self.text(*id) == *filter;
        self.exact.find(self.hasher.hash_one(filter), is_it).copied()
    }

    /// The number of exactly this filter, which is added if it is new.
    pub fn insert(&mut self, filter: &str) -> FilterId
    where
        V: Default,
    {
        if let Some(id) = self.find(filter) {
            return id;
        }
        let added =
            Filter { text: filter.into(), next: NONE, depth: 0, rests_early: false, value: V::default() };
        let id = FilterId(self.filters.insert(added) as u32);
        if has_wildcard(filter) {
            self.link(filter, id);
        } else {
            let (filters, hasher) = (&self.filters, &self.hasher);
            let hash = |id: &FilterId| hasher.hash_one(&*filters[id.0 as usize].text);
            self.exact.insert_unique(hasher.hash_one(filter), id, hash);
        }
        id
    }

    /// Removes a filter. There must be one with this number.
    pub fn remove(&mut self, id: FilterId) -> V {
        let removed = self.filters.remove(id.0 as usize);
        if has_wildcard(&removed.text) {
            self.unlink(&removed, id);
        } else if let Ok(entry) =
            self.exact.find_entry(self.hasher.hash_one(&*removed.text), |other| *other == id)
        {
            entry.remove();
        }
        removed.value
    }

    /// The text of a filter. There must be one with this number.
    pub fn text(&self, id: FilterId) -> &str {
        &self.filters[id.0 as usize].text
    }

    /// The value of a filter. There must be one with this number.
    pub fn value(&self, id: FilterId) -> &V {
        &self.filters[id.0 as usize].value
    }

    /// The value of a filter. There must be one with this number.
    pub fn value_mut(&mut self, id: FilterId) -> &mut V {
        &mut self.filters[id.0 as usize].value
    }

    /// How many filters there are.
    pub fn len(&self) -> usize {
        self.filters.len()
    }

    /// Whether there is no filter.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Calls `found` with every filter that matches `topic`.
    pub fn for_each_match<'a>(
        &'a self,
        topic: TopicName<'_>,
        search: &mut Search,
        mut found: impl FnMut(FilterId, &'a V),
    ) {
        if !self.exact.is_empty()
            && let Some(id) = self.find_exact(topic.as_str())
        {
            found(id, self.value(id));
        }
        if self.nodes.is_empty() {
            return;
        }
        let Search { hashes, candidates } = search;
        hashes.clear();
        hashes.extend(level_bytes(topic.as_str()).map(|level| level_hash(&self.hasher, level)));
        candidates.clear();
        self.walk(ROOT, hashes, topic.is_dollar(), candidates);
        // Two prefixes of the topic may share a node.
        candidates.sort_unstable();
        candidates.dedup();
        for &id in candidates.iter() {
            let filter = &self.filters[id.0 as usize];
            if TopicFilter::from_checked(&filter.text).matches(topic) {
                found(id, &filter.value);
            }
        }
    }

    /// Collects the filters that rest on the way along `hashes`. `at_dollar` says that this is the first level of a
    /// topic starting with `$`, which wildcards do not match.
    fn walk(&self, prefix: u64, hashes: &[u64], at_dollar: bool, candidates: &mut Vec<FilterId>) {
        let Some(node) = self.node(prefix) else { return };
        candidates.extend(self.list(node.filters));
        let Some((&level, rest)) = hashes.split_first() else { return };
        if node.literal > 0 {
            self.walk(extend(prefix, level), rest, false, candidates);
        }
        if node.plus > 0 && !at_dollar {
            self.walk(extend(prefix, self.plus_hash), rest, false, candidates);
        }
    }

    fn link(&mut self, filter: &str, id: FilterId) {
        let path: Vec<(u64, Option<Step>)> = self.path(filter).collect();
        for (depth, (prefix, step)) in path.into_iter().enumerate() {
            let first = self.node_mut(prefix).filters;
            match step {
                Some(step) if depth < usize::from(u16::MAX) && self.has_early(first) => {
                    *self.node_mut(prefix).takers(step) += 1;
                }
                _ => {
                    self.node_mut(prefix).filters = id.0;
                    let filter = &mut self.filters[id.0 as usize];
                    filter.next = first;
                    (filter.depth, filter.rests_early) = (depth as u16, step.is_some());
                    return;
                }
            }
        }
    }

    /// Whether one of these filters rests before its last level.
    fn has_early(&self, first: u32) -> bool {
        self.list(first).any(|id| self.filters[id.0 as usize].rests_early)
    }

    /// Takes a filter out of the trie that was removed already.
    fn unlink(&mut self, removed: &Filter<V>, id: FilterId) {
        let depth = usize::from(removed.depth);
        let path: Vec<(u64, Option<Step>)> = self.path(&removed.text).take(depth + 1).collect();
        for (at, (prefix, step)) in path.into_iter().enumerate() {
            match step {
                Some(step) if at < depth => *self.node_mut(prefix).takers(step) -= 1,
                _ => self.take_from_list(prefix, id, removed.next),
            }
            self.drop_unused(prefix);
        }
    }

    fn take_from_list(&mut self, prefix: u64, id: FilterId, next: u32) {
        let first = &mut self.node_mut(prefix).filters;
        if *first == id.0 {
            *first = next;
            return;
        }
        let first = *first;
        let before = self.list(first).find(|other| self.filters[other.0 as usize].next == id.0);
        if let Some(before) = before {
            self.filters[before.0 as usize].next = next;
        }
    }

    fn drop_unused(&mut self, prefix: u64) {
        let key = key_of(prefix);
        let is_it = |node: &Node| node.key == key && node.is_unused();
        if let Ok(entry) = self.nodes.find_entry(spread(key), is_it) {
            entry.remove();
        }
    }

    /// The prefixes of a filter from the root on, each with what follows it but for `#`.
    fn path(&self, filter: &str) -> impl Iterator<Item = (u64, Option<Step>)> {
        let mut levels = level_bytes(filter).take_while(|level| **level != *b"#");
        let mut prefix = Some(ROOT);
        std::iter::from_fn(move || {
            let here = prefix?;
            let level = levels.next();
            prefix = level.map(|level| extend(here, level_hash(&self.hasher, level)));
            let step = level.map(|level| if *level == *b"+" { Step::Plus } else { Step::Literal });
            Some((here, step))
        })
    }

    fn node(&self, prefix: u64) -> Option<&Node> {
        let key = key_of(prefix);
        self.nodes.find(spread(key), |node| node.key == key)
    }

    /// The node of a prefix, made if there is none.
    fn node_mut(&mut self, prefix: u64) -> &mut Node {
        let key = key_of(prefix);
        let entry = self.nodes.entry(spread(key), |node| node.key == key, |node| spread(node.key));
        entry.or_insert_with(|| Node::new(key)).into_mut()
    }

    /// The filters of a list, from its first on.
    fn list(&self, first: u32) -> impl Iterator<Item = FilterId> {
        let id = |number: u32| (number != NONE).then_some(FilterId(number));
        std::iter::successors(id(first), move |last| id(self.filters[last.0 as usize].next))
    }
}

fn level_hash(hasher: &DefaultHashBuilder, level: &[u8]) -> u64 {
    let mut hash = hasher.build_hasher();
    hash.write(level);
    hash.finish()
}

fn has_wildcard(filter: &str) -> bool {
    filter.bytes().any(|byte| matches!(byte, b'+' | b'#'))
}

/// The hash of a prefix and one more level. Multiplying and folding spreads what two good hashes hold.
fn extend(prefix: u64, level: u64) -> u64 {
    let product = u128::from(prefix ^ 0x9e37_79b9_7f4a_7c15) * u128::from(level | 1);
    (product as u64) ^ ((product >> 64) as u64) ^ level.rotate_left(32)
}

/// What a node remembers of its prefix.
fn key_of(prefix: u64) -> u32 {
    (prefix >> 32) as u32
}

/// A hash of a key, which is random already: all that is missing is bits at the top.
fn spread(key: u32) -> u64 {
    u64::from(key).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(map: &FilterMap<u32>, topic: &str) -> Vec<String> {
        let mut found = Vec::new();
        let name = TopicName::new(topic).unwrap();
        map.for_each_match(name, &mut Search::default(), |id, _| found.push(map.text(id).to_owned()));
        found.sort();
        found
    }

    fn map(filters: &[&str]) -> FilterMap<u32> {
        let mut map = FilterMap::default();
        for filter in filters {
            let id = map.insert(filter);
            *map.value_mut(id) += 1;
        }
        map
    }

    #[test]
    fn every_kind_of_filter_is_found() {
        let map = map(&["a/b", "a/+", "a/#", "#", "+/b", "+", "a/b/#", "+/+/+", "a"]);
        assert_eq!(matches(&map, "a/b"), ["#", "+/b", "a/#", "a/+", "a/b", "a/b/#"]);
        assert_eq!(matches(&map, "a"), ["#", "+", "a", "a/#"]);
        assert_eq!(matches(&map, "x/y/z"), ["#", "+/+/+"]);
        assert_eq!(matches(&map, "/b"), ["#", "+/b"]);
    }

    #[test]
    fn wildcards_at_the_first_level_skip_dollar_topics() {
        let map = map(&["#", "+/x", "$SYS/#", "$SYS/+", "$SYS/x"]);
        assert_eq!(matches(&map, "$SYS/x"), ["$SYS/#", "$SYS/+", "$SYS/x"]);
    }

    #[test]
    fn removed_filters_leave_no_nodes() {
        let filters = ["a/+/c", "a/+/#", "a/#", "#", "+"];
        let mut map = map(&filters);
        for filter in &filters {
            let id = map.find(filter).unwrap();
            assert_eq!(map.remove(id), 1);
            assert_eq!(map.find(filter), None);
        }
        assert!(map.is_empty() && map.nodes.is_empty());
    }

    /// A node of which two filters end that have nothing to do with each other.
    #[test]
    fn filters_that_share_a_node_are_told_apart() {
        let mut map = map(&["a/+", "b/+/c/#"]);
        let (one, other) = (map.find("a/+").unwrap(), map.find("b/+/c/#").unwrap());
        // As if both prefixes had one key: each filter is in the list of the other's node, too.
        map.filters[one.0 as usize].next = other.0;
        assert_eq!(matches(&map, "a/x"), ["a/+"]);
        assert_eq!(map.find("b/+"), None);
        map.remove(one);
        assert_eq!(matches(&map, "a/x"), [""; 0]);
        assert_eq!(matches(&map, "b/x/c"), ["b/+/c/#"]);
    }

    proptest::proptest! {
        /// The naive matcher of vaux-mqtt is the judge.
        #[test]
        fn agrees_with_the_naive_matcher(
            filters in proptest::collection::btree_set("[ab+]{1}(/[ab+]?){0,3}(/#)?", 0..20),
            removed in proptest::collection::vec("[ab+]{1}(/[ab+]?){0,3}(/#)?", 0..5),
            topic in "[ab$](/[ab]?){0,3}",
        ) {
            let mut map = FilterMap::<u32>::default();
            filters.iter().for_each(|filter| { map.insert(filter); });
            for filter in &removed {
                if let Some(id) = map.find(filter) {
                    map.remove(id);
                }
            }
            let name = TopicName::new(&topic).unwrap();
            let expected: Vec<String> = filters
                .iter()
                .filter(|filter| !removed.contains(filter))
                .filter(|filter| TopicFilter::new(filter).unwrap().matches(name))
                .cloned()
                .collect();
            proptest::prop_assert_eq!(matches(&map, &topic), expected);
            for filter in &filters {
                if let Some(id) = map.find(filter) {
                    map.remove(id);
                }
            }
            proptest::prop_assert!(map.nodes.is_empty() && map.exact.is_empty());
        }
    }
}
