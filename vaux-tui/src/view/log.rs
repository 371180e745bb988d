//! Log: what happened, the newest last.

use ratatui::layout::Rect;
use ratatui::style::Style;

use super::canvas::{Align, Canvas};
use super::layout::Areas;
use super::words::number;
use crate::state::State;
use crate::state::log::{LogEntry, Weight};

/// Draws the screen.
pub(super) fn draw(canvas: &mut Canvas<'_>, state: &State, areas: &Areas) {
    let log = &state.log;
    if let Some(side) = areas.side {
        return draw_detail(canvas, state, side, areas.has_borders);
    }
    let mut title = format!("Log: {} (UTC)", number(log.len() as u64));
    if !log.search.is_empty() {
        title.push_str(&format!(", filter {}", log.search.text()));
    }
    if log.is_following {
        title.push_str(", following");
    }
    let inner = canvas.panel(areas.list, areas.has_borders, &title);
    if log.len() == 0 {
        let text = if log.entries.is_empty() {
            "Nothing has happened yet."
        } else {
            "The filter finds nothing. Esc drops it."
        };
        return super::explain(canvas, inner, &[text]);
    }
    let widths = widths(inner.width);
    if areas.rows.y > inner.y {
        let dim = canvas.theme.dim;
        let headings = [
            (" time", widths[0], Align::Left, dim),
            ("what", widths[1], Align::Left, dim),
            ("client", widths[2], Align::Left, dim),
            ("", widths[3], Align::Left, dim),
        ];
        canvas.row(inner, inner.y, &headings);
    }
    for row in 0..areas.rows.height {
        let index = log.cursor.offset + usize::from(row);
        let Some(entry) = log.row(index) else { return };
        draw_row(canvas, areas.rows, areas.rows.y + row, entry, index == log.cursor.selected, &widths);
    }
}

/// Time, kind, client, text.
fn widths(width: u16) -> [u16; 4] {
    let kind = if width >= 40 { 14 } else { 8 };
    let client = if width >= 60 { width / 5 } else { 0 };
    [9, kind, client, width.saturating_sub(9 + kind + client + 3)]
}

fn sign(canvas: &Canvas<'_>, weight: Weight) -> (&'static str, Style) {
    match weight {
        Weight::Good => (canvas.glyphs.good, canvas.theme.good),
        Weight::Plain => (canvas.glyphs.plain, canvas.theme.dim),
        Weight::Warning => (canvas.glyphs.warning, canvas.theme.warning),
    }
}

fn draw_row(
    canvas: &mut Canvas<'_>,
    area: Rect,
    y: u16,
    entry: &LogEntry,
    is_selected: bool,
    widths: &[u16; 4],
) {
    let theme = canvas.theme;
    if is_selected {
        canvas.buffer.set_style(Rect { y, height: 1, ..area }, theme.selected);
    }
    let over = |style: Style| if is_selected { theme.selected } else { style };
    let mark = if is_selected { canvas.glyphs.selected } else { " " };
    let (sign, style) = sign(canvas, entry.weight);
    let (time, kind) = (format!("{mark}{}", entry.time), format!("{sign} {}", entry.kind));
    let has_client = widths[2] > 0;
    let text = match has_client || entry.client_id.is_empty() {
        true => entry.text.clone(),
        false => format!("{}: {}", entry.client_id, entry.text),
    };
    let mut cells = vec![
        (time.as_str(), widths[0], Align::Left, over(theme.dim)),
        (kind.as_str(), widths[1], Align::Left, over(style)),
    ];
    if has_client {
        cells.push((entry.client_id.as_str(), widths[2], Align::Left, over(theme.accent)));
    }
    cells.push((text.as_str(), widths[3], Align::Left, over(Style::new())));
    canvas.row(area, y, &cells);
}

fn draw_detail(canvas: &mut Canvas<'_>, state: &State, area: Rect, has_border: bool) {
    let Some(entry) = state.log.row(state.log.cursor.selected) else { return };
    let (sign, style) = sign(canvas, entry.weight);
    let inner = canvas.panel(area, has_border, &format!("{} {}", entry.time, entry.kind));
    canvas.text(inner.x, inner.y, inner.width, &format!("{sign} {}", entry.text), style);
    for (y, line) in (inner.y + 2..inner.bottom()).zip(entry.whole.lines()) {
        canvas.text(inner.x, y, inner.width, line, Style::new());
    }
}
