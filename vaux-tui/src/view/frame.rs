//! What stands around each screen: title, names of the screens, the time line of a recording, the last line.

use ratatui::layout::Rect;
use ratatui::style::Style;
use unicode_width::UnicodeWidthStr;

use super::canvas::Canvas;
use super::layout::Areas;
use super::words::{duration, number, position};
use crate::keymap;
use crate::state::{Link, Mode, Prompt, Screen, State};

/// `vaux top  mqtts://localhost:8883 · vaux 0.1.0 · up 2 h            ● connected`
pub(super) fn title(canvas: &mut Canvas<'_>, state: &State, area: Rect) {
    if area.height == 0 {
        return;
    }
    canvas.buffer.set_style(area, canvas.theme.bar);
    let (sign, words, style) = link(canvas, state);
    let status = format!("{sign} {words} ");
    let width = (status.width() as u16).min(area.width);
    canvas.text_right(area.x, area.y, area.width, &status, style);
    let room = area.width.saturating_sub(width + 1);
    let x = canvas.text(area.x, area.y, room, " vaux top ", canvas.theme.bar.patch(canvas.theme.title));
    let room = room.saturating_sub(x - area.x);
    canvas.text(x, area.y, room, &about(state), canvas.theme.bar);
}

fn about(state: &State) -> String {
    if let Some(replay) = &state.replay {
        return format!(" recording of {}", replay.recording.broker());
    }
    let mut text = format!(" {}", state.settings.server);
    if let Some(metrics) = &state.overview.metrics {
        text.push_str(&format!(" · vaux {} · up {}", metrics.version, duration(metrics.uptime_s)));
    } else if let Some(version) = &state.broker_version {
        text.push_str(&format!(" · {version}"));
        if let Some(uptime) = state.overview.number("uptime") {
            text.push_str(&format!(" · up {}", duration(uptime as u64)));
        }
    }
    text
}

/// How the connection is: a sign, words, a style.
fn link(canvas: &Canvas<'_>, state: &State) -> (&'static str, String, Style) {
    let (glyphs, theme) = (canvas.glyphs, canvas.theme);
    let over = |style: Style| theme.bar.patch(style);
    match &state.link {
        _ if state.replay.as_ref().is_some_and(|replay| replay.is_playing) => {
            (glyphs.playing, "playing".to_owned(), over(theme.good))
        }
        _ if state.replay.is_some() => (glyphs.paused, "stopped".to_owned(), over(theme.warning)),
        Link::Connected if state.is_paused => {
            let words = format!("paused, {} passed by", number(state.passed_by));
            (glyphs.paused, words, over(theme.warning))
        }
        Link::Connected => (glyphs.connected, "connected".to_owned(), over(theme.good)),
        Link::Lost { retry_at, attempt, .. } => {
            let words = match retry_at {
                Some(at) => {
                    let ms = at.saturating_sub(state.clock);
                    format!("lost, attempt {attempt} in {} s", ms.div_ceil(1000))
                }
                None => "lost, connecting".to_owned(),
            };
            (glyphs.lost, words, over(theme.bad))
        }
        Link::Ended { .. } => (glyphs.lost, "lost for good".to_owned(), over(theme.bad)),
    }
}

/// The names of the screens.
pub(super) fn tabs(canvas: &mut Canvas<'_>, state: &State, areas: &Areas) {
    for (index, (area, screen)) in areas.names.iter().enumerate() {
        if area.height == 0 {
            return;
        }
        let is_current = *screen == state.screen;
        let is_short = usize::from(area.width) < screen.name().len() + 4;
        let text = match is_short && !is_current {
            true => format!(" {} ", index + 1),
            false => format!(" {} {} ", index + 1, screen.name()),
        };
        let style = if is_current { canvas.theme.selected } else { canvas.theme.dim };
        canvas.text(area.x, area.y, area.width, &text, style);
    }
}

/// `▶ ×2  0:42 ───────●──────────── 3:10`
pub(super) fn time_line(canvas: &mut Canvas<'_>, state: &State, area: Rect) {
    let Some(replay) = state.replay.as_ref().filter(|_| area.height > 0) else { return };
    let length_us = replay.recording.length_us();
    let line = u64::from(area.width);
    let at = (u128::from(replay.position_us) * u128::from(line.saturating_sub(1))
        / u128::from(length_us.max(1))) as u16;
    for x in 0..area.width {
        let (glyph, style) = match x.cmp(&at) {
            std::cmp::Ordering::Less => (canvas.glyphs.line, canvas.theme.accent),
            std::cmp::Ordering::Equal => (canvas.glyphs.connected, canvas.theme.accent),
            std::cmp::Ordering::Greater => (canvas.glyphs.line, canvas.theme.dim),
        };
        canvas.text(area.x + x, area.y, 1, glyph, style);
    }
}

