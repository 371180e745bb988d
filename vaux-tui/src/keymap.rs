//! Every key, in one table: what is pressed is looked up here, and help, palette and the last line are drawn from it.

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use crate::state::{Screen, State};
use crate::theme::ThemeName;

/// What can be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    Show(Screen),
    NextScreen,
    PreviousScreen,
    Up,
    Down,
    PageUp,
    PageDown,
    Top,
    Bottom,
    Left,
    Right,
    Open,
    Back,
    Fold,
    OpenAll,
    CloseAll,
    Search,
    Palette,
    Pause,
    Subscribe,
    Unsubscribe,
    Publish,
    Copy,
    Export,
    Mouse,
    Help,
    Quit,
    Suspend,
    View,
    NextNumber,
    Sort,
    Reverse,
    Kick,
    Why,
    Trace,
    Refresh,
    Play,
    SeekBack,
    SeekForward,
    Slower,
    Faster,
    Theme(ThemeName),
}

/// Where a key means something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Anywhere,
    /// On these screens.
    Screens(&'static [Screen]),
    /// On Topics, but not in a recording, where the key plays.
    Folding,
    /// With a broker.
    Broker,
    /// With a broker, unless nothing may be changed.
    Writing,
    /// On Subscriptions with a broker that answers.
    Answering,
    /// On Sessions with a broker that answers.
    Asking,
    /// On Sessions with a broker that answers, unless nothing may be changed.
    Managing,
    /// In a recording.
    Recording,
}

/// A line of the table.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Binding {
    keys: &'static [(KeyCode, KeyModifiers)],
    /// How the keys are written in help.
    pub(crate) shown: &'static str,
    pub(crate) action: Action,
    place: Place,
    /// The name in the palette. Empty: not there.
    pub(crate) name: &'static str,
    /// What it does, for help.
    pub(crate) help: &'static str,
}

const NONE: KeyModifiers = KeyModifiers::NONE;
const CONTROL: KeyModifiers = KeyModifiers::CONTROL;

/// A plain character.
const fn key(character: char) -> (KeyCode, KeyModifiers) {
    (KeyCode::Char(character), NONE)
}

const fn code(code: KeyCode) -> (KeyCode, KeyModifiers) {
    (code, NONE)
}

const fn bind(
    keys: &'static [(KeyCode, KeyModifiers)],
    shown: &'static str,
    action: Action,
    place: Place,
    name: &'static str,
    help: &'static str,
) -> Binding {
    Binding { keys, shown, action, place, name, help }
}

use Place::{Answering, Anywhere, Asking, Broker, Folding, Managing, Recording, Screens, Writing};
use Screen::{Inspect, Log, Overview, Sessions, Subscriptions, Topics};

const LISTS: Place = Screens(&[Topics, Sessions, Subscriptions, Inspect, Log]);
const DETAILED: Place = Screens(&[Topics, Sessions, Inspect, Log]);

