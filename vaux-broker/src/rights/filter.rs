//! The topic filter of a rule, with places where the user name and the client identifier stand in.
//!
//! What stands in is text: whatever characters it has, it is never a wildcard.

use vaux_mqtt::topic::TopicFilter;

/// A topic filter of a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RuleFilter {
    parts: Box<[Part]>,
    /// Only then does it say anything about topics that begin with `$`.
    begins_with_dollar: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(Box<str>),
    /// `+`: one level.
    Level,
    /// `/#`: what stands before it, and all levels below.
    Below,
    /// `#` alone.
    Everything,
    User,
    Client,
}

/// Whose names stand in.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Names<'a> {
    /// `None` for an anonymous client: then no rule with a user name is about it.
    pub(crate) user: Option<&'a str>,
    pub(crate) client_id: &'a str,
}

/// A level of a filter whose names are filled in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Level<'a> {
    Text(&'a str),
    Any,
    Below,
}

impl RuleFilter {
    /// A filter that is valid. In a pattern `%u` and `%c` stand for user name and client identifier.
    pub(crate) fn new(text: &str, is_pattern: bool) -> RuleFilter {
        let mut parts = Vec::new();
        let mut literal = String::new();
        let mut rest = text;
        while let Some(character) = rest.chars().next() {
            let (part, len) = match rest.get(..2) {
                Some("%u") if is_pattern => (Part::User, 2),
                Some("%c") if is_pattern => (Part::Client, 2),
                _ if character == '+' => (Part::Level, 1),
                _ if character == '#' && rest.len() == text.len() => (Part::Everything, 1),
                _ if character == '#' => (Part::Below, 1),
                _ => {
                    literal.push(character);
                    rest = &rest[character.len_utf8()..];
                    continue;
                }
            };
            if part == Part::Below {
                literal.pop();
            }
            flush(&mut literal, &mut parts);
            parts.push(part);
            rest = &rest[len..];
        }
        flush(&mut literal, &mut parts);
        RuleFilter { parts: parts.into(), begins_with_dollar: text.starts_with('$') }
    }

    /// The topic, if it matches that one alone.
    pub(crate) fn as_topic(&self) -> Option<&str> {
        match &*self.parts {
            [Part::Text(text)] => Some(text),
            _ => None,
        }
    }

    /// Whether names that stand in could be taken for more than one level of a topic.
    pub(crate) fn has_deceptive_name(&self, names: Names<'_>) -> bool {
        let deceives = |name: &str| name.contains(['/', '+', '#']);
        self.parts.iter().any(|part| match part {
            Part::User => names.user.is_some_and(deceives),
            Part::Client => deceives(names.client_id),
            _ => false,
        })
    }

    /// Whether a topic matches.
    pub(crate) fn matches(&self, topic: &str, names: Names<'_>) -> bool {
        if topic.starts_with('$') && !self.begins_with_dollar {
            return false;
        }
        let mut rest = topic;
        for part in &self.parts {
            let next = match part {
                Part::Text(text) => rest.strip_prefix(&**text),
                Part::User => names.user.and_then(|user| rest.strip_prefix(user)),
                Part::Client => rest.strip_prefix(names.client_id),
                Part::Level => Some(&rest[rest.find('/').unwrap_or(rest.len())..]),
                Part::Below => return rest.is_empty() || rest.starts_with('/'),
                Part::Everything => return true,
            };
            match next {
                Some(next) => rest = next,
                None => return false,
            }
        }
        rest.is_empty()
    }

    /// Whether there is a topic that both this and `filter`, of a subscription, match.
    pub(crate) fn overlaps(&self, filter: &str, names: Names<'_>) -> bool {
        let Some(text) = self.fill_in(filter, names) else { return false };
        let (mut ours, mut theirs) = (text.levels(), levels(filter));
        loop {
            match (ours.next(), theirs.next()) {
                (Some(Level::Below), _) | (_, Some(Level::Below)) | (None, None) => return true,
                (Some(Level::Any), Some(_)) | (Some(_), Some(Level::Any)) => {}
                (Some(Level::Text(our)), Some(Level::Text(their))) if our == their => {}
                _ => return false,
            }
        }
    }

    /// Whether this matches all topics that `filter`, of a subscription, matches.
    pub(crate) fn covers(&self, filter: &str, names: Names<'_>) -> bool {
        let Some(text) = self.fill_in(filter, names) else { return false };
        let (mut ours, mut theirs) = (text.levels(), levels(filter));
        loop {
            match (ours.next(), theirs.next()) {
                (Some(Level::Below), _) | (None, None) => return true,
                (Some(Level::Any), Some(Level::Any | Level::Text(_))) => {}
                (Some(Level::Text(our)), Some(Level::Text(their))) if our == their => {}
                _ => return false,
            }
        }
    }

    /// The filter with names. `None` when it is not about this client, or says nothing about topics of this kind.
    fn fill_in(&self, filter: &str, names: Names<'_>) -> Option<Filled> {
        if filter.starts_with('$') != self.begins_with_dollar {
            return None;
        }
        let mut filled = Filled::default();
        for part in &self.parts {
            match part {
                Part::Text(text) => filled.text.push_str(text),
                Part::User => filled.text.push_str(names.user?),
                Part::Client => filled.text.push_str(names.client_id),
                Part::Level => {
                    filled.wildcards.push(filled.text.len());
                    filled.text.push('+');
                }
                Part::Below => {
                    filled.wildcards.push(filled.text.len() + 1);
                    filled.text.push_str("/#");
                }
                Part::Everything => {
                    filled.wildcards.push(0);
                    filled.text.push('#');
                }
            }
        }
        Some(filled)
    }
}

/// A filter with names, and where its own wildcards stand.
#[derive(Default)]
struct Filled {
    text: String,
    wildcards: Vec<usize>,
}

impl Filled {
    fn levels(&self) -> impl Iterator<Item = Level<'_>> {
        let mut at = 0;
        self.text.split('/').map(move |text| {
            let is_wildcard = self.wildcards.contains(&at);
            at += text.len() + 1;
            match text {
                "+" if is_wildcard => Level::Any,
                "#" if is_wildcard => Level::Below,
                text => Level::Text(text),
            }
        })
    }
}

fn levels(filter: &str) -> impl Iterator<Item = Level<'_>> {
    filter.split('/').map(|text| match text {
        "+" => Level::Any,
        "#" => Level::Below,
        text => Level::Text(text),
    })
}

fn flush(literal: &mut String, parts: &mut Vec<Part>) {
    if !literal.is_empty() {
        parts.push(Part::Text(std::mem::take(literal).into()));
    }
}

/// What is wrong with the filter of a rule.
pub(crate) fn check_rule_filter(filter: &str) -> Result<(), String> {
    match TopicFilter::new(filter) {
        Ok(valid) if valid.shared().is_none() => Ok(()),
        Ok(_) => Err(format!("{filter:?} is a shared subscription; write the filter behind the share name")),
        Err(_) => Err(format!("{filter:?} is not a topic filter")),
    }
}
