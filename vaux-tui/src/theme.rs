//! Colours and signs. A state is told by its sign; colours only help.

use ratatui::style::{Color, Modifier, Style};
use ratatui::symbols::border;

/// The themes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ThemeName {
    /// For a dark terminal.
    #[default]
    Dark,
    /// For a light terminal.
    Light,
    /// Without colours.
    Mono,
}

/// The styles of a theme.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Theme {
    pub(crate) title: Style,
    pub(crate) dim: Style,
    pub(crate) good: Style,
    pub(crate) warning: Style,
    pub(crate) bad: Style,
    pub(crate) accent: Style,
    pub(crate) second: Style,
    pub(crate) selected: Style,
    pub(crate) bar: Style,
    /// The colours that fields of a packet take in turn.
    pub(crate) fields: [Style; 6],
}

impl Theme {
    /// The styles of a theme.
    pub(crate) fn new(name: ThemeName) -> Theme {
        let plain = Style::new();
        let color = |color| plain.fg(color);
        let bold = plain.add_modifier(Modifier::BOLD);
        let mono = Theme {
            title: bold,
            dim: plain.add_modifier(Modifier::DIM),
            good: plain,
            warning: bold,
            bad: bold.add_modifier(Modifier::UNDERLINED),
            accent: bold,
            second: plain,
            selected: plain.add_modifier(Modifier::REVERSED),
            bar: plain.add_modifier(Modifier::REVERSED),
            fields: [plain; 6],
        };
        match name {
            ThemeName::Mono => mono,
            ThemeName::Dark => Theme {
                dim: color(Color::DarkGray),
                good: color(Color::Green),
                warning: color(Color::Yellow),
                bad: color(Color::LightRed).add_modifier(Modifier::BOLD),
                accent: color(Color::Cyan),
                second: color(Color::Magenta),
                selected: plain.bg(Color::Blue).fg(Color::White).add_modifier(Modifier::BOLD),
                bar: plain.bg(Color::Indexed(236)).fg(Color::White),
                fields: FIELDS.map(color),
                ..mono
            },
            ThemeName::Light => Theme {
                dim: color(Color::Gray),
                good: color(Color::Green),
                warning: color(Color::Red),
                bad: color(Color::Red).add_modifier(Modifier::BOLD),
                accent: color(Color::Blue),
                second: color(Color::Magenta),
                selected: plain.bg(Color::Cyan).fg(Color::Black).add_modifier(Modifier::BOLD),
                bar: plain.bg(Color::Indexed(254)).fg(Color::Black),
                fields: FIELDS.map(color),
                ..mono
            },
        }
    }
}

const FIELDS: [Color; 6] =
    [Color::Cyan, Color::Yellow, Color::Magenta, Color::Green, Color::Blue, Color::LightCyan];

/// The signs, each one column wide.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Glyphs {
    pub(crate) connected: &'static str,
    pub(crate) offline: &'static str,
    pub(crate) lost: &'static str,
    pub(crate) paused: &'static str,
    pub(crate) playing: &'static str,
    pub(crate) good: &'static str,
    pub(crate) plain: &'static str,
    pub(crate) warning: &'static str,
    pub(crate) open: &'static str,
    pub(crate) closed: &'static str,
    pub(crate) leaf: &'static str,
    pub(crate) up: &'static str,
    pub(crate) down: &'static str,
    pub(crate) retained: &'static str,
    pub(crate) selected: &'static str,
    pub(crate) more: &'static str,
    pub(crate) dot: &'static str,
    pub(crate) line: &'static str,
    /// From nothing to full.
    pub(crate) bars: [&'static str; 9],
    pub(crate) border: border::Set<'static>,
}

impl Glyphs {
    /// With the characters of ASCII only, or with all that terminals know.
    pub(crate) fn new(ascii: bool) -> Glyphs {
        match ascii {
            false => Glyphs {
                connected: "●",
                offline: "○",
                lost: "✕",
                paused: "‖",
                playing: "▶",
                good: "+",
                plain: "·",
                warning: "!",
                open: "▾",
                closed: "▸",
                leaf: "·",
                up: "▲",
                down: "▼",
                retained: "◆",
                selected: "▌",
                more: "…",
                dot: "·",
                line: "─",
                bars: [" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"],
                border: border::ROUNDED,
            },
            true => Glyphs {
                connected: "*",
                offline: "o",
                lost: "x",
                paused: "=",
                playing: ">",
                good: "+",
                plain: ".",
                warning: "!",
                open: "v",
                closed: ">",
                leaf: "-",
                up: "^",
                down: "v",
                retained: "R",
                selected: ">",
                more: "~",
                dot: "-",
                line: "-",
                bars: [" ", ".", ".", ":", ":", "|", "|", "#", "#"],
                border: border::Set {
                    top_left: "+",
                    top_right: "+",
                    bottom_left: "+",
                    bottom_right: "+",
                    vertical_left: "|",
                    vertical_right: "|",
                    horizontal_top: "-",
                    horizontal_bottom: "-",
                },
            },
        }
    }
}