/// The table. The first line that fits counts.
pub(crate) const KEYMAP: &[Binding] = &[
    bind(&[key('1')], "1", Action::Show(Overview), Anywhere, "overview", "Overview"),
    bind(&[key('2')], "2", Action::Show(Topics), Anywhere, "topics", "Topics"),
    bind(&[key('3')], "3", Action::Show(Sessions), Anywhere, "sessions", "Sessions"),
    bind(&[key('4')], "4", Action::Show(Subscriptions), Anywhere, "subscriptions", "Subscriptions"),
    bind(&[key('5')], "5", Action::Show(Inspect), Anywhere, "inspect", "Inspect"),
    bind(&[key('6')], "6", Action::Show(Log), Anywhere, "log", "Log"),
    bind(&[code(KeyCode::Tab)], "Tab", Action::NextScreen, Anywhere, "", "next screen"),
    bind(&[code(KeyCode::BackTab)], "Shift-Tab", Action::PreviousScreen, Anywhere, "", "screen before"),
    bind(&[key('k'), code(KeyCode::Up)], "k ↑", Action::Up, LISTS, "", "up"),
    bind(&[key('j'), code(KeyCode::Down)], "j ↓", Action::Down, LISTS, "", "down"),
    bind(
        &[key('h'), code(KeyCode::Left)],
        "h ←",
        Action::Left,
        Screens(&[Topics]),
        "",
        "close, or go to the level above",
    ),
    bind(
        &[key('l'), code(KeyCode::Right)],
        "l →",
        Action::Right,
        Screens(&[Topics]),
        "",
        "open, or go to the level below",
    ),
    bind(
        &[code(KeyCode::PageUp), (KeyCode::Char('b'), CONTROL)],
        "PgUp",
        Action::PageUp,
        LISTS,
        "",
        "a screen up",
    ),
    bind(
        &[code(KeyCode::PageDown), (KeyCode::Char('f'), CONTROL)],
        "PgDn",
        Action::PageDown,
        LISTS,
        "",
        "a screen down",
    ),
    bind(&[key('g'), code(KeyCode::Home)], "g", Action::Top, LISTS, "", "first row"),
    bind(&[key('G'), code(KeyCode::End)], "G", Action::Bottom, LISTS, "", "last row, and follow what comes"),
    bind(&[code(KeyCode::Enter)], "Enter", Action::Open, DETAILED, "", "detail"),
    bind(&[code(KeyCode::Esc)], "Esc", Action::Back, Anywhere, "", "back; drop the filter"),
    bind(&[key(' ')], "Space", Action::Play, Recording, "play", "play or stop the recording"),
    bind(&[key(' ')], "Space", Action::Fold, Folding, "", "open or close"),
    bind(&[key('E')], "E", Action::OpenAll, Screens(&[Topics]), "open all", "open all levels"),
    bind(&[key('C')], "C", Action::CloseAll, Screens(&[Topics]), "close all", "close all levels"),
    bind(
        &[key('v')],
        "v",
        Action::View,
        Screens(&[Topics, Inspect]),
        "view",
        "payload as text, JSON or Sparkplug, as diff, as bytes",
    ),
    bind(
        &[key('n')],
        "n",
        Action::NextNumber,
        Screens(&[Topics]),
        "plot next",
        "plot the next number of the payload",
    ),
    bind(&[key('o')], "o", Action::Sort, Asking, "sort", "sort by the next column"),
    bind(&[key('O')], "O", Action::Reverse, Asking, "reverse", "turn the order around"),
    bind(
        &[key('w')],
        "w",
        Action::Why,
        Asking,
        "why",
        "why were its messages dropped, its connections ended",
    ),
    bind(&[key('t')], "t", Action::Trace, Managing, "trace", "trace its packets into Log, or stop to"),
    bind(&[key('x')], "x", Action::Kick, Managing, "kick", "end its connection"),
    bind(&[key('r')], "r", Action::Refresh, Answering, "refresh", "ask again"),
    bind(
        &[key('/')],
        "/",
        Action::Search,
        LISTS,
        "filter",
        "filter: a part of the text, or a filter with + and #",
    ),
    bind(&[key(':')], ":", Action::Palette, Anywhere, "", "palette: everything by its name"),
    bind(&[key('p')], "p", Action::Pause, Broker, "pause", "pause: what comes is counted only"),
    bind(&[key('s')], "s", Action::Subscribe, Broker, "subscribe", "subscribe"),
    bind(&[key('u')], "u", Action::Unsubscribe, Broker, "unsubscribe", "unsubscribe"),
    bind(&[key('P')], "P", Action::Publish, Writing, "publish", "publish a message"),
    bind(&[key('[')], "[", Action::SeekBack, Recording, "back", "back in the recording"),
    bind(&[key(']')], "]", Action::SeekForward, Recording, "forward", "forward in the recording"),
    bind(&[key('-')], "-", Action::Slower, Recording, "slower", "half the speed"),
    bind(&[key('+'), key('=')], "+", Action::Faster, Recording, "faster", "twice the speed"),
    bind(&[key('y')], "y", Action::Copy, LISTS, "copy", "copy what is selected"),
    bind(&[key('e')], "e", Action::Export, Anywhere, "export", "write this screen to a file"),
    bind(&[key('m')], "m", Action::Mouse, Anywhere, "mouse", "mouse for the dashboard, or for the terminal"),
    bind(&[], "", Action::Theme(ThemeName::Dark), Anywhere, "theme dark", "colours for a dark terminal"),
    bind(&[], "", Action::Theme(ThemeName::Light), Anywhere, "theme light", "colours for a light terminal"),
    bind(&[], "", Action::Theme(ThemeName::Mono), Anywhere, "theme mono", "no colours"),
    bind(&[key('?'), code(KeyCode::F(1))], "?", Action::Help, Anywhere, "help", "help"),
    bind(
        &[(KeyCode::Char('z'), CONTROL)],
        "Ctrl-Z",
        Action::Suspend,
        Anywhere,
        "",
        "back to the shell for a while; fg returns",
    ),
    bind(&[key('q')], "q", Action::Quit, Anywhere, "quit", "quit"),
];

