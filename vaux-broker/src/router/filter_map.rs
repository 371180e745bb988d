//! A map from topic filters to values that finds all filters matching a topic.
//!
//! Filters without wildcards stand in one hash table. Filters with wildcards form a trie whose nodes stand in one
//! flat table, keyed by a hash of the whole prefix: following a level is one look-up, with no nested maps. Seeds are
//! random, so that clients cannot choose filters that collide; a filter's text is compared before it counts as a
//! match.

use std::hash::BuildHasher;

use hashbrown::{DefaultHashBuilder, HashMap};
use vaux_mqtt::topic::{TopicFilter, TopicName, levels};

/// Filters (never shared ones) with a value each.
#[derive(Debug)]
pub struct FilterMap<V> {
    exact: HashMap<Box<str>, V>,
    nodes: HashMap<u64, Node>,
    wildcards: HashMap<Box<str>, V>,
    hasher: DefaultHashBuilder,
}

/// A prefix of filters with wildcards.
#[derive(Debug, Default)]
struct Node {
    /// Filters that go on from here with `+`.
    plus: u32,
    /// Filters that go on from here with a level of text.
    literal: u32,
    /// Filters that end here. More than one only if two prefixes have one hash.
    ends: Vec<Box<str>>,
    /// Filters that end here with `/#`, the same.
    ends_with_hash: Vec<Box<str>>,
}

impl Node {
    fn is_unused(&self) -> bool {
        self.plus == 0 && self.literal == 0 && self.ends.is_empty() && self.ends_with_hash.is_empty()
    }
}

impl<V> Default for FilterMap<V> {
    fn default() -> Self {
        FilterMap {
            exact: HashMap::new(),
            nodes: HashMap::new(),
            wildcards: HashMap::new(),
            hasher: DefaultHashBuilder::default(),
        }
    }
}

const ROOT: u64 = 0;

impl<V> FilterMap<V> {
    /// The value of exactly this filter.
    pub fn get(&self, filter: &str) -> Option<&V> {
        self.exact.get(filter).or_else(|| self.wildcards.get(filter))
    }

    /// The value of exactly this filter.
    pub fn get_mut(&mut self, filter: &str) -> Option<&mut V> {
        if has_wildcard(filter) { self.wildcards.get_mut(filter) } else { self.exact.get_mut(filter) }
    }

    /// The value of exactly this filter, made if it is new.
    pub fn get_or_default(&mut self, filter: &str) -> &mut V
    where
        V: Default,
    {
        if !has_wildcard(filter) {
            return self.exact.entry(filter.into()).or_default();
        }
        if !self.wildcards.contains_key(filter) {
            self.link(filter);
        }
        self.wildcards.entry(filter.into()).or_default()
    }

    /// Removes a filter.
    pub fn remove(&mut self, filter: &str) -> Option<V> {
        if !has_wildcard(filter) {
            return self.exact.remove(filter);
        }
        let value = self.wildcards.remove(filter)?;
        self.unlink(filter);
        Some(value)
    }

    /// How many filters there are.
    pub fn len(&self) -> usize {
        self.exact.len() + self.wildcards.len()
    }

