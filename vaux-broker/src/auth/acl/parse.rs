//! Reading an access list: mosquitto's syntax, strictly.

use super::{Access, Acl, Rule};
use crate::rights::filter::{RuleFilter, check_rule_filter};

/// What a line says.
enum Line<'a> {
    Nothing,
    User(&'a str),
    Topic(Access, &'a str),
    Pattern(Access, &'a str),
}

/// Reads the whole text. The error is a line and what is wrong with it.
pub(super) fn parse(text: &str) -> Result<Acl, (Option<usize>, String)> {
    let mut acl = Acl::default();
    let mut user: Option<Box<str>> = None;
    let mut rules = 0_u32;
    for (number, line) in (1..).zip(text.lines()) {
        let (access, filter, is_pattern) = match read(line).map_err(|message| (Some(number), message))? {
            Line::Nothing => continue,
            Line::User(name) => {
                user = Some(name.into());
                continue;
            }
            Line::Topic(access, filter) => (access, filter, false),
            Line::Pattern(access, filter) => (access, filter, true),
        };
        check_rule_filter(filter).map_err(|message| (Some(number), message))?;
        let line =
            u32::try_from(number).map_err(|_| (Some(number), "there are too many lines".to_owned()))?;
        let rule = Rule { line, access, filter: RuleFilter::new(filter, is_pattern) };
        match (&user, is_pattern) {
            (_, true) => acl.patterns.add(rule),
            (Some(user), false) => acl.users.entry(user.clone()).or_default().add(rule),
            (None, false) => acl.anonymous.add(rule),
        }
        rules += 1;
    }
    if rules == 0 {
        return Err((None, "has no rule".into()));
    }
    Ok(acl)
}

fn read(line: &str) -> Result<Line<'_>, String> {
    let line = line.trim_end();
    if line.starts_with('#') {
        return Ok(Line::Nothing);
    }
    let (keyword, rest) = split_word(line.trim_start());
    match keyword {
        "" => Ok(Line::Nothing),
        "user" if rest.is_empty() => Err("user needs a name".into()),
        "user" => Ok(Line::User(rest)),
        "topic" => read_access(keyword, rest).map(|(access, filter)| Line::Topic(access, filter)),
        "pattern" => read_access(keyword, rest).map(|(access, filter)| Line::Pattern(access, filter)),
        _ => Err(format!("begins with {keyword:?}; it must be user, topic or pattern")),
    }
}

fn read_access<'a>(keyword: &str, rest: &'a str) -> Result<(Access, &'a str), String> {
    let (word, filter) = split_word(rest);
    let access = match word {
        "" => return Err(format!("{keyword} needs a topic")),
        "read" => Access::READ,
        "write" => Access::WRITE,
        "readwrite" => Access::READ_WRITE,
        "deny" => Access::DENY,
        // Without a word for the access it is read and write, and the topic has no space.
        _ if filter.is_empty() => return Ok((Access::READ_WRITE, word)),
        _ => return Err(format!("{word:?} is no access; it must be read, write, readwrite or deny")),
    };
    if filter.is_empty() {
        return Err(format!(
            "{keyword} {word} needs a topic; for one that is called {word:?} write readwrite {word}"
        ));
    }
    Ok((access, filter))
}

/// The first word and what follows it.
fn split_word(text: &str) -> (&str, &str) {
    match text.split_once([' ', '\t']) {
        Some((word, rest)) => (word, rest.trim_start()),
        None => (text, ""),
    }
}
