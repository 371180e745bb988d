//! Completion: commands and flags by clap's definitions, values by what the shell knows.

use clap::{Arg, ArgAction, Command};

use super::connections::SeenTopics;
use super::grammar::Grammar;
use super::settings;
use super::words::{Tail, quote, tail};

/// What completion knows beside the definitions of the commands.
pub(super) struct Known {
    /// Topics that were seen.
    pub(super) topics: SeenTopics,
    /// Names of commands.
    pub(super) commands: Vec<String>,
    /// Names of connections.
    pub(super) connections: Vec<String>,
    /// Filters that are subscribed to on the connection in use.
    pub(super) subscriptions: Vec<String>,
}

/// A completion: what is shown, and what takes the place of the word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Candidate {
    pub(super) shown: String,
    pub(super) replacement: String,
}

/// What a line can go on with.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Completion {
    /// One of these, from this byte on.
    Words(usize, Vec<Candidate>),
    /// The name of a file.
    File,
}

/// What can stand at a place.
enum Kind<'a> {
    /// One of these.
    Words(Vec<String>),
    /// A value of this.
    Argument(&'a Arg),
}

/// Completes the word at the end of a line.
pub(super) fn complete(line: &str, grammar: &Grammar, known: &Known) -> Completion {
    let Some(tail) = tail(line) else { return Completion::Words(line.len(), Vec::new()) };
    // `--flag=value` and `-fvalue` are completed behind the flag.
    let (command, depth) = grammar.innermost(&tail.before);
    let attached = attached_value(command, &tail);
    let (prefix_len, kind) = match &attached {
        Some((len, argument)) => (*len, Kind::Argument(argument)),
        None => (0, kind_of(command, depth, &tail)),
    };
    let (prefix, begun) = tail.word.split_at(prefix_len);
    let (words, is_topic) = match kind {
        Kind::Words(words) => (words, false),
        Kind::Argument(argument) => match values(argument, known, begun) {
            Some(words) => (words, matches!(value_name(argument), "TOPIC" | "FILTER")),
            None => return Completion::File,
        },
    };
    let mut candidates: Vec<_> = words
        .into_iter()
        .filter(|word| word.starts_with(begun))
        .map(|word| candidate(&format!("{prefix}{word}"), prefix_len, is_topic, &tail))
        .collect();
    candidates.sort_by(|one, other| one.shown.cmp(&other.shown));
    candidates.dedup();
    Completion::Words(tail.start, candidates)
}

/// A topic that goes on behind its last level is not ended.
fn candidate(word: &str, prefix_len: usize, is_topic: bool, tail: &Tail) -> Candidate {
    let is_open = is_topic && word.ends_with('/');
    let mut replacement = quote(word, tail.quote, is_open);
    if is_open && tail.quote.is_none() && replacement.starts_with('\'') && !word.starts_with('\'') {
        // It has come into quotes, which are still to be ended.
        replacement = quote(word, Some('\''), true);
    }
    if !is_open {
        replacement.push(' ');
    }
    let shown = &word[prefix_len..];
    let level = match shown.trim_end_matches('/').rfind('/') {
        Some(slash) if is_topic => slash + 1,
        _ => 0,
    };
    Candidate { shown: shown[level..].to_owned(), replacement }
}

/// The flag that the word begins with, when its value follows in the same word.
fn attached_value<'a>(command: &'a Command, tail: &Tail) -> Option<(usize, &'a Arg)> {
    let word = &tail.word;
    if let Some((long, _)) = word.strip_prefix("--").and_then(|rest| rest.split_once('=')) {
        let argument = command.get_arguments().find(|argument| argument.get_long() == Some(long))?;
        return takes_value(argument).then_some((long.len() + 3, argument));
    }
    let short = word.strip_prefix('-')?.chars().next().filter(|short| *short != '-')?;
    let len = 1 + short.len_utf8();
    let argument = command.get_arguments().find(|argument| argument.get_short() == Some(short))?;
    (word.len() > len && takes_value(argument)).then_some((len, argument))
}

fn kind_of<'a>(command: &'a Command, depth: usize, tail: &Tail) -> Kind<'a> {
    if let Some(argument) = tail.before.last().and_then(|word| flag(command, word))
        && takes_value(argument)
    {
        return Kind::Argument(argument);
    }
    let is_beginning = tail.before.len() == depth;
    if tail.word.starts_with('-') && tail.quote.is_none() {
        return Kind::Words(flags(command));
    }
    if is_beginning && command.has_subcommands() {
        let names = command.get_subcommands().map(|command| command.get_name().to_owned());
        return Kind::Words(names.collect());
    }
    let index = positionals_before(command, &tail.before[depth..]);
    let mut positionals: Vec<_> = command.get_positionals().collect();
    positionals.sort_by_key(|argument| argument.get_index());
    // The last one may stand more than once.
    match positionals.get(index).or_else(|| positionals.last().filter(|last| is_repeated(last))) {
        Some(argument) => Kind::Argument(argument),
        None => Kind::Words(Vec::new()),
    }
}

/// How many of the words are neither flags nor values of flags.
fn positionals_before(command: &Command, words: &[String]) -> usize {
    let (mut count, mut is_value) = (0, false);
    for word in words {
        if std::mem::take(&mut is_value) {
            continue;
        }
        if word.starts_with('-') && word.len() > 1 {
            is_value = flag(command, word).is_some_and(takes_value);
        } else {
            count += 1;
        }
    }
    count
}

