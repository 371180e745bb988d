//! Inspect: the last messages, and the packet of the selected one explained byte by byte.

use ratatui::layout::Rect;
use ratatui::style::Style;
use vaux_mqtt::Sender;
use vaux_mqtt::explain::{Show, explain};

use super::canvas::{Align, Canvas};
use super::layout::Areas;
use super::words::{bytes, number};
use crate::state::inspect::{Seen, packet};
use crate::state::payload::PayloadView;
use crate::state::{State, clock_time, payload};

/// Draws the screen.
pub(super) fn draw(canvas: &mut Canvas<'_>, state: &State, areas: &Areas) {
    if let Some(side) = areas.side {
        draw_decoded(canvas, state, side, areas.has_borders);
    }
    if state.is_detail {
        return;
    }
    let inspect = &state.inspect;
    let mut title = format!("Messages: the last {}", number(inspect.len() as u64));
    if !inspect.search.is_empty() {
        title.push_str(&format!(", filter {}", inspect.search.text()));
    }
    if inspect.is_following {
        title.push_str(", following");
    } else {
        title.push_str(&format!(", held while {} passed by, G follows", number(inspect.passed_by)));
    }
    let inner = canvas.panel(areas.list, areas.has_borders, &title);
    if inspect.len() == 0 {
        let lines: &[&str] = match (state.filters.is_empty(), state.replay.is_some()) {
            (true, false) => &["Not subscribed to anything.", "s subscribes, to # for all topics."],
            _ => &["Nothing has come yet, or the filter finds nothing."],
        };
        return super::explain(canvas, inner, lines);
    }
    let widths = widths(inner.width);
    if areas.rows.y > inner.y {
        let dim = canvas.theme.dim;
        let headings = [
            (" time", widths[0], Align::Left, dim),
            ("topic", widths[1], Align::Left, dim),
            ("QoS", widths[2], Align::Left, dim),
            ("size", widths[3], Align::Right, dim),
            ("payload", widths[4], Align::Left, dim),
        ];
        canvas.row(inner, inner.y, &headings);
    }
    for row in 0..areas.rows.height {
        let index = inspect.cursor.offset + usize::from(row);
        let Some(seen) = inspect.row(index) else { return };
        draw_row(canvas, areas.rows, areas.rows.y + row, seen, index == inspect.cursor.selected, &widths);
    }
}

/// Time, topic, QoS, size, payload.
fn widths(width: u16) -> [u16; 5] {
    let size = if width >= 60 { 8 } else { 0 };
    let rest = width.saturating_sub(9 + 4 + size + 4);
    let topic = if width >= 44 { rest / 2 } else { rest };
    [9, topic, 4, size, rest - topic]
}

fn draw_row(canvas: &mut Canvas<'_>, area: Rect, y: u16, seen: &Seen, is_selected: bool, widths: &[u16; 5]) {
    let theme = canvas.theme;
    if is_selected {
        canvas.buffer.set_style(Rect { y, height: 1, ..area }, theme.selected);
    }
    let over = |style: Style| if is_selected { theme.selected } else { style };
    let message = &seen.message;
    let mark = if is_selected { canvas.glyphs.selected } else { " " };
    let time = format!("{mark}{}", clock_time(seen.at));
    let retained = if message.retain { canvas.glyphs.retained } else { "" };
    let qos = format!("{} {retained}", message.qos.bits());
    let size = bytes(message.payload.len() as f64);
    let payload = payload::one_line(&message.payload, 200);
    canvas.row(
        area,
        y,
        &[
            (&time, widths[0], Align::Left, over(theme.dim)),
            (&message.topic, widths[1], Align::Left, over(Style::new())),
            (&qos, widths[2], Align::Left, over(Style::new())),
            (&size, widths[3], Align::Right, over(theme.dim)),
            (&payload, widths[4], Align::Left, over(Style::new())),
        ],
    );
}

/// A line of the decode view, and which field it belongs to.
type DecodedLine = (String, usize);

/// How many bytes stand in a row of the decode view.
const ROW_BYTES: usize = 8;
/// How many rows a field gets at most.
const FIELD_ROWS: usize = 16;
/// How much of a packet is explained. The rest is payload.
const MAX_EXPLAINED: usize = 64 << 10;

fn draw_decoded(canvas: &mut Canvas<'_>, state: &State, area: Rect, has_border: bool) {
    let inner = canvas.panel(area, has_border, "Packet");
    let Some(seen) = state.inspect.current() else { return };
    if state.payload_view == PayloadView::Hex || state.payload_view == PayloadView::Diff {
        let title =
            format!("{} · {}", seen.message.topic, payload::kind(&seen.message.topic, &seen.message.payload));
        canvas.text(inner.x, inner.y, inner.width, &title, canvas.theme.dim);
        let rest = Rect { y: inner.y + 1, height: inner.height.saturating_sub(1), ..inner };
        let before = state.inspect.before_current().map(|seen| &seen.message.payload[..]);
        let payload = (&*seen.message.topic, &seen.message.payload[..]);
        return super::detail::draw_payload(canvas, state, rest, payload, before, &state.inspect.scroll);
    }
    let bytes = packet(&seen.message, state.settings.version);
    let show = Show { secrets: false, limit: 400 };
    let explained = explain(&bytes, state.settings.version, Sender::Server);
    canvas.text(
        inner.x,
        inner.y,
        inner.width,
        &explained.summary(Show { limit: 40, ..show }),
        canvas.theme.title,
    );
    let mut lines: Vec<DecodedLine> = Vec::new();
    for (index, field) in explained.fields.iter().enumerate() {
        let shown = &bytes[field.range()];
        let shown = &shown[..shown.len().min(MAX_EXPLAINED)];
        let branch = if field.depth > 0 { "├ " } else { "" };
        let words = format!("{branch}{}", field.text(show));
        let rows = shown.len().div_ceil(ROW_BYTES).clamp(1, FIELD_ROWS);
        for row in 0..rows {
            let start = row * ROW_BYTES;
            let part = &shown[start..shown.len().min(start + ROW_BYTES)];
            let digits: String = part.iter().map(|byte| format!("{byte:02x}")).collect();
            let words = if row == 0 { words.as_str() } else { "" };
            lines.push((format!("{:04x}  {digits:16}  {words}", field.at + start), index));
        }
        if shown.len() > rows * ROW_BYTES {
            lines.push((
                format!("      … {} more bytes", number((field.len - rows * ROW_BYTES) as u64)),
                index,
            ));
        }
    }
    let room = usize::from(inner.height.saturating_sub(1));
    let first = state.inspect.scroll.first(lines.len(), room);
    for (y, (line, field)) in (inner.y + 1..inner.bottom()).zip(lines.iter().skip(first)) {
        let style = canvas.theme.fields[field % canvas.theme.fields.len()];
        canvas.text(inner.x, y, inner.width, line, style);
    }
}
