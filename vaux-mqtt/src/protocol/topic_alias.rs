//! Topic aliases of version 5.0, both directions. They never outlive their connection.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use crate::error::Rule;

/// The aliases that the peer set.
#[derive(Clone, Debug, Default)]
pub struct InboundAliases {
    maximum: u16,
    topics: Vec<Box<str>>,
}

impl InboundAliases {
    /// Accepts aliases from 1 to `maximum`, which was announced to the peer.
    pub fn new(maximum: u16) -> Self {
        InboundAliases { maximum, topics: Vec::new() }
    }

    /// The topic that an arriving PUBLISH means, noting the alias that it sets.
    ///
    /// # Errors
    ///
    /// An alias out of range, or one that stands for no topic yet.
    pub fn resolve<'a>(&'a mut self, topic: &'a str, alias: Option<u16>) -> Result<&'a str, Rule> {
        let Some(alias) = alias else { return Ok(topic) };
        if alias == 0 || alias > self.maximum {
            return Err(Rule::TopicAliasTooLarge);
        }
        let index = usize::from(alias) - 1;
        if topic.is_empty() {
            return match self.topics.get(index) {
                Some(known) if !known.is_empty() => Ok(known),
                _ => Err(Rule::TopicAliasUnknown),
            };
        }
        if self.topics.len() <= index {
            // At most `maximum` entries, each bounded by the packet size.
            self.topics.resize(index + 1, Box::default());
        }
        self.topics[index] = topic.into();
        Ok(topic)
    }
}

/// The aliases that this side set. The first topics to be sent get one each, as long as there are any left.
#[derive(Clone, Debug, Default)]
pub struct OutboundAliases {
    maximum: u16,
    aliases: BTreeMap<Box<str>, u16>,
}

/// How to write a topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutboundAlias {
    /// In full, without alias.
    None,
    /// In full, with this alias, which from now on stands for it.
    Set(u16),
    /// Empty, with this alias.
    Use(u16),
}

impl OutboundAliases {
    /// Uses aliases from 1 to `maximum`, which the peer announced.
    pub fn new(maximum: u16) -> Self {
        OutboundAliases { maximum, aliases: BTreeMap::new() }
    }

    /// Whether there are any aliases to use.
    pub fn is_enabled(&self) -> bool {
        self.maximum > 0
    }

    /// How to write `topic`. The packet must then be sent, or a later one would use an alias that the peer lacks.
    pub fn assign(&mut self, topic: &str) -> OutboundAlias {
        if let Some(&alias) = self.aliases.get(topic) {
            return OutboundAlias::Use(alias);
        }
        if self.aliases.len() >= usize::from(self.maximum) {
            return OutboundAlias::None;
        }
        let alias = self.aliases.len() as u16 + 1;
        self.aliases.insert(topic.into(), alias);
        OutboundAlias::Set(alias)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alias_stands_for_the_last_topic_it_was_sent_with() {
        let mut aliases = InboundAliases::new(2);
        assert_eq!(aliases.resolve("a", Some(2)), Ok("a"));
        assert_eq!(aliases.resolve("", Some(2)), Ok("a"));
        assert_eq!(aliases.resolve("b", Some(2)), Ok("b"));
        assert_eq!(aliases.resolve("", Some(2)), Ok("b"));
        assert_eq!(aliases.resolve("", Some(1)), Err(Rule::TopicAliasUnknown));
    }

    #[test]
    fn an_alias_above_the_maximum_is_refused() {
        assert_eq!(InboundAliases::new(2).resolve("a", Some(3)), Err(Rule::TopicAliasTooLarge));
        assert_eq!(InboundAliases::new(0).resolve("a", Some(1)), Err(Rule::TopicAliasTooLarge));
    }

    #[test]
    fn the_first_topics_get_the_aliases() {
        let mut aliases = OutboundAliases::new(1);
        assert_eq!(aliases.assign("a"), OutboundAlias::Set(1));
        assert_eq!(aliases.assign("a"), OutboundAlias::Use(1));
        assert_eq!(aliases.assign("b"), OutboundAlias::None);
    }
}