/// What a key does at present.
pub(crate) fn action(state: &State, key: KeyEvent) -> Option<Action> {
    // Upper case letters come with Shift or without, as the terminal likes.
    let modifiers = key.modifiers - KeyModifiers::SHIFT;
    let binding = available(state).find(|binding| binding.keys.contains(&(key.code, modifiers)));
    binding.map(|binding| binding.action)
}

/// What means something at present.
pub(crate) fn available(state: &State) -> impl Iterator<Item = &'static Binding> {
    KEYMAP.iter().filter(|binding| binding.is_available(state))
}

impl Binding {
    /// The keys themselves.
    #[cfg(test)]
    pub(crate) fn keys(&self) -> &'static [(KeyCode, KeyModifiers)] {
        self.keys
    }

    fn is_available(&self, state: &State) -> bool {
        let has_broker = state.replay.is_none();
        let is_session = state.screen == Sessions && state.can_ask();
        match self.place {
            Anywhere => true,
            Screens(screens) => screens.contains(&state.screen),
            Folding => state.screen == Topics && has_broker,
            Broker => has_broker,
            Writing => has_broker && !state.settings.read_only,
            Answering => state.screen == Subscriptions && state.can_ask(),
            Asking => is_session,
            Managing => is_session && !state.settings.read_only,
            Recording => !has_broker,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The table of keys as the documentation has it.
    fn table() -> String {
        let mut table = String::from("| Key | Where | What |\n|---|---|---|\n");
        for binding in KEYMAP.iter().filter(|binding| !binding.shown.is_empty()) {
            let place = match binding.place {
                Screens(screens) if screens == [Topics, Sessions, Subscriptions, Inspect, Log] => {
                    "lists".to_owned()
                }
                Screens(screens) => screens.iter().map(|screen| screen.name()).collect::<Vec<_>>().join(", "),
                Folding => "Topics".to_owned(),
                Broker => "with a broker".to_owned(),
                Writing => "with a broker, not with `--read-only`".to_owned(),
                Answering => "Subscriptions".to_owned(),
                Asking => "Sessions".to_owned(),
                Managing => "Sessions, not with `--read-only`".to_owned(),
                Recording => "in a recording".to_owned(),
                Anywhere => String::new(),
            };
            table.push_str(&format!("| `{}` | {place} | {} |\n", binding.shown, binding.help));
        }
        table
    }

    #[test]
    fn the_documentation_lists_all_keys() {
        let documentation = include_str!("../../docs/dashboard.md");
        let table = table();
        assert!(documentation.contains(&table), "docs/dashboard.md is to hold:\n{table}");
    }
}
