//! Printing the configuration as a file that reads back to the same.

use std::fmt::Write as _;

use super::codec::Codec;
use super::keys::{self, Keys};
use super::{Config, ListenerConfig};

impl Config {
    /// The whole configuration as TOML, each key with its value and a comment.
    pub fn to_toml(&self) -> String {
        let mut writer = Writer { text: HEAD.into(), section: String::new() };
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
}

impl Writer {
    fn line(&mut self, setting: &str, comment: &str) {
        match comment {
            "" => writeln!(self.text, "{setting}"),
            comment => writeln!(self.text, "{setting:<COMMENT_COLUMN$} # {comment}"),
        }
        .expect("a String takes any text");
    }
}

impl Keys for Writer {
    fn key<T>(&mut self, name: &'static str, value: &mut T, codec: impl Codec<T>, comment: &'static str) {
        match codec.write(value) {
            Some(value) => self.line(&format!("{name} = {value}"), comment),
            None => self.line(&format!("# {name} ="), comment),
        }
    }

    fn section(&mut self, name: &'static str, keys: impl FnOnce(&mut Self)) {
        let outer = self.section.clone();
        self.section = if outer.is_empty() { name.into() } else { format!("{outer}.{name}") };
        let heading = format!("\n[{}]", self.section);
        self.line(&heading, "");
        keys(self);
        self.section = outer;
    }

    fn listeners(&mut self, listeners: &mut Vec<ListenerConfig>) {
        for listener in listeners {
            self.line("\n[[listener]]", "");
            self.section = "listener".into();
            keys::listener_kind(self, &mut listener.kind);
            keys::listener(self, listener);
        }
        self.section.clear();
    }
}