    /// Whether there is no filter.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Calls `found` with every filter that matches `topic`, and its value.
    pub fn for_each_match<'a>(&'a self, topic: TopicName<'_>, mut found: impl FnMut(&'a str, &'a V)) {
        if let Some((filter, value)) = self.exact.get_key_value(topic.as_str()) {
            found(filter, value);
        }
        if self.nodes.is_empty() {
            return;
        }
        let hashes: Vec<u64> = levels(topic.as_str()).map(|level| self.level_hash(level)).collect();
        let mut ends = Vec::new();
        self.walk(ROOT, &hashes, topic.is_dollar(), &mut ends);
        for filter in ends {
            let matches = TopicFilter::new(filter).is_ok_and(|filter| filter.matches(topic));
            if let (true, Some(value)) = (matches, self.wildcards.get(filter)) {
                found(filter, value);
            }
        }
    }

    /// Collects the filters that end on the way along `hashes`. `at_dollar` says that this is the first level of a
    /// topic starting with `$`, which wildcards do not match.
    fn walk<'a>(&'a self, prefix: u64, hashes: &[u64], at_dollar: bool, ends: &mut Vec<&'a str>) {
        let Some(node) = self.nodes.get(&prefix) else { return };
        if !at_dollar {
            ends.extend(node.ends_with_hash.iter().map(|filter| &**filter));
        }
        let Some((&level, rest)) = hashes.split_first() else {
            ends.extend(node.ends.iter().map(|filter| &**filter));
            return;
        };
        if node.literal > 0 {
            self.walk(extend(prefix, level), rest, false, ends);
        }
        if node.plus > 0 && !at_dollar {
            self.walk(extend(prefix, self.level_hash("+")), rest, false, ends);
        }
    }

    fn link(&mut self, filter: &str) {
        let mut prefix = ROOT;
        for level in levels(filter) {
            let next = extend(prefix, self.level_hash(level));
            let node = self.nodes.entry(prefix).or_default();
            match level {
                "#" => {
                    node.ends_with_hash.push(filter.into());
                    return;
                }
                "+" => node.plus += 1,
                _ => node.literal += 1,
            }
            prefix = next;
        }
        self.nodes.entry(prefix).or_default().ends.push(filter.into());
    }

    fn unlink(&mut self, filter: &str) {
        let mut prefix = ROOT;
        for level in levels(filter) {
            let next = extend(prefix, self.level_hash(level));
            self.change_node(prefix, |node| match level {
                "#" => node.ends_with_hash.retain(|end| **end != *filter),
                "+" => node.plus -= 1,
                _ => node.literal -= 1,
            });
            if level == "#" {
                return;
            }
            prefix = next;
        }
        self.change_node(prefix, |node| node.ends.retain(|end| **end != *filter));
    }

    fn change_node(&mut self, prefix: u64, change: impl FnOnce(&mut Node)) {
        let Some(node) = self.nodes.get_mut(&prefix) else { return };
        change(node);
        if node.is_unused() {
            self.nodes.remove(&prefix);
        }
    }

    fn level_hash(&self, level: &str) -> u64 {
        self.hasher.hash_one(level)
    }
}

fn has_wildcard(filter: &str) -> bool {
    filter.bytes().any(|byte| matches!(byte, b'+' | b'#'))
}

/// The hash of a prefix and one more level. Multiplying and folding spreads what two good hashes hold.
fn extend(prefix: u64, level: u64) -> u64 {
    let product = u128::from(prefix ^ 0x9e37_79b9_7f4a_7c15) * u128::from(level | 1);
    (product as u64) ^ ((product >> 64) as u64) ^ level.rotate_left(32)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(map: &FilterMap<u32>, topic: &str) -> Vec<String> {
        let mut found = Vec::new();
        map.for_each_match(TopicName::new(topic).unwrap(), |filter, _| found.push(filter.to_owned()));
        found.sort();
        found
    }

    fn map(filters: &[&str]) -> FilterMap<u32> {
        let mut map = FilterMap::default();
        filters.iter().for_each(|filter| *map.get_or_default(filter) += 1);
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
        filters.iter().for_each(|filter| assert_eq!(map.remove(filter), Some(1)));
        assert_eq!(map.remove("a/#"), None);
        assert!(map.is_empty() && map.nodes.is_empty());
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
            filters.iter().for_each(|filter| { map.get_or_default(filter); });
            removed.iter().for_each(|filter| { map.remove(filter); });
            let name = TopicName::new(&topic).unwrap();
            let expected: Vec<String> = filters
                .into_iter()
                .filter(|filter| !removed.contains(filter))
                .filter(|filter| TopicFilter::new(filter).unwrap().matches(name))
                .collect();
            proptest::prop_assert_eq!(matches(&map, &topic), expected);
        }
    }
}
