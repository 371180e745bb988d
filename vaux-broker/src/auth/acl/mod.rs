//! An access list: who may read and write which topics, in the syntax of mosquitto's `acl_file`.
//!
//! What no line grants is denied, and a line that denies counts before all that grant. `topic` lines in front of the
//! first `user` are about anonymous clients, those behind it about that user, and `pattern` lines about everybody.
//! Deciding allocates nothing, except about subscriptions.

mod parse;
#[cfg(test)]
mod tests;

use std::path::Path;

use hashbrown::HashMap;

use super::file::{FileError, read_lines};
use crate::rights::filter::{Names, RuleFilter};
use crate::rights::{Action, Subject, is_never_anonymous};
use crate::session::Identity;

/// An access list.
#[derive(Debug, Default)]
pub struct Acl {
    anonymous: Rules,
    users: HashMap<Box<str>, Rules>,
    patterns: Rules,
}

/// Whether something is allowed, and by which line of the access list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decision {
    /// Whether it is.
    pub is_allowed: bool,
    /// The line, from 1. `None`: denied because no line grants it.
    pub line: Option<u32>,
}

/// The rules for one kind of client, denials apart. Those about a single topic are found by it.
#[derive(Debug, Default)]
struct Rules {
    denials: List,
    grants: List,
}

#[derive(Debug, Default)]
struct List {
    by_topic: HashMap<Box<str>, Vec<Rule>>,
    others: Vec<Rule>,
}

#[derive(Clone, Debug)]
struct Rule {
    line: u32,
    access: Access,
    filter: RuleFilter,
}

/// What a rule grants. Nothing: it denies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Access {
    read: bool,
    write: bool,
}

impl Access {
    const READ: Access = Access { read: true, write: false };
    const WRITE: Access = Access { read: false, write: true };
    const READ_WRITE: Access = Access { read: true, write: true };
    const DENY: Access = Access { read: false, write: false };

    fn grants(self, action: Action) -> bool {
        match action {
            Action::Publish => self.write,
            Action::Subscribe | Action::Receive => self.read,
        }
    }
}

impl Acl {
    /// Reads an access list.
    ///
    /// # Errors
    ///
    /// The file cannot be read, has no rule, or has a line that is not understood.
    pub fn read(path: &Path) -> Result<Acl, FileError> {
        Acl::parse(&read_lines(path)?).map_err(|(line, message)| FileError {
            path: path.to_owned(),
            line,
            message,
        })
    }

    fn parse(text: &str) -> Result<Acl, (Option<usize>, String)> {
        parse::parse(text)
    }

    /// Decides. `topic` is the filter when it is about subscribing: one is allowed that some topic could come by which
    /// may be read, unless all that it matches is denied; what then comes is decided for each message.
    pub fn decide(&self, subject: &Subject<'_>, action: Action, topic: &str) -> Decision {
        let (own, user) = match subject.identity {
            Identity::Anonymous if is_never_anonymous(topic) => {
                return Decision { is_allowed: false, line: None };
            }
            Identity::Anonymous => (Some(&self.anonymous), None),
            Identity::User(name) => (self.users.get(&**name), Some(&**name)),
        };
        let names = Names { user, client_id: subject.client_id };
        let rules = || own.into_iter().chain([&self.patterns]);
        let denial = rules().find_map(|rules| {
            rules.denials.find(topic, |rule| match action {
                Action::Subscribe => rule.filter.covers(topic, names),
                Action::Publish | Action::Receive => rule.filter.matches(topic, names),
            })
        });
        if let Some(line) = denial {
            return Decision { is_allowed: false, line: Some(line) };
        }
        // A name that could be taken for more than one level is never granted anything by standing in.
        let grant = rules().find_map(|rules| {
            rules.grants.find(topic, |rule| {
                rule.access.grants(action)
                    && !rule.filter.has_deceptive_name(names)
                    && match action {
                        Action::Subscribe => rule.filter.overlaps(topic, names),
                        Action::Publish | Action::Receive => rule.filter.matches(topic, names),
                    }
            })
        });
        Decision { is_allowed: grant.is_some(), line: grant }
    }
}

impl Rules {
    fn add(&mut self, rule: Rule) {
        let list = if rule.access == Access::DENY { &mut self.denials } else { &mut self.grants };
        match rule.filter.as_topic() {
            Some(topic) => list.by_topic.entry(topic.into()).or_default().push(rule),
            None => list.others.push(rule),
        }
    }
}

impl List {
    /// The line of the first rule for which `is_it` holds. Those about a single topic are asked if it is this one, or
    /// if `topic` is a filter that may match it.
    fn find(&self, topic: &str, is_it: impl Fn(&Rule) -> bool) -> Option<u32> {
        let found = |rules: &[Rule]| rules.iter().find(|rule| is_it(rule)).map(|rule| rule.line);
        let by_topic = match topic.contains(['+', '#']) {
            false => self.by_topic.get(topic).and_then(|rules| found(rules)),
            true => self.by_topic.values().filter_map(|rules| found(rules)).min(),
        };
        by_topic.or_else(|| found(&self.others))
    }
}
