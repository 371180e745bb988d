//! Matching a filter against topics in order, by seeking.

use std::collections::BTreeSet;
use std::collections::btree_set::Range;
use std::ops::{Bound, ControlFlow};

use vaux_mqtt::topic::{TopicFilter, level_bytes};

use super::order::{self, BEHIND_SEPARATOR, Entry, Place, SEPARATOR};

/// The entries behind `after` whose topics match `filter`, as long as `found` wants more.
pub(super) fn scan<'a>(
    topics: &'a BTreeSet<Entry>,
    filter: TopicFilter<'_>,
    after: Option<&[u8]>,
    mut found: impl FnMut(&'a Entry) -> ControlFlow<()>,
) {
    if !filter.has_wildcard() {
        if let Some(entry) = get(topics, filter.as_str().as_bytes())
            && after.is_none_or(|after| order::compare(after, entry.topic()).is_lt())
        {
            // There is no other.
            let _ = found(entry);
        }
        return;
    }
    let filter: Vec<&[u8]> = level_bytes(filter.as_str()).collect();
    let mut entries = match after {
        Some(after) => range(topics, Bound::Excluded(after)),
        None => range(topics, Bound::Included(&start(&filter))),
    };
    while let Some(entry) = entries.next() {
        if is_match(&filter, entry.topic()) {
            if found(entry).is_break() {
                return;
            }
            continue;
        }
        match compare(&filter, entry.topic()) {
            Step::Match => {}
            Step::Seek(target) => entries = range(topics, Bound::Included(&target)),
            Step::End => return,
        }
    }
}

/// The entry of a topic.
pub(super) fn get<'a>(topics: &'a BTreeSet<Entry>, topic: &[u8]) -> Option<&'a Entry> {
    topics.get::<dyn Place>(&topic)
}

/// The entries from a place on.
fn range<'a>(topics: &'a BTreeSet<Entry>, first: Bound<&[u8]>) -> Range<'a, Entry> {
    let first = match &first {
        Bound::Included(topic) => Bound::Included(topic as &dyn Place),
        Bound::Excluded(topic) => Bound::Excluded(topic as &dyn Place),
        Bound::Unbounded => Bound::Unbounded,
    };
    topics.range::<dyn Place, _>((first, Bound::Unbounded))
}

/// Whether a topic matches: what most that are looked at do, found without anything that is only needed to go on
/// elsewhere.
fn is_match(filter: &[&[u8]], topic: &[u8]) -> bool {
    if topic.first() == Some(&b'$') && filter.first().is_some_and(|level| is_wildcard(level)) {
        return false;
    }
    let mut topic_levels = topic.split(|&byte| byte == SEPARATOR);
    for wanted in filter {
        match (*wanted, topic_levels.next()) {
            (b"#", _) => return true,
            (_, None) => return false,
            (b"+", Some(_)) => {}
            (wanted, Some(level)) if wanted == level => {}
            _ => return false,
        }
    }
    topic_levels.next().is_none()
}

enum Step {
    Match,
    /// No topic from here to this one matches; the one given is the next that might.
    Seek(Vec<u8>),
    /// No topic from here on matches.
    End,
}

/// Where the first match can stand: behind the levels of text that the filter begins with.
fn start(filter: &[&[u8]]) -> Vec<u8> {
    let text: Vec<&[u8]> = filter.iter().take_while(|level| !is_wildcard(level)).copied().collect();
    text.join(&SEPARATOR)
}

fn compare(filter: &[&[u8]], topic: &[u8]) -> Step {
    if topic.first() == Some(&b'$') && filter.first().is_some_and(|level| is_wildcard(level)) {
        return Step::Seek(vec![b'$' + 1]);
    }
    let topic_levels: Vec<&[u8]> = topic.split(|&byte| byte == SEPARATOR).collect();
    for (depth, wanted) in filter.iter().enumerate() {
        if **wanted == *b"#" {
            return Step::Match;
        }
        let Some(level) = topic_levels.get(depth) else {
            // The topic is above what the filter wants: look below it.
            return Step::Seek(below(&topic_levels, wanted));
        };
        if **wanted == *b"+" || wanted == level {
            continue;
        }
        return if *level < *wanted {
            Step::Seek(below(&topic_levels[..depth], wanted))
        } else {
            behind_last_plus(&filter[..depth], &topic_levels)
        };
    }
    if topic_levels.len() == filter.len() {
        return Step::Match;
    }
    // The topic is below a match: nothing more matches below that one.
    if filter.last().is_some_and(|level| **level == *b"+") {
        return Step::Seek(behind(&topic_levels[..filter.len()]));
    }
    behind_last_plus(&filter[..filter.len() - 1], &topic_levels)
}

/// The first topic that is one level below `parents` and not before `wanted`.
fn below(parents: &[&[u8]], wanted: &[u8]) -> Vec<u8> {
    let wanted = if is_wildcard(wanted) { &[][..] } else { wanted };
    let mut path = parents.to_vec();
    path.push(wanted);
    path.join(&SEPARATOR)
}

/// The first topic that stands behind `path` and all below it.
fn behind(path: &[&[u8]]) -> Vec<u8> {
    let mut key = path.join(&SEPARATOR);
    key.push(BEHIND_SEPARATOR);
    key
}

/// The next topic that can match when the level behind `filter` is too far: another text for its last `+`.
fn behind_last_plus(filter: &[&[u8]], topic_levels: &[&[u8]]) -> Step {
    match filter.iter().rposition(|level| **level == *b"+") {
        Some(depth) => Step::Seek(behind(&topic_levels[..=depth])),
        None => Step::End,
    }
}

fn is_wildcard(level: &[u8]) -> bool {
    matches!(level, b"+" | b"#")
}
