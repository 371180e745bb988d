//! Whether colours are wanted, and the colours.

use std::io::IsTerminal;

/// What `--color` can be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum ColorChoice {
    /// Colours on a terminal, unless NO_COLOR is set.
    #[default]
    Auto,
    /// Colours.
    Always,
    /// No colours.
    Never,
}

impl ColorChoice {
    /// Whether what is written to `stream` gets colours.
    pub(crate) fn is_on(self, stream: &impl IsTerminal) -> bool {
        match self {
            ColorChoice::Always => true,
            ColorChoice::Never => false,
            ColorChoice::Auto => {
                // Any value but the empty one counts, as no-color.org asks for.
                let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
                !no_color && stream.is_terminal()
            }
        }
    }
}

/// Paints words, or leaves them as they are.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Palette {
    is_on: bool,
}

/// The colours that fields take in turn: those that can be read on black and on white.
const FIELDS: [&str; 6] = ["36", "33", "35", "32", "34", "96"];

impl Palette {
    /// A palette that paints if `is_on`.
    pub(crate) fn new(is_on: bool) -> Palette {
        Palette { is_on }
    }

    /// Text in the colour of field `index`.
    pub(crate) fn field(self, index: usize, text: &str) -> String {
        self.paint(FIELDS[index % FIELDS.len()], text)
    }

    /// Text that names something: a packet, a file.
    pub(crate) fn title(self, text: &str) -> String {
        self.paint("1", text)
    }

    /// Text about what is wrong.
    pub(crate) fn error(self, text: &str) -> String {
        self.paint("1;31", text)
    }

    /// Text that is there for orientation, such as offsets.
    pub(crate) fn dim(self, text: &str) -> String {
        self.paint("2", text)
    }

    fn paint(self, code: &str, text: &str) -> String {
        if self.is_on && !text.is_empty() { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }
}
