//! Sessions: the table, and all that is known of the selected one.

use ratatui::layout::Rect;
use ratatui::style::Style;

use super::canvas::{Align, Canvas};
use super::layout::Areas;
use super::words::{bytes, count, number};
use crate::state::State;
use crate::state::sessions::{Column, Session};

/// The columns with their widths, as many as there is room for.
pub(crate) fn columns(state: &State, width: u16) -> Vec<(Column, u16)> {
    const WIDTHS: [(Column, u16, u16); 7] = [
        (Column::State, 9, 40),
        (Column::Dropped, 8, 48),
        (Column::Queued, 8, 56),
        (Column::In, 8, 64),
        (Column::Out, 8, 72),
        (Column::Subscriptions, 7, 78),
        (Column::User, 12, 92),
    ];
    // What the table is sorted by is always there.
    let is_shown =
        |column: Column, from: u16| width >= from || (column == state.sessions.column && width >= 30);
    let others: Vec<_> = WIDTHS.into_iter().filter(|(column, _, from)| is_shown(*column, *from)).collect();
    let used: u16 = others.iter().map(|(_, width, _)| width + 1).sum();
    let mut columns = vec![(Column::Client, width.saturating_sub(used + 2))];
    columns.extend(others.into_iter().map(|(column, width, _)| (column, width)));
    // In the order of the broker's own report.
    columns.sort_by_key(|(column, _)| crate::state::sessions::COLUMNS.iter().position(|one| one == column));
    columns
}

fn heading(column: Column) -> &'static str {
    match column {
        Column::Client => "client",
        Column::State => "state",
        Column::User => "user",
        Column::Subscriptions => "subs",
        Column::Queued => "queued",
        Column::In => "in",
        Column::Out => "out",
        Column::Dropped => "dropped",
    }
}

/// Draws the screen.
pub(super) fn draw(canvas: &mut Canvas<'_>, state: &State, areas: &Areas) {
    if let Some(side) = areas.side {
        draw_detail(canvas, state, side, areas.has_borders);
    }
    if state.is_detail {
        return;
    }
    let inner = canvas.panel(areas.list, areas.has_borders, &title(state));
    if let Some(lines) = super::why_nothing(state, "sessions") {
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        return super::explain(canvas, inner, &lines);
    }
    if state.sessions.len() == 0 {
        let lines: &[&str] = match state.sessions.total() {
            0 => {
                &["Waiting for the sessions.", "They are told when the broker has [sys] sessions = \"full\"."]
            }
            _ => &["The filter finds nothing. Esc drops it."],
        };
        return super::explain(canvas, inner, lines);
    }
    let columns = columns(state, inner.width);
    if areas.rows.y > inner.y {
        draw_headings(canvas, state, inner, &columns);
    }
    let first = state.sessions.cursor.offset;
    for row in 0..areas.rows.height {
        let index = first + usize::from(row);
        let Some(session) = state.sessions.row(index) else { return };
        let is_selected = index == state.sessions.cursor.selected;
        draw_row(canvas, areas.rows, areas.rows.y + row, session, is_selected, &columns);
    }
}

fn title(state: &State) -> String {
    if !state.can_ask() {
        return "Sessions".to_owned();
    }
    let sessions = &state.sessions;
    let mut title = format!("Sessions: {}", number(sessions.total() as u64));
    if !sessions.search.is_empty() {
        title = format!(
            "Sessions: {} of {}, filter {}",
            number(sessions.len() as u64),
            number(sessions.total() as u64),
            sessions.search.text()
        );
    }
    if sessions.untold > 0 {
        title.push_str(", and more than can be shown");
    }
    title
}

fn draw_headings(canvas: &mut Canvas<'_>, state: &State, inner: Rect, columns: &[(Column, u16)]) {
    let arrow = if state.sessions.is_descending { canvas.glyphs.down } else { canvas.glyphs.up };
    let mut x = inner.x + 1;
    for (column, width) in columns {
        let is_sorted = *column == state.sessions.column;
        let text =
            if is_sorted { format!("{}{arrow}", heading(*column)) } else { heading(*column).to_owned() };
        let style = if is_sorted { canvas.theme.accent } else { canvas.theme.dim };
        let area = Rect { x, width: inner.right().saturating_sub(x), ..inner };
        canvas.row(area, inner.y, &[(&text, *width, align(*column), style)]);
        x += width + 1;
    }
}

fn align(column: Column) -> Align {
    match column {
        Column::Client | Column::State | Column::User => Align::Left,
        _ => Align::Right,
    }
}

