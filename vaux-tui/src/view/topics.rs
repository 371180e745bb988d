//! Topics: the tree, and what is known of the selected topic.
//!
//! ```text
//! ╭ Topics ─────────────────────────────────╮╭ plant/7/state ─────────╮
//! │ topic              value       rate  age ││ figures, plot, payload │
//! │ ▾ plant  12                    12/s      ││                        │
//! ╰──────────────────────────────────────────╯╰────────────────────────╯
//! ```

use ratatui::layout::Rect;
use ratatui::style::Style;

use super::canvas::{Align, Canvas};
use super::detail;
use super::layout::Areas;
use super::words::{bytes, duration, number, plural, rate};
use crate::state::topics::{BUDGET_BYTES, NodeId};
use crate::state::{State, payload};

/// Draws the screen.
pub(super) fn draw(canvas: &mut Canvas<'_>, state: &State, areas: &Areas) {
    if let Some(side) = areas.side {
        draw_detail(canvas, state, side, areas.has_borders);
    }
    if state.is_detail {
        return;
    }
    let inner = canvas.panel(areas.list, areas.has_borders, &title(state));
    if state.topics.len() == 0 {
        return explain_nothing(canvas, state, inner);
    }
    let widths = widths(inner.width);
    if areas.rows.y > inner.y {
        let dim = canvas.theme.dim;
        canvas.row(
            inner,
            inner.y,
            &[
                ("  topic", widths[0], Align::Left, dim),
                ("value", widths[1], Align::Left, dim),
                ("rate", widths[2], Align::Right, dim),
                ("age", widths[3], Align::Right, dim),
            ],
        );
    }
    let first = state.topics.cursor.offset;
    let nodes = state.topics.rows(first, areas.rows.height.into());
    for (row, node) in nodes.into_iter().enumerate() {
        let y = areas.rows.y + row as u16;
        draw_row(canvas, state, areas.rows, y, node, first + row == state.topics.cursor.selected, &widths);
    }
}

fn title(state: &State) -> String {
    let topics = &state.topics;
    let mut title = format!("Topics: {}", number(topics.total().into()));
    if !topics.search.is_empty() {
        let (found, total) = (number(topics.found().into()), number(topics.total().into()));
        title = format!("Topics: {found} of {total}, filter {}", topics.search.text());
    }
    if topics.left_out > 0 {
        title.push_str(&format!(
            ", {} messages of others left out: {} are full",
            number(topics.left_out),
            bytes(BUDGET_BYTES as f64)
        ));
    } else if topics.bytes() > BUDGET_BYTES / 2 {
        title.push_str(&format!(", {} of {}", bytes(topics.bytes() as f64), bytes(BUDGET_BYTES as f64)));
    }
    title
}

fn explain_nothing(canvas: &mut Canvas<'_>, state: &State, inner: Rect) {
    let filters = format!("Subscribed to {}; nothing has come yet.", state.filters.join(", "));
    match (state.topics.total() > 0, state.filters.is_empty() && state.replay.is_none()) {
        (true, _) => super::explain(canvas, inner, &["The filter finds nothing. Esc drops it."]),
        (_, true) => super::explain(
            canvas,
            inner,
            &[
                "Not subscribed to anything.",
                "s subscribes, to # for all topics.",
                "`vaux top -t '#'` does so from the start.",
            ],
        ),
        (_, false) if state.replay.is_some() => super::explain(canvas, inner, &["Nothing has come yet."]),
        _ => super::explain(canvas, inner, &[&filters]),
    }
}

/// Topic, value, rate, age.
fn widths(width: u16) -> [u16; 4] {
    let rate = if width >= 50 { 8 } else { 0 };
    let age = if width >= 36 { 6 } else { 0 };
    let rest = width.saturating_sub(rate + age + 3);
    let topic = rest * 11 / 20;
    [topic, rest - topic, rate, age]
}

