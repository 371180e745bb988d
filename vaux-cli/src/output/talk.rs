//! What the program says besides data: errors, warnings, and with `--debug` what it does. On standard error.

use std::fmt::Display;
use std::io::Write;

use clap::Args;

use super::color::{ColorChoice, Palette};
use super::screen;

/// Flags about what the program says.
#[derive(Args, Clone, Copy, Debug, Default)]
#[command(next_help_heading = "Output")]
pub(crate) struct TalkArgs {
    /// Say what happens, on standard error
    #[arg(short, long, conflicts_with = "quiet")]
    debug: bool,
    /// Say nothing on standard error; the exit code tells
    #[arg(long)]
    quiet: bool,
    /// When to use colours
    #[arg(long, value_name = "auto|always|never", default_value = "auto", hide_possible_values = true)]
    pub(crate) color: ColorChoice,
}

/// Says things, or keeps quiet.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Talk {
    debug: bool,
    quiet: bool,
    palette: Palette,
    /// Whether a person may be typing meanwhile.
    is_in_background: bool,
}

impl TalkArgs {
    /// For commands that always say what is wrong, and nothing else.
    pub(crate) fn with_color(color: ColorChoice) -> TalkArgs {
        TalkArgs { color, ..TalkArgs::default() }
    }

    /// Whether nothing is to be said.
    pub(crate) fn is_quiet(&self) -> bool {
        self.quiet
    }

    /// How to talk.
    pub(crate) fn talk(&self) -> Talk {
        let palette = Palette::new(self.color.is_on(&std::io::stderr()));
        Talk { debug: self.debug, quiet: self.quiet, palette, is_in_background: false }
    }
}

impl Talk {
    /// Says what went wrong for good.
    pub(crate) fn error(&self, message: impl Display) {
        self.say(self.palette.error("error:"), message);
    }

    /// Says what could be done about it.
    pub(crate) fn hint(&self, message: impl Display) {
        self.say(self.palette.title("hint:"), message);
    }

    /// Says what is not as it should be.
    pub(crate) fn warning(&self, message: impl Display) {
        self.say(self.palette.error("warning:"), message);
    }

    /// Says what people should know, such as that the connection was lost.
    pub(crate) fn note(&self, message: impl Display) {
        self.say(String::new(), message);
    }

    /// Says what happens, if that was asked for.
    pub(crate) fn debug(&self, message: impl Display) {
        if self.debug {
            self.say(self.palette.dim("debug:"), message);
        }
    }

    /// The same voice, for what must be said even to those who want quiet: mistakes on the command line.
    pub(crate) fn aloud(self) -> Talk {
        Talk { quiet: false, ..self }
    }

    /// The same voice for what runs while a person may be typing.
    pub(crate) fn in_background(self) -> Talk {
        Talk { is_in_background: true, ..self }
    }

    /// The same voice with other colours.
    pub(crate) fn with_color(self, color: ColorChoice) -> Talk {
        Talk { palette: Palette::new(color.is_on(&std::io::stderr())), ..self }
    }

    /// The colours it has.
    pub(crate) fn palette(&self) -> Palette {
        self.palette
    }

    fn say(&self, mark: String, message: impl Display) {
        if self.quiet {
            return;
        }
        let space = if mark.is_empty() { "" } else { " " };
        let line = format!("{mark}{space}{message}\n");
        if self.is_in_background {
            return screen::tell(&line);
        }
        // Nobody is left to tell when standard error is closed.
        let _ = std::io::stderr().write_all(line.as_bytes());
    }
}