fn draw_row(
    canvas: &mut Canvas<'_>,
    area: Rect,
    y: u16,
    session: &Session,
    is_selected: bool,
    columns: &[(Column, u16)],
) {
    let theme = canvas.theme;
    let sign = if session.connected { canvas.glyphs.connected } else { canvas.glyphs.offline };
    if is_selected {
        canvas.buffer.set_style(Rect { y, height: 1, ..area }, theme.selected);
        canvas.text(area.x, y, 1, canvas.glyphs.selected, theme.selected);
    }
    let mut x = area.x + 1;
    for (column, width) in columns {
        let (text, style) = match column {
            Column::Client => (session.client_id.clone(), Style::new()),
            Column::State if session.connected => (format!("{sign} online"), theme.good),
            Column::State => (format!("{sign} offline"), theme.dim),
            Column::User => (session.user.clone().unwrap_or_else(|| "anonymous".to_owned()), theme.dim),
            Column::Subscriptions => (count(session.subscriptions), Style::new()),
            Column::Queued => (count(session.queued), Style::new()),
            Column::In => (count(session.messages_in), Style::new()),
            Column::Out => (count(session.messages_out), Style::new()),
            Column::Dropped if session.dropped > 0 => {
                (format!("{} {}", canvas.glyphs.warning, count(session.dropped)), theme.warning)
            }
            Column::Dropped => ("0".to_owned(), theme.dim),
        };
        let style = if is_selected { theme.selected } else { style };
        let place = Rect { x, width: area.right().saturating_sub(x), ..area };
        canvas.row(place, y, &[(&text, *width, align(*column), style)]);
        x += width + 1;
    }
}

fn draw_detail(canvas: &mut Canvas<'_>, state: &State, area: Rect, has_border: bool) {
    let Some(session) = state.sessions.current() else {
        canvas.panel(area, has_border, "Session");
        return;
    };
    let inner = canvas.panel(area, has_border, &session.client_id);
    let rows = facts(state, session);
    let mut y = inner.y;
    for (label, value) in &rows {
        if y >= inner.bottom() {
            return;
        }
        canvas.text(inner.x, y, 14.min(inner.width), label, canvas.theme.dim);
        canvas.text(inner.x + 15, y, inner.width.saturating_sub(15), value, Style::new());
        y += 1;
    }
    let Some(why) = state.sessions.why.as_ref().filter(|why| why.client_id == session.client_id) else {
        return;
    };
    y += 1;
    let heading = match why.lines.is_empty() {
        true => "why: nothing was dropped, refused or ended that the broker remembers",
        false => "why, the newest first",
    };
    if y < inner.bottom() {
        canvas.text(inner.x, y, inner.width, heading, canvas.theme.title);
    }
    for (y, line) in (y + 1..inner.bottom()).zip(&why.lines) {
        canvas.text(inner.x, y, inner.width, line, canvas.theme.warning);
    }
}

/// All that the broker tells of a session.
fn facts(state: &State, session: &Session) -> Vec<(&'static str, String)> {
    let or_none = |text: &Option<String>| text.clone().unwrap_or_else(|| "none".to_owned());
    let connected = match session.connected {
        true => format!("{} online", state.glyphs.connected),
        false => format!("{} offline", state.glyphs.offline),
    };
    let expiry = match session.session_expiry {
        0 => "with the connection".to_owned(),
        u32::MAX => "never".to_owned(),
        seconds => format!("{} s after the connection", number(seconds.into())),
    };
    let user = session.user.clone().unwrap_or_else(|| "anonymous".to_owned());
    let mut facts = vec![("client", session.client_id.clone()), ("state", connected), ("user", user)];
    if let Some(mount) = &session.mount {
        facts.push(("mount", mount.clone()));
    }
    if session.connected {
        facts.push(("address", or_none(&session.address)));
        facts.push(("listener", or_none(&session.listener)));
        facts.push(("version", format!("MQTT {}", or_none(&session.version))));
        facts.push(("since", session.connected_at.clone().unwrap_or_default().replace('T', " ")));
        let start = if session.clean_start == Some(true) { "clean" } else { "continued" };
        facts.push(("start", start.to_owned()));
        facts.push(("keep alive", format!("{} s", session.keep_alive.unwrap_or(0))));
    }
    facts.push(("expires", expiry));
    facts.push(("subscriptions", number(session.subscriptions)));
    facts.push(("in flight", number(session.inflight)));
    facts.push(("queued", format!("{} · {}", number(session.queued), bytes(session.queued_bytes as f64))));
    facts.push(("in", format!("{} · {}", number(session.messages_in), bytes(session.bytes_in as f64))));
    facts.push(("out", format!("{} · {}", number(session.messages_out), bytes(session.bytes_out as f64))));
    facts.push(("dropped", number(session.dropped)));
    facts.push(("will", or_none(&session.will_topic)));
    if state.traced.contains(&session.client_id) {
        facts.push(("traced", "its packets go to Log; t stops it".to_owned()));
    }
    facts
}