/// The last line: what is typed, a notice, why the connection is lost, or the keys.
pub(super) fn footer(canvas: &mut Canvas<'_>, state: &State, area: Rect) {
    if area.height == 0 {
        return;
    }
    let theme = canvas.theme;
    match (&state.mode, &state.notice, &state.link) {
        (Mode::Prompt(prompt, line), _, _) => {
            let label = match prompt {
                Prompt::Search => "/",
                Prompt::Subscribe => "subscribe to: ",
                Prompt::Unsubscribe => "unsubscribe from: ",
                Prompt::Export => "write this screen to: ",
            };
            let x = canvas.text(area.x, area.y, area.width, label, theme.accent);
            typed(canvas, x, area.y, area.right().saturating_sub(x), line);
        }
        (_, Some(notice), _) => {
            let (sign, style) = match notice.is_error {
                true => (canvas.glyphs.warning, theme.bad),
                false => (canvas.glyphs.plain, theme.accent),
            };
            canvas.text(area.x, area.y, area.width, &format!("{sign} {}", notice.text), style);
        }
        (_, _, Link::Lost { reason, .. } | Link::Ended { reason }) => {
            let text = format!("{} {reason}", canvas.glyphs.lost);
            canvas.text(area.x, area.y, area.width, &text, theme.bad);
        }
        _ => keys(canvas, state, area),
    }
}

/// A line that is typed, with its cursor, scrolled so that the cursor is on the screen.
pub(super) fn typed(canvas: &mut Canvas<'_>, x: u16, y: u16, width: u16, line: &crate::state::line::Line) {
    let (before, behind) = line.parts();
    let mut before = before;
    while before.width() + 1 > usize::from(width) && !before.is_empty() {
        before = &before[before.chars().next().map_or(0, char::len_utf8)..];
    }
    let end = canvas.text(x, y, width, before, Style::new());
    let mut characters = behind.chars();
    let under = characters.next().unwrap_or(' ').to_string();
    let room = |at: u16| (x + width).saturating_sub(at);
    let next = canvas.text(end, y, room(end), &under, canvas.theme.bar);
    canvas.text(next, y, room(next), characters.as_str(), Style::new());
}

/// The keys that matter most here.
fn keys(canvas: &mut Canvas<'_>, state: &State, area: Rect) {
    let wanted: &[&str] = match state.screen {
        _ if state.is_detail => &["Esc", "j ↓", "v", "n", "y"],
        Screen::Overview => &["Tab", "p", "s", "P", ":"],
        Screen::Topics => &["Space", "Enter", "/", "s", "v", "n", "P"],
        Screen::Sessions => &["Enter", "/", "o", "O", "x", "w", "t"],
        Screen::Subscriptions => &["/", "r", "y"],
        Screen::Inspect => &["Enter", "/", "G", "v", "s"],
        Screen::Log => &["Enter", "/", "G", "p"],
    };
    // Whatever else there is room for, the way to help and the way out are told.
    const ALWAYS: &str = " ? help  q quit";
    let whole = area;
    let area = match area.width >= 2 * ALWAYS.len() as u16 {
        true => Rect { width: area.width - ALWAYS.len() as u16, ..area },
        false => area,
    };
    if area != whole {
        canvas.text(area.right(), area.y, ALWAYS.len() as u16, ALWAYS, canvas.theme.dim);
        for (offset, key) in [(1, "?"), (9, "q")] {
            canvas.text(area.right() + offset, area.y, 1, key, canvas.theme.accent);
        }
    }
    let mut x = area.x;
    let mut put = |shown: &str, help: &str| {
        let words = short(help);
        if usize::from(x) + shown.width() + words.width() + 3 > usize::from(area.right()) {
            return;
        }
        x = canvas.text(x, area.y, area.width, &format!(" {shown} "), canvas.theme.accent);
        x = canvas.text(x, area.y, area.width, &format!("{words} "), canvas.theme.dim);
    };
    let available: Vec<_> = keymap::available(state).collect();
    if let Some(replay) = &state.replay {
        let at = format!("{} of {}", position(replay.position_us), position(replay.recording.length_us()));
        put(&at, &format!("speed {}", replay.speed()));
        put("Space", "play");
        put("[ ]", "leap");
        put("- +", "speed");
    }
    for shown in wanted {
        if let Some(binding) = available.iter().find(|binding| binding.shown == *shown)
            && !(state.replay.is_some() && *shown == "Space")
        {
            let words = if binding.name.is_empty() { binding.help } else { binding.name };
            put(binding.shown, words);
        }
    }
}

/// The first words of a help text.
fn short(help: &str) -> &str {
    help.split([',', ':', ';']).next().unwrap_or(help)
}
