//! Everything the dashboard knows. Nothing here reads a clock, a socket or a terminal.

pub(crate) mod cursor;
pub(crate) mod form;
pub(crate) mod inspect;
pub(crate) mod line;
pub(crate) mod log;
mod order;
pub(crate) mod overview;
pub(crate) mod payload;
pub(crate) mod replay;
pub(crate) mod scroll;
pub(crate) mod search;
pub(crate) mod series;
pub(crate) mod sessions;
pub(crate) mod subscriptions;
pub(crate) mod topics;

use std::collections::BTreeSet;

use ratatui::layout::Size;
use vaux_client::Version;

use crate::theme::{Glyphs, Theme, ThemeName};
use form::PublishForm;
use line::Line;
use log::{LogEntry, Weight};
use scroll::Scroll;

/// What was asked for at the start.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The broker, as a URL.
    pub server: String,
    /// The version that is spoken with it.
    pub version: Version,
    /// What to subscribe to.
    pub filters: Vec<String>,
    /// The colours.
    pub theme: ThemeName,
    /// Whether only ASCII is drawn.
    pub ascii: bool,
    /// Whether nothing may be changed: no messages published, no clients kicked.
    pub read_only: bool,
}

/// The screens, in their order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Screen {
    #[default]
    Overview,
    Topics,
    Sessions,
    Subscriptions,
    Inspect,
    Log,
}

/// All screens.
pub(crate) const SCREENS: [Screen; 6] =
    [Screen::Overview, Screen::Topics, Screen::Sessions, Screen::Subscriptions, Screen::Inspect, Screen::Log];

impl Screen {
    /// The name.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Screen::Overview => "Overview",
            Screen::Topics => "Topics",
            Screen::Sessions => "Sessions",
            Screen::Subscriptions => "Subscriptions",
            Screen::Inspect => "Inspect",
            Screen::Log => "Log",
        }
    }
}

/// What kind of broker it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Not known yet; asked since then.
    #[default]
    Unknown,
    /// vaux, and it tells us all.
    Vaux,
    /// Another one, or vaux that does not tell us: its tree below `$SYS` is all there is.
    Tree,
}

/// How the connection is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Link {
    Connected,
    /// Lost, and when it is tried again.
    Lost {
        reason: String,
        retry_at: Option<u64>,
        attempt: u32,
    },
    /// Lost for good.
    Ended {
        reason: String,
    },
}

/// What keys go to.
#[derive(Clone, Debug, Default)]
pub(crate) enum Mode {
    #[default]
    Normal,
    /// A line is typed.
    Prompt(Prompt, Line),
    /// The palette: what is typed, and which of what it finds is selected.
    Palette(Line, usize),
    Help(Scroll),
    /// Whether to end this client's connection.
    ConfirmKick {
        client_id: String,
        mount: Option<String>,
    },
    Publish(PublishForm),
}

/// What a typed line is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Prompt {
    Search,
    Subscribe,
    Unsubscribe,
    Export,
}

/// Something to be told for a while.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Notice {
    pub(crate) text: String,
    pub(crate) is_error: bool,
    pub(crate) until: u64,
}

/// All of it.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) settings: Settings,
    pub(crate) theme: Theme,
    pub(crate) glyphs: Glyphs,
    /// In milliseconds since 1970, in a recording that of the recording.
    pub(crate) now: u64,
    /// The clock outside of a recording.
    pub(crate) clock: u64,
    pub(crate) size: Size,
    pub(crate) screen: Screen,
    pub(crate) mode: Mode,
    /// Whether the detail of what is selected takes the whole screen.
    pub(crate) is_detail: bool,
    pub(crate) link: Link,
    pub(crate) kind: Kind,
    /// Since when it is asked what kind of broker it is.
    pub(crate) asked_at: u64,
    /// What the broker calls itself.
    pub(crate) broker_version: Option<String>,
    pub(crate) overview: overview::Overview,
    pub(crate) topics: topics::Topics,
    pub(crate) payload_view: payload::PayloadView,
    /// Which number of the payload is plotted.
    pub(crate) plotted: usize,
    pub(crate) sessions: sessions::Sessions,
    /// Whether sessions are subscribed to.
    pub(crate) watches_sessions: bool,
    /// Whether the busiest are subscribed to.
    pub(crate) watches_top: bool,
    /// Clients whose packets are traced.
    pub(crate) traced: BTreeSet<String>,
    pub(crate) subscriptions: subscriptions::Subscriptions,
    pub(crate) inspect: inspect::Inspect,
    pub(crate) log: log::Log,
    /// What the user subscribed to.
    pub(crate) filters: Vec<String>,
    pub(crate) is_paused: bool,
    /// What came while paused.
    pub(crate) passed_by: u64,
    pub(crate) has_mouse: bool,
    pub(crate) notice: Option<Notice>,
    pub(crate) replay: Option<replay::Replay>,
}

/// How long a notice stays.
const NOTICE_MS: u64 = 5000;

impl State {
    /// The beginning.
    pub(crate) fn new(settings: Settings, clock: u64) -> State {
        State {
            theme: Theme::new(settings.theme),
            glyphs: Glyphs::new(settings.ascii),
            now: clock,
            clock,
            size: Size::new(80, 24),
            screen: Screen::default(),
            mode: Mode::default(),
            is_detail: false,
            link: Link::Connected,
            kind: Kind::default(),
            asked_at: clock,
            broker_version: None,
            overview: overview::Overview::default(),
            topics: topics::Topics::new(topics::BUDGET_BYTES),
            payload_view: payload::PayloadView::default(),
            plotted: 0,
            sessions: sessions::Sessions::default(),
            watches_sessions: false,
            watches_top: false,
            traced: BTreeSet::new(),
            subscriptions: subscriptions::Subscriptions::default(),
            inspect: inspect::Inspect::new(),
            log: log::Log::new(),
            filters: settings.filters.clone(),
            is_paused: false,
            passed_by: 0,
            has_mouse: true,
            notice: None,
            replay: None,
            settings,
        }
    }

    /// Whether the broker answers requests of operators.
    pub(crate) fn can_ask(&self) -> bool {
        self.replay.is_none() && self.kind == Kind::Vaux && self.settings.version == Version::V5
    }

    /// Tells something for a while.
    pub(crate) fn tell(&mut self, text: impl Into<String>) {
        self.notice =
            Some(Notice { text: text.into(), is_error: false, until: self.clock.saturating_add(NOTICE_MS) });
    }

    /// Tells for a while what went wrong.
    pub(crate) fn complain(&mut self, text: impl Into<String>) {
        self.notice = Some(Notice {
            text: text.into(),
            is_error: true,
            until: self.clock.saturating_add(2 * NOTICE_MS),
        });
    }

    /// Adds a line of our own to the log.
    pub(crate) fn note(&mut self, weight: Weight, kind: &str, text: impl Into<String>) {
        let text = text.into();
        let whole = text.clone();
        let entry = LogEntry {
            time: clock_time(self.now),
            weight,
            kind: kind.to_owned(),
            client_id: String::new(),
            text,
            whole,
        };
        self.log.push(entry);
    }
}

/// `09:14:02` of a time in milliseconds since 1970, as the broker's events have it: in UTC.
pub(crate) fn clock_time(ms: u64) -> String {
    let s = ms / 1000;
    format!("{:02}:{:02}:{:02}", s / 3600 % 24, s / 60 % 60, s % 60)
}
