//! Names that messages are published under.

use core::fmt;

use crate::error::Rule;
use crate::string;

/// A valid topic name: not empty, at most 65,535 bytes, no wildcards, no U+0000.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicName<'a>(&'a str);

impl<'a> TopicName<'a> {
    /// Checks `text`.
    ///
    /// # Errors
    ///
    /// The rule that it breaks.
    pub fn new(text: &'a str) -> Result<Self, Rule> {
        if text.is_empty() {
            return Err(Rule::TopicEmpty);
        }
        string::check_field_len(text.as_bytes())?;
        match string::check_topic_text(text) {
            Ok(false) => Ok(TopicName(text)),
            Ok(true) => Err(Rule::TopicWildcard),
            Err((rule, _)) => Err(rule),
        }
    }

    /// The name.
    pub const fn as_str(&self) -> &'a str {
        self.0
    }

    /// Whether the name starts with `$`, so that filters starting with a wildcard do not match it.
    pub fn is_dollar(&self) -> bool {
        self.0.starts_with('$')
    }
}

/// Where the first wildcard character stands.
pub(crate) fn wildcard(text: &str) -> Option<usize> {
    text.bytes().position(|byte| matches!(byte, b'+' | b'#'))
}

impl fmt::Display for TopicName<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn name_holds_no_wildcard_and_at_least_one_character() {
        assert_eq!(TopicName::new("").unwrap_err(), Rule::TopicEmpty);
        assert_eq!(TopicName::new("a/+").unwrap_err(), Rule::TopicWildcard);
        assert_eq!(TopicName::new("#").unwrap_err(), Rule::TopicWildcard);
        assert_eq!(TopicName::new("a\0").unwrap_err(), Rule::StringHoldsNul);
        assert_eq!(TopicName::new(&"x".repeat(65_536)).unwrap_err(), Rule::FieldTooLong);
        assert_eq!(TopicName::new("/").unwrap().as_str(), "/");
        assert!(TopicName::new("$SYS").unwrap().is_dollar());
    }
}
