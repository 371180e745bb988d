//! Subscriptions: who subscribed to what.

use ratatui::layout::Rect;
use ratatui::style::Style;

use super::canvas::{Align, Canvas};
use super::layout::Areas;
use super::words::{duration, number};
use crate::state::State;
use crate::state::subscriptions::Subscription;

/// Draws the screen.
pub(super) fn draw(canvas: &mut Canvas<'_>, state: &State, areas: &Areas) {
    let inner = canvas.panel(areas.list, areas.has_borders, &title(state));
    if let Some(lines) = super::why_nothing(state, "subscriptions") {
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        return super::explain(canvas, inner, &lines);
    }
    let list = &state.subscriptions;
    if let Some(error) = &list.error {
        return super::explain(canvas, inner, &["The broker did not answer:", error, "r asks again."]);
    }
    if list.len() == 0 {
        let text = match (list.loaded_at.is_some(), list.all.is_empty()) {
            (false, _) => "Asking the broker …",
            (true, true) => "Nobody has subscribed to anything.",
            (true, false) => "The filter finds nothing. Esc drops it.",
        };
        return super::explain(canvas, inner, &[text]);
    }
    let widths = widths(inner.width);
    if areas.rows.y > inner.y {
        let dim = canvas.theme.dim;
        let headings = [
            (" filter", widths[0], Align::Left, dim),
            ("client", widths[1], Align::Left, dim),
            ("QoS", widths[2], Align::Right, dim),
            ("options", widths[3], Align::Left, dim),
        ];
        canvas.row(inner, inner.y, &headings);
    }
    for row in 0..areas.rows.height {
        let index = list.cursor.offset + usize::from(row);
        let Some(one) = list.row(index) else { return };
        let is_selected = index == list.cursor.selected;
        draw_row(canvas, areas.rows, areas.rows.y + row, one, is_selected, &widths);
    }
}

fn title(state: &State) -> String {
    if !state.can_ask() {
        return "Subscriptions".to_owned();
    }
    let list = &state.subscriptions;
    let mut title = match list.search.is_empty() {
        true => format!("Subscriptions: {}", number(list.all.len() as u64)),
        false => format!(
            "Subscriptions: {} of {}, filter {}",
            number(list.len() as u64),
            number(list.all.len() as u64),
            list.search.text()
        ),
    };
    if list.is_cut {
        title.push_str(", and more");
    }
    if list.is_loading {
        title.push_str(", asking");
    } else if let Some(at) = list.loaded_at {
        title.push_str(&format!(", {} ago", duration(state.clock.saturating_sub(at) / 1000)));
    }
    title
}

/// Filter, client, QoS, options.
fn widths(width: u16) -> [u16; 4] {
    let options = if width >= 70 { 24 } else { 0 };
    let qos = if width >= 30 { 3 } else { 0 };
    let rest = width.saturating_sub(options + qos + 3);
    let filter = rest * 3 / 5;
    [filter, rest - filter, qos, options]
}

fn draw_row(
    canvas: &mut Canvas<'_>,
    area: Rect,
    y: u16,
    one: &Subscription,
    is_selected: bool,
    widths: &[u16; 4],
) {
    let theme = canvas.theme;
    if is_selected {
        canvas.buffer.set_style(Rect { y, height: 1, ..area }, theme.selected);
    }
    let over = |style: Style| if is_selected { theme.selected } else { style };
    let mark = if is_selected { canvas.glyphs.selected } else { " " };
    let (filter, qos) = (format!("{mark}{}", one.filter), one.qos.to_string());
    canvas.row(
        area,
        y,
        &[
            (&filter, widths[0], Align::Left, over(Style::new())),
            (&one.client_id, widths[1], Align::Left, over(theme.accent)),
            (&qos, widths[2], Align::Right, over(Style::new())),
            (&options(one), widths[3], Align::Left, over(theme.dim)),
        ],
    );
}

/// What is out of the ordinary.
fn options(one: &Subscription) -> String {
    let mut parts = Vec::new();
    if one.no_local {
        parts.push("no local".to_owned());
    }
    if one.retain_as_published {
        parts.push("retain as published".to_owned());
    }
    if let Some(identifier) = one.identifier {
        parts.push(format!("id {identifier}"));
    }
    parts.join(" · ")
}
