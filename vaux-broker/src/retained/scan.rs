//! Matching a filter against topics in order, by seeking.

use std::collections::BTreeMap;
use std::ops::{Bound, ControlFlow};
use std::sync::Arc;

use vaux_mqtt::topic::{TopicFilter, levels};

use super::Key;

/// Stands for `/` in keys.
const SEPARATOR: u8 = 0;

/// The key of a topic.
pub(super) fn key(topic: &str) -> Key {
    topic.bytes().map(|byte| if byte == b'/' { SEPARATOR } else { byte }).collect()
}

/// The entries behind `after` whose topics match `filter`, as long as `found` wants more.
pub(super) fn scan<'a, V>(
    topics: &'a BTreeMap<Key, V>,
    filter: TopicFilter<'_>,
    after: Option<&Key>,
    mut found: impl FnMut(&'a Key, &'a V) -> ControlFlow<()>,
) {
    if !filter.has_wildcard() {
        if let Some((key, value)) = topics.get_key_value(&key(filter.as_str()))
            && after.is_none_or(|after| **after < **key)
        {
            // There is no other.
            let _ = found(key, value);
        }
        return;
    }
    let filter: Vec<&[u8]> = levels(filter.as_str()).map(str::as_bytes).collect();
    let first = match after {
        Some(after) => Bound::Excluded(Arc::clone(after)),
        None => Bound::Included(start(&filter)),
    };
    let mut entries = topics.range::<Key, _>((first, Bound::Unbounded));
    while let Some((key, value)) = entries.next() {
        if is_match(&filter, key) {
            if found(key, value).is_break() {
                return;
            }
            continue;
        }
        match compare(&filter, key) {
            Step::Match => {}
            Step::Seek(target) => {
                entries = topics.range::<Key, _>((Bound::Included(Key::from(target)), Bound::Unbounded));
            }
            Step::End => return,
        }
    }
}

/// Whether a topic matches: what most that are looked at do, found without anything that is only needed to go on
/// elsewhere.
fn is_match(filter: &[&[u8]], key: &Key) -> bool {
    if key.first() == Some(&b'$') && filter.first().is_some_and(|level| is_wildcard(level)) {
        return false;
    }
    let mut key_levels = key.split(|&byte| byte == SEPARATOR);
    for wanted in filter {
        match (*wanted, key_levels.next()) {
            (b"#", _) => return true,
            (_, None) => return false,
            (b"+", Some(_)) => {}
            (wanted, Some(level)) if wanted == level => {}
            _ => return false,
        }
    }
    key_levels.next().is_none()
}

enum Step {
    Match,
    /// No key from here to this one matches; the key given is the next that might.
    Seek(Vec<u8>),
    /// No key from here on matches.
    End,
}

/// Where the first match can stand: behind the levels of text that the filter begins with.
fn start(filter: &[&[u8]]) -> Key {
    let text: Vec<&[u8]> = filter.iter().take_while(|level| !is_wildcard(level)).copied().collect();
    text.join(&SEPARATOR).into()
}

fn compare(filter: &[&[u8]], key: &Key) -> Step {
    if key.first() == Some(&b'$') && filter.first().is_some_and(|level| is_wildcard(level)) {
        return Step::Seek(vec![b'$' + 1]);
    }
    let key_levels: Vec<&[u8]> = key.split(|&byte| byte == SEPARATOR).collect();
    for (depth, wanted) in filter.iter().enumerate() {
        if **wanted == *b"#" {
            return Step::Match;
        }
        let Some(level) = key_levels.get(depth) else {
            // The key is above what the filter wants: look below it.
            return Step::Seek(below(&key_levels, wanted));
        };
        if **wanted == *b"+" || wanted == level {
            continue;
        }
        return if *level < *wanted {
            Step::Seek(below(&key_levels[..depth], wanted))
        } else {
            behind_last_plus(&filter[..depth], &key_levels)
        };
    }
    if key_levels.len() == filter.len() {
        return Step::Match;
    }
    // The key is below a match: nothing more matches below that one.
    if filter.last().is_some_and(|level| **level == *b"+") {
        return Step::Seek(behind(&key_levels[..filter.len()]));
    }
    behind_last_plus(&filter[..filter.len() - 1], &key_levels)
}

/// The first key that is one level below `parents` and not before `wanted`.
fn below(parents: &[&[u8]], wanted: &[u8]) -> Vec<u8> {
    let wanted = if is_wildcard(wanted) { &[][..] } else { wanted };
    let mut path = parents.to_vec();
    path.push(wanted);
    path.join(&SEPARATOR)
}

/// The first key that stands behind `path` and all below it.
fn behind(path: &[&[u8]]) -> Vec<u8> {
    let mut key = path.join(&SEPARATOR);
    key.push(SEPARATOR + 1);
    key
}

/// The next key that can match when the level behind `filter` is too far: another text for its last `+`.
fn behind_last_plus(filter: &[&[u8]], key_levels: &[&[u8]]) -> Step {
    match filter.iter().rposition(|level| **level == *b"+") {
        Some(depth) => Step::Seek(behind(&key_levels[..=depth])),
        None => Step::End,
    }
}

fn is_wildcard(level: &[u8]) -> bool {
    matches!(level, b"+" | b"#")
}