fn is_repeated(argument: &Arg) -> bool {
    matches!(argument.get_action(), ArgAction::Append)
}

fn takes_value(argument: &Arg) -> bool {
    argument.get_action().takes_values()
}

/// The flag that a word is.
fn flag<'a>(command: &'a Command, word: &str) -> Option<&'a Arg> {
    command.get_arguments().find(|argument| match word.strip_prefix("--") {
        Some(long) => argument.get_long() == Some(long),
        None => {
            let mut characters = word.strip_prefix('-').unwrap_or_default().chars();
            argument.get_short().is_some()
                && argument.get_short() == characters.next()
                && characters.next().is_none()
        }
    })
}

fn flags(command: &Command) -> Vec<String> {
    let shown =
        command.get_arguments().filter(|argument| !argument.is_hide_set() && !argument.is_positional());
    shown
        .flat_map(|argument| {
            let long = argument.get_long().map(|long| format!("--{long}"));
            // A short one alone is quicker typed than completed.
            long.or_else(|| argument.get_short().map(|short| format!("-{short}")))
        })
        .collect()
}

/// What a flag or a positional argument can be, `None` for the name of a file.
fn values(argument: &Arg, known: &Known, begun: &str) -> Option<Vec<String>> {
    let possible: Vec<_> =
        argument.get_possible_values().iter().map(|value| value.get_name().to_owned()).collect();
    if !possible.is_empty() {
        return Some(possible);
    }
    let list = |words: &[&str]| Some(words.iter().map(|word| (*word).to_owned()).collect());
    match value_name(argument) {
        "TOPIC" | "FILTER" => Some(topics(known, begun)),
        "FILE" | "DIR" | "FILE|-" | "PATH" | "FILE|-|HEX" => None,
        "QOS" => list(&["0", "1", "2"]),
        "CONNECTION" => Some(known.connections.clone()),
        "SUBSCRIPTION" => Some(known.subscriptions.clone()),
        "COMMAND" => Some(known.commands.clone()),
        "SETTING" => Some(settings::NAMES.iter().map(|(name, _)| (*name).to_owned()).collect()),
        names if names.contains('|') => list(&names.split('|').collect::<Vec<_>>()),
        _ => Some(Vec::new()),
    }
}

fn value_name(argument: &Arg) -> &str {
    let names = argument.get_value_names();
    names.and_then(|names| names.first()).map(|name| name.as_str()).unwrap_or_default()
}

fn topics(known: &Known, begun: &str) -> Vec<String> {
    known.topics.lock().unwrap_or_else(std::sync::PoisonError::into_inner).complete(begun)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What each of the candidates would make of the line, and how it is shown.
    fn completed(line: &str) -> Vec<String> {
        let known = Known {
            topics: SeenTopics::default(),
            commands: Grammar::new().names(),
            connections: vec!["localhost".into(), "plant".into()],
            subscriptions: vec!["room/#".into()],
        };
        for topic in ["room/1/t", "room/2", "my room/x", "it's"] {
            known.topics.lock().unwrap().note(topic);
        }
        match complete(line, &Grammar::new(), &known) {
            Completion::File => vec!["FILE".into()],
            Completion::Words(start, candidates) => {
                let words = candidates.into_iter();
                words.map(|word| format!("{}{}[{}]", &line[..start], word.replacement, word.shown)).collect()
            }
        }
    }

    #[test]
    fn commands_and_their_flags_come_from_their_definitions() {
        assert_eq!(completed("re"), ["record [record]", "replay [replay]", "retained [retained]"]);
        assert_eq!(completed("ls; retained e"), ["ls; retained export [export]"]);
        assert_eq!(completed("get --ver"), ["get --verbose [--verbose]"]);
        assert_eq!(completed("get --ho"), [""; 0], "the connection is the shell's");
        assert_eq!(completed("connect --ho"), ["connect --host [--host]"]);
        assert_eq!(completed("pub --encoding b"), ["pub --encoding base64 [base64]"]);
        assert_eq!(completed("pub --encoding=b"), ["pub --encoding=base64 [base64]"]);
        assert_eq!(completed("help ret"), ["help retained [retained]"]);
        assert_eq!(completed("pub -f "), ["FILE"]);
        assert_eq!(completed("decode x"), ["FILE"]);
        assert_eq!(completed("nonsense --x"), [""; 0]);
    }

    #[test]
    fn topics_are_completed_level_by_level_and_quoted() {
        assert_eq!(completed("sub -t ro"), ["sub -t room/[room/]"]);
        assert_eq!(completed("sub -troom/"), ["sub -troom/1/[1/]", "sub -troom/2 [2]"]);
        assert_eq!(completed("sub -v -t 'room/1/"), ["sub -v -t 'room/1/t' [t]"]);
        assert_eq!(completed("watch my"), ["watch 'my room/[my room/]"]);
        assert_eq!(completed("get -t it"), [r"get -t 'it'\''s' [it's]"]);
        assert_eq!(completed("get -m x -C"), [""; 0]);
    }

    #[test]
    fn names_are_completed_where_they_are_meant() {
        assert_eq!(completed("use "), ["use localhost [localhost]", "use plant [plant]"]);
        assert_eq!(completed("unsub "), ["unsub room/# [room/#]"]);
        assert_eq!(completed("set q"), ["set qos [qos]"]);
        assert_eq!(completed("use plant "), [""; 0]);
    }
}
