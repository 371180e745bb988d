//! Reading the file. An unknown key or a wrong value is an error that names the line.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::codec::Codec;
use super::keys::{self, Keys};
use super::{Config, ConfigError, ListenerConfig, ListenerKind, check};

impl Config {
    /// Reads a configuration file. What it does not set keeps its default; without a `[[listener]]` there is none.
    ///
    /// # Errors
    ///
    /// The first mistake in the file.
    pub fn from_toml(text: &str) -> Result<Config, ConfigError> {
        let table = DeTable::parse(text).map_err(|error| syntax_error(text, &error))?;
        let mut reader = Reader { scope: Scope::new(String::new(), table.into_inner()), problem: None };
        let mut config = Config::default();
        keys::all(&mut reader, &mut config);
        reader.leave();
        match reader.problem {
            Some(problem) => {
                Err(ConfigError { line: Some(line_of(text, problem.span.start)), message: problem.message })
            }
            None => Ok(config),
        }
    }
}

/// What the TOML parser has to say, with the words that it speaks of.
fn syntax_error(text: &str, error: &toml::de::Error) -> ConfigError {
    let message = error.message().lines().collect::<Vec<_>>().join(", ");
    let line = error.span().map(|span| line_of(text, span.start));
    let words = error
        .span()
        .and_then(|span| text.get(span))
        .filter(|words| !words.is_empty() && words.len() <= 40 && !words.contains(char::is_control));
    match words {
        Some(words) => ConfigError { line, message: format!("{message}: {words}") },
        None => ConfigError { line, message },
    }
}

fn line_of(text: &str, offset: usize) -> usize {
    1 + text.bytes().take(offset).filter(|byte| *byte == b'\n').count()
}

struct Reader<'i> {
    scope: Scope<'i>,
    /// The mistake nearest to the beginning of the file.
    problem: Option<Problem>,
}

/// A section while its keys are taken out.
struct Scope<'i> {
    /// What messages call it: empty for the top of the file.
    name: String,
    /// What has not been taken yet.
    rest: DeTable<'i>,
    known: Vec<&'static str>,
}

struct Problem {
    span: Range<usize>,
    message: String,
}

impl<'i> Scope<'i> {
    fn new(name: String, rest: DeTable<'i>) -> Scope<'i> {
        Scope { name, rest, known: Vec::new() }
    }
}

impl<'i> Reader<'i> {
    fn take(&mut self, name: &'static str) -> Option<Spanned<DeValue<'i>>> {
        self.scope.known.push(name);
        self.scope.rest.remove(name)
    }

    fn report(&mut self, span: Range<usize>, message: String) {
        if self.problem.as_ref().is_none_or(|problem| span.start < problem.span.start) {
            self.problem = Some(Problem { span, message });
        }
    }

    /// Walks `keys` over another section and comes back to the present one.
    fn within<R>(&mut self, scope: Scope<'i>, keys: impl FnOnce(&mut Self) -> R) -> R {
        let outer = std::mem::replace(&mut self.scope, scope);
        let result = keys(self);
        self.leave();
        self.scope = outer;
        result
    }

    /// Reports what nobody took out of the present section.
    fn leave(&mut self) {
        for (key, value) in std::mem::take(&mut self.scope.rest) {
            let message = unknown(key.get_ref(), value.get_ref(), &self.scope);
            self.report(key.span(), message);
        }
    }

    fn listener(&mut self, number: usize) -> ListenerConfig {
        let mut kind = ListenerKind::Tls;
        keys::listener_kind(self, &mut kind);
        let mut listener = ListenerConfig::new(kind);
        listener.name = ListenerConfig::default_name(number);
        keys::listener(self, &mut listener);
        for (section, has_section) in [("tls", kind.has_tls()), ("ws", kind.has_web_socket())] {
            if !has_section && let Some(found) = self.take(section) {
                let message = format!("a listener of kind \"{kind}\" has no {section} section");
                self.report(found.span(), message);
            }
        }
        listener
    }
}

impl Keys for Reader<'_> {
    fn key<T>(&mut self, name: &'static str, value: &mut T, codec: impl Codec<T>, _comment: &'static str) {
        let Some(found) = self.take(name) else { return };
        match codec.read(found.get_ref()).and_then(|read| codec.check(&read).map(|()| read)) {
            Ok(read) => *value = read,
            Err(problem) => self.report(found.span(), format!("{name} {problem}")),
        }
    }

    fn section(&mut self, name: &'static str, keys: impl FnOnce(&mut Self)) {
        let table = match self.take(name).map(|value| (value.span(), value.into_inner())) {
            Some((_, DeValue::Table(table))) => table,
            Some((span, _)) => {
                return self.report(span, format!("{name} is a section; write [{name}] and its keys below"));
            }
            // The keys are walked all the same: an absent section has nothing that could be wrong.
            None => DeTable::new(),
        };
        let full_name = match self.scope.name.as_str() {
            "" => format!("[{name}]"),
            outer => format!("[{}.{name}]", outer.trim_matches(['[', ']'])),
        };
        self.within(Scope::new(full_name, table), keys);
    }

    fn listeners(&mut self, listeners: &mut Vec<ListenerConfig>) {
        let Some(found) = self.take("listener") else { return };
        let span = found.span();
        let DeValue::Array(list) = found.into_inner() else {
            return self.report(span, "listener is a list; write [[listener]] with two brackets".into());
        };
        for element in list {
            let span = element.span();
            let DeValue::Table(table) = element.into_inner() else {
                return self.report(span, "listener is a list of sections; write [[listener]]".into());
            };
            let number = listeners.len() + 1;
            let scope = Scope::new("[[listener]]".into(), table);
            listeners.push(self.within(scope, |reader| reader.listener(number)));
            let problem =
                check::name_problem(listeners).or_else(|| check::listener_problem(&listeners[number - 1]));
            if let Some(problem) = problem {
                self.report(span, problem);
            }
        }
    }
}

fn unknown(key: &str, value: &DeValue<'_>, scope: &Scope<'_>) -> String {
    let place = if scope.name.is_empty() { String::new() } else { format!(" in {}", scope.name) };
    let what = match value {
        DeValue::Table(_) => "section",
        DeValue::Array(list) if list.iter().any(|element| element.get_ref().is_table()) => "section",
        _ => "key",
    };
    let near = scope
        .known
        .iter()
        .map(|known| (strsim::jaro(key, known), known))
        .filter(|(similarity, _)| *similarity > 0.8)
        .max_by(|(a, _), (b, _)| a.total_cmp(b));
    match near {
        Some((_, near)) => format!("unknown {what} {key:?}{place}; did you mean {near:?}?"),
        None => format!("unknown {what} {key:?}{place}"),
    }
}
