//! The topics that the shell has seen, for completion: a bounded table.

use std::collections::{BTreeSet, VecDeque};
use std::ops::Bound;
use std::sync::Arc;

/// So many topics are remembered; then the oldest are forgotten.
const MAX_TOPICS: usize = 10_000;

/// And so many bytes of them.
const MAX_BYTES: usize = 1 << 20;

/// No more completions than these are of use.
const MAX_COMPLETIONS: usize = 500;

/// Topics, in the order of their text and in that of their coming.
#[derive(Debug, Default)]
pub(super) struct Topics {
    sorted: BTreeSet<Arc<str>>,
    by_age: VecDeque<Arc<str>>,
    bytes: usize,
}

impl Topics {
    /// Remembers a topic.
    pub(super) fn note(&mut self, topic: &str) {
        // What a terminal would act upon does not get onto it.
        if topic.is_empty() || self.sorted.contains(topic) || topic.contains(char::is_control) {
            return;
        }
        let topic: Arc<str> = topic.into();
        self.bytes += topic.len();
        self.sorted.insert(topic.clone());
        self.by_age.push_back(topic);
        while self.by_age.len() > MAX_TOPICS || self.bytes > MAX_BYTES {
            let Some(oldest) = self.by_age.pop_front() else { break };
            self.bytes -= oldest.len();
            self.sorted.remove(&oldest);
        }
    }

    /// What a topic that begins so can be up to the end of the level: `room/` where more levels follow, `room/1` where
    /// none does.
    pub(super) fn complete(&self, begun: &str) -> Vec<String> {
        let level_start = begun.rfind('/').map_or(0, |slash| slash + 1);
        let mut found = Vec::new();
        let mut from: Bound<String> = Bound::Included(begun.to_owned());
        while found.len() < MAX_COMPLETIONS {
            let start = from.as_ref().map(String::as_str);
            let Some(topic) = self.sorted.range::<str, _>((start, Bound::Unbounded)).next() else { break };
            if !topic.starts_with(begun) {
                break;
            }
            let level = match topic[level_start..].find('/') {
                Some(len) => &topic[..level_start + len + 1],
                None => topic,
            };
            from = match level.strip_suffix('/').filter(|_| level.len() > level_start) {
                // '0' is the character behind '/': past all that is below this level.
                Some(front) => Bound::Included(format!("{front}0")),
                None => Bound::Excluded(level.to_owned()),
            };
            found.push(level.to_owned());
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn topics(list: &[&str]) -> Topics {
        let mut topics = Topics::default();
        list.iter().for_each(|topic| topics.note(topic));
        topics
    }

    #[test]
    fn topics_are_completed_level_by_level() {
        let topics = topics(&["room/1/t", "room/2/t", "room/2", "room0", "hall", "/x", "a//b"]);
        assert_eq!(topics.complete(""), ["/", "a/", "hall", "room/", "room0"]);
        assert_eq!(topics.complete("ro"), ["room/", "room0"]);
        assert_eq!(topics.complete("room/"), ["room/1/", "room/2", "room/2/"]);
        assert_eq!(topics.complete("room/2/"), ["room/2/t"]);
        assert_eq!(topics.complete("a/"), ["a//"]);
        assert_eq!(topics.complete("a//"), ["a//b"]);
        assert!(topics.complete("x").is_empty());
    }

    #[test]
    fn old_topics_make_room_for_new_ones() {
        let mut topics = topics(&["first", "bad\u{1b}[2J"]);
        assert_eq!(topics.complete(""), ["first"]);
        (0..MAX_TOPICS).for_each(|number| topics.note(&format!("t{number}")));
        assert!(topics.complete("first").is_empty());
        topics.note(&"x".repeat(MAX_BYTES));
        assert_eq!(topics.by_age.len(), 1);
        topics.note(&"y".repeat(MAX_BYTES + 1));
        assert_eq!((topics.by_age.len(), topics.bytes, topics.sorted.len()), (0, 0, 0));
    }
}
