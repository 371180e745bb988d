//! Filters that subscriptions are made with.

use core::fmt;

use super::{TopicName, level_bytes};
use crate::error::Rule;
use crate::string;

const SHARE: &str = "$share/";

/// A valid topic filter, shared (`$share/name/filter`) or not.
///
/// Shared subscriptions came with version 5.0; brokers offer them to older clients too, and so does this type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicFilter<'a>(&'a str);

/// The two parts of a shared subscription's filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SharedFilter<'a> {
    /// The name of the group that shares the messages.
    pub share_name: &'a str,
    /// The filter that topics are matched with.
    pub filter: TopicFilter<'a>,
}

impl<'a> TopicFilter<'a> {
    /// Checks `text`. `$share/…` is checked as a shared subscription.
    ///
    /// # Errors
    ///
    /// The rule that it breaks, with the byte in `text` where it does: the last one when something should follow.
    pub fn new(text: &'a str) -> Result<Self, (Rule, usize)> {
        string::check_field_len(text.as_bytes()).map_err(|rule| (rule, 0))?;
        string::check(text.as_bytes())?;
        let checked = match text.strip_prefix(SHARE) {
            Some(rest) => check_shared(rest).map_err(|(rule, at)| (rule, SHARE.len() + at)),
            None => check_levels(text),
        };
        match checked {
            Ok(()) => Ok(TopicFilter(text)),
            Err((rule, at)) => Err((rule, at.min(text.len().saturating_sub(1)))),
        }
    }

    /// A filter that was checked when it came, and kept as text. Of a text that [`TopicFilter::new`] would refuse, what it
    /// matches is not said.
    #[inline]
    pub const fn from_checked(text: &'a str) -> Self {
        TopicFilter(text)
    }

    /// The whole filter, `$share/…` included.
    pub const fn as_str(&self) -> &'a str {
        self.0
    }

    /// The parts of a shared subscription's filter, `None` for any other.
    pub fn shared(&self) -> Option<SharedFilter<'a>> {
        let (share_name, filter) = self.0.strip_prefix(SHARE)?.split_once('/')?;
        if share_name.is_empty() || filter.is_empty() {
            return None;
        }
        Some(SharedFilter { share_name, filter: TopicFilter(filter) })
    }

    /// Whether the filter holds `+` or `#`.
    pub fn has_wildcard(&self) -> bool {
        let topic = self.shared().map_or(self.0, |shared| shared.filter.0);
        super::wildcard(topic).is_some()
    }

    /// Whether a message published under `topic` matches. For a shared subscription the part behind the share name
    /// decides.
    ///
    /// This walks both texts; a broker with many filters uses an index, which is tested against this.
    pub fn matches(&self, topic: TopicName<'_>) -> bool {
        let filter = self.shared().map_or(*self, |shared| shared.filter).0;
        if topic.is_dollar() && filter.starts_with(['+', '#']) {
            return false;
        }
        let mut topic_levels = level_bytes(topic.as_str());
        for filter_level in level_bytes(filter) {
            if filter_level == b"#" {
                return true;
            }
            match topic_levels.next() {
                Some(level) if filter_level == b"+" || filter_level == level => {}
                _ => return false,
            }
        }
        topic_levels.next().is_none()
    }
}

impl fmt::Display for TopicFilter<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

fn check_shared(rest: &str) -> Result<(), (Rule, usize)> {
    let Some((share_name, filter)) = rest.split_once('/') else {
        return Err((
            if rest.is_empty() { Rule::ShareNameEmpty } else { Rule::ShareNameInvalid },
            rest.len(),
        ));
    };
    if share_name.is_empty() {
        return Err((Rule::ShareNameEmpty, 0));
    }
    if let Some(at) = super::wildcard(share_name) {
        return Err((Rule::ShareNameInvalid, at));
    }
    check_levels(filter).map_err(|(rule, at)| (rule, share_name.len() + 1 + at))
}

fn check_levels(filter: &str) -> Result<(), (Rule, usize)> {
    if filter.is_empty() {
        return Err((Rule::FilterEmpty, 0));
    }
    let bytes = filter.as_bytes();
    let starts_level = |at: usize| at == 0 || bytes[at - 1] == b'/';
    for (at, &byte) in bytes.iter().enumerate() {
        let is_last = at + 1 == bytes.len();
        match byte {
            b'#' if !starts_level(at) || !is_last => return Err((Rule::FilterHash, at)),
            b'+' if !starts_level(at) || !(is_last || bytes[at + 1] == b'/') => {
                return Err((Rule::FilterPlus, at));
            }
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use alloc::string::String;

    use super::*;

    #[test]
    fn error_points_into_the_filter() {
        for (text, error) in [
            ("", (Rule::FilterEmpty, 0)),
            ("a/b#", (Rule::FilterHash, 3)),
            ("a/#/b", (Rule::FilterHash, 2)),
            ("a/+b", (Rule::FilterPlus, 2)),
            ("a\0", (Rule::StringHoldsNul, 1)),
            ("$share/", (Rule::ShareNameEmpty, 6)),
            ("$share/group", (Rule::ShareNameInvalid, 11)),
            ("$share/group/", (Rule::FilterEmpty, 12)),
            ("$share/gr+up/a", (Rule::ShareNameInvalid, 9)),
            ("$share/group/a#", (Rule::FilterHash, 14)),
        ] {
            assert_eq!(TopicFilter::new(text), Err(error), "{text}");
        }
    }

    /// Shows: v5:MQTT-4.7.3-3 v311:MQTT-4.7.3-3
    #[test]
    fn filter_of_more_than_65_535_bytes_is_refused() {
        let longest = "x".repeat(65_535);
        assert!(TopicFilter::new(&longest).is_ok());
        let longer = String::from("x") + &longest;
        assert_eq!(TopicFilter::new(&longer), Err((Rule::FieldTooLong, 0)));
    }

    #[test]
    fn shared_filter_is_taken_apart_at_the_first_slash_behind_its_name() {
        let shared = TopicFilter::new("$share/group//x/+").unwrap().shared().unwrap();
        assert_eq!((shared.share_name, shared.filter.as_str()), ("group", "/x/+"));
        assert!(TopicFilter::new("$share/group//x/+").unwrap().has_wildcard());
        // Neither begins with `$share/`.
        assert_eq!(TopicFilter::new("$share").unwrap().shared(), None);
        assert_eq!(TopicFilter::new("$shared/group/a").unwrap().shared(), None);
    }
}
