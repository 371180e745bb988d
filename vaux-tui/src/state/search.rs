//! What `/` looks for: a topic filter when there are wildcards in it, else a part of the text.

use vaux_mqtt::topic::{TopicFilter, TopicName};

/// A filter that was typed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Search {
    text: String,
    lower: String,
    is_filter: bool,
}

impl Search {
    /// What `text` looks for. An empty one finds everything.
    pub(crate) fn new(text: &str) -> Search {
        let is_filter = text.contains(['+', '#']) && TopicFilter::new(text).is_ok();
        Search { text: text.to_owned(), lower: text.to_lowercase(), is_filter }
    }

    /// As it was typed.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// Whether everything is found.
    pub(crate) fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// Whether a topic is looked for.
    pub(crate) fn finds_topic(&self, topic: &str) -> bool {
        if !self.is_filter {
            return self.finds(topic);
        }
        match (TopicFilter::new(&self.text), TopicName::new(topic)) {
            (Ok(filter), Ok(name)) => filter.matches(name),
            _ => false,
        }
    }

    /// Whether a text is looked for, large and small letters being alike.
    pub(crate) fn finds(&self, text: &str) -> bool {
        if self.lower.is_empty() {
            return true;
        }
        // Most of what is looked through is ASCII, and then nothing needs to be copied.
        if text.is_ascii() && self.lower.is_ascii() {
            let needle = self.lower.as_bytes();
            return text.as_bytes().windows(needle.len()).any(|part| part.eq_ignore_ascii_case(needle));
        }
        text.to_lowercase().contains(&self.lower)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards_make_it_a_topic_filter() {
        assert!(Search::new("a/+/c").finds_topic("a/b/c"));
        assert!(!Search::new("a/+/c").finds_topic("x/a/b/c"));
        assert!(Search::new("#").finds_topic("a"));
        // No valid filter: then it is only a text.
        assert!(Search::new("a#").finds_topic("xa#y"));
    }

    #[test]
    fn texts_are_found_anywhere_in_any_case() {
        assert!(Search::new("TEMP").finds_topic("room/1/temperature"));
        assert!(Search::new("é").finds("CAFÉ"));
        assert!(Search::new("").finds("anything"));
        assert!(!Search::new("x").finds(""));
    }
}