fn draw_row(
    canvas: &mut Canvas<'_>,
    state: &State,
    area: Rect,
    y: u16,
    id: NodeId,
    is_selected: bool,
    widths: &[u16; 4],
) {
    let node = state.topics.node(id);
    let theme = canvas.theme;
    let sign = match (state.topics.has_children(id), node.is_open) {
        (false, _) => canvas.glyphs.leaf,
        (true, true) => canvas.glyphs.open,
        (true, false) => canvas.glyphs.closed,
    };
    // Deep levels would push the names off the screen.
    let indent = " ".repeat(usize::from(node.depth.min(area.width / 6)) * 2);
    let mark = if is_selected { canvas.glyphs.selected } else { " " };
    let name = if node.name().is_empty() { "(empty)" } else { node.name() };
    let topic = format!("{mark}{indent}{sign} {name}");
    let (value, value_style) = match &node.last {
        Some(last) if last.retain => (format!("{} {}", canvas.glyphs.retained, value(last)), Style::new()),
        Some(last) => (value(last), Style::new()),
        None => (plural(node.topics.into(), "topic"), theme.dim),
    };
    let per_s = node.rate.per_s(state.now);
    let per_s = if per_s >= 0.05 { format!("{}/s", rate(per_s.into())) } else { String::new() };
    let age = node.last.as_ref().map(|last| duration(state.now.saturating_sub(last.at) / 1000));
    if is_selected {
        canvas.buffer.set_style(Rect { y, height: 1, ..area }, theme.selected);
    }
    let over = |style: Style| if is_selected { theme.selected } else { style };
    canvas.row(
        area,
        y,
        &[
            (&topic, widths[0], Align::Left, over(Style::new())),
            (&value, widths[1], Align::Left, over(value_style)),
            (&per_s, widths[2], Align::Right, over(theme.accent)),
            (&age.unwrap_or_default(), widths[3], Align::Right, over(theme.dim)),
        ],
    );
}

fn value(last: &crate::state::topics::Last) -> String {
    match &last.payload {
        None => format!("({}, forgotten)", bytes(last.len as f64)),
        Some(payload) if payload.is_empty() => "(empty)".to_owned(),
        Some(payload) => payload::one_line(payload, 200),
    }
}

fn draw_detail(canvas: &mut Canvas<'_>, state: &State, area: Rect, has_border: bool) {
    let Some(node) = state.topics.selected.map(|node| state.topics.node(node)) else {
        let inner = canvas.panel(area, has_border, "Payload");
        return super::explain(canvas, inner, &["No topic is selected."]);
    };
    let mut inner = canvas.panel(area, has_border, node.topic());
    let theme = canvas.theme;
    let now = state.now;
    let mut put = |canvas: &mut Canvas<'_>, text: &str, style: Style| {
        if inner.height > 0 {
            canvas.text(inner.x, inner.y, inner.width, text, style);
            inner.y += 1;
            inner.height -= 1;
        }
    };
    if !has_border {
        put(canvas, node.topic(), theme.title);
    }
    let messages = plural(node.rate.count, "message");
    put(canvas, &format!("{messages} · {}/s", rate(node.rate.per_s(now).into())), theme.dim);
    let Some(last) = &node.last else {
        put(canvas, &plural(node.topics.into(), "topic"), theme.dim);
        return;
    };
    let kind = last
        .payload
        .as_ref()
        .map_or("forgotten to save memory", |payload| payload::kind(node.topic(), payload));
    let retained =
        if last.retain { format!(" · {} retained", canvas.glyphs.retained) } else { String::new() };
    let age = duration(now.saturating_sub(last.at) / 1000);
    let size = bytes(last.len as f64);
    put(canvas, &format!("QoS {} · {size} {kind}{retained} · {age} ago", last.qos), theme.dim);
    detail::draw_plot(canvas, state, &mut inner);
    let before = state.topics.history.len().checked_sub(2).and_then(|index| state.topics.history.get(index));
    let before = before.map(|(_, payload)| &payload[..]);
    let payload = last.payload.as_deref().unwrap_or_default();
    detail::draw_payload(canvas, state, inner, (node.topic(), payload), before, &state.topics.scroll);
}
