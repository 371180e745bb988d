//! Printing the configuration as a file that reads back to the same.

use std::collections::VecDeque;
use std::fmt::Write as _;

use super::codec::Codec;
use super::keys::{self, Keys};
use super::{Config, ListenerConfig};

impl Config {
    /// The whole configuration as TOML, each key with its value and a comment.
    pub fn to_toml(&self) -> String {
        self.write(HEAD, None)
    }

    /// The listeners, each with its kind and address, and what is not as it is by default, as TOML.
    pub fn to_short_toml(&self) -> String {
        let mut defaults = Values::default();
        keys::all(&mut defaults, &mut Config::default());
        self.write("", Some(defaults))
    }

    fn write(&self, head: &str, defaults: Option<Values>) -> String {
        let mut writer = Writer { text: head.into(), section: String::new(), heading: None, defaults };
        keys::all(&mut writer, &mut self.clone());
        writer.text
    }
}

const HEAD: &str = "# Configuration of vaux-broker: every key and its value.
# Durations have a unit: ms, s, m, h or d. Sizes are bytes, or have a unit: B, KiB, MiB, GiB or TiB.
# A key that is commented out has no value.

";

/// Where comments begin, when the value leaves room.
const COMMENT_COLUMN: usize = 40;

struct Writer {
    text: String,
    section: String,
    /// Of the present section, until a key of it is written.
    heading: Option<String>,
    /// What need not be written. `None`: everything is.
    defaults: Option<Values>,
}

/// Values in the order of their keys, as they would be written.
#[derive(Default)]
struct Values(VecDeque<Option<String>>);

impl Writer {
    fn line(&mut self, setting: &str, comment: &str) {
        match comment {
            "" => writeln!(self.text, "{setting}"),
            comment => writeln!(self.text, "{setting:<COMMENT_COLUMN$} # {comment}"),
        }
        .expect("a String takes any text");
    }

    fn heading(&mut self) {
        if let Some(heading) = self.heading.take() {
            // What is written is no longer than it has to be: its first line is not empty.
            let space = if self.text.is_empty() { "" } else { "\n" };
            self.line(&format!("{space}{heading}"), "");
        }
    }

    fn listener(&mut self, listener: &mut ListenerConfig, number: usize) {
        let all = self.defaults.take();
        if all.is_some() {
            let mut defaults = Values::default();
            let mut default = ListenerConfig::new(listener.kind);
            default.name = ListenerConfig::default_name(number);
            keys::listener(&mut defaults, &mut default);
            self.defaults = Some(defaults);
        }
        self.section = "listener".into();
        self.heading = Some("[[listener]]".into());
        self.heading();
        // Other defaults hang on the kind.
        let defaults = self.defaults.take();
        keys::listener_kind(self, &mut listener.kind);
        self.defaults = defaults;
        keys::listener(self, listener);
        self.defaults = all;
    }
}

impl Keys for Writer {
    fn key<T>(&mut self, name: &'static str, value: &mut T, codec: impl Codec<T>, comment: &'static str) {
        let value = codec.write(value);
        if let Some(defaults) = &mut self.defaults {
            let is_default = defaults.0.pop_front().as_ref() == Some(&value);
            // Where a listener is need not be guessed.
            if is_default && (&*self.section, name) != ("listener", "bind") {
                return;
            }
        }
        self.heading();
        match value {
            Some(value) => self.line(&format!("{name} = {value}"), comment),
            None => self.line(&format!("# {name} ="), comment),
        }
    }

    fn section(&mut self, name: &'static str, keys: impl FnOnce(&mut Self)) {
        let outer = self.section.clone();
        self.section = if outer.is_empty() { name.into() } else { format!("{outer}.{name}") };
        self.heading = Some(format!("[{}]", self.section));
        if self.defaults.is_none() {
            self.heading();
        }
        keys(self);
        self.heading = None;
        self.section = outer;
    }

    fn listeners(&mut self, listeners: &mut Vec<ListenerConfig>) {
        for (index, listener) in listeners.iter_mut().enumerate() {
            self.listener(listener, index + 1);
        }
        self.section.clear();
    }
}

impl Keys for Values {
    fn key<T>(&mut self, _name: &'static str, value: &mut T, codec: impl Codec<T>, _comment: &'static str) {
        self.0.push_back(codec.write(value));
    }

    fn section(&mut self, _name: &'static str, keys: impl FnOnce(&mut Self)) {
        keys(self);
    }

    fn listeners(&mut self, _listeners: &mut Vec<ListenerConfig>) {}
}
