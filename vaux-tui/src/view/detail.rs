//! A payload in one of its views, and the plot of a number in it.

use ratatui::layout::Rect;
use ratatui::style::Style;

use super::canvas::Canvas;
use super::words::figure;
use crate::state::State;
use crate::state::payload::{self, Change, PayloadView};
use crate::state::scroll::Scroll;

/// How high a plot is.
const PLOT_HEIGHT: u16 = 5;

/// Draws the plot of a number in the payloads of the selected topic, when there is one, and takes its place off `area`.
pub(super) fn draw_plot(canvas: &mut Canvas<'_>, state: &State, area: &mut Rect) {
    let Some((_, newest)) = state.topics.history.back() else { return };
    let topic = state.topics.selected.map_or("", |node| state.topics.node(node).topic());
    let numbers = payload::numbers(topic, newest);
    if numbers.is_empty() || area.height < PLOT_HEIGHT + 4 {
        return;
    }
    let index = state.plotted % numbers.len();
    let (path, value) = &numbers[index];
    // Only as many payloads are read as the plot has columns.
    let history = &state.topics.history;
    let shown = history.iter().skip(history.len().saturating_sub(area.width.into()));
    let values: Vec<f64> = shown
        .filter_map(|(_, payload)| {
            payload::numbers(topic, payload).into_iter().find(|(name, _)| name == path)
        })
        .map(|(_, value)| value)
        .collect();
    let low = values.iter().copied().fold(f64::INFINITY, f64::min);
    let high = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let name = if path.is_empty() { "value" } else { path };
    let which =
        if numbers.len() > 1 { format!(" (n: {} of {})", index + 1, numbers.len()) } else { String::new() };
    let [value, least, most] = [*value, low, high].map(figure);
    let heading = format!("{name} {value}  min {least}  max {most}{which}");
    canvas.text(area.x, area.y, area.width, &heading, canvas.theme.accent);
    // The least value still has a bar; what stays the same is a line in the middle.
    let (floor, ceiling) = match high > low {
        true => (low - (high - low) / 16.0, high),
        false => (low - 1.0, low + 1.0),
    };
    let plot = Rect { y: area.y + 1, height: PLOT_HEIGHT - 1, ..*area };
    canvas.scaled_bars(plot, &values, floor, ceiling, canvas.theme.accent);
    area.y += PLOT_HEIGHT + 1;
    area.height -= PLOT_HEIGHT + 1;
}

/// Draws a payload as far as there is room.
pub(super) fn draw_payload(
    canvas: &mut Canvas<'_>,
    state: &State,
    area: Rect,
    (topic, payload): (&str, &[u8]),
    before: Option<&[u8]>,
    scroll: &Scroll,
) {
    if area.height == 0 {
        return;
    }
    let view = match state.payload_view {
        PayloadView::Auto => "payload",
        PayloadView::Diff if before.is_none() => "diff: nothing came before it yet",
        PayloadView::Diff => "diff to the payload before",
        PayloadView::Hex => "bytes",
    };
    canvas.text(area.x, area.y, area.width, view, canvas.theme.title);
    let lines = payload::lines(topic, payload, before, state.payload_view);
    let room = usize::from(area.height - 1);
    let first = scroll.first(lines.len(), room);
    for (y, line) in (area.y + 1..area.bottom()).zip(lines.iter().skip(first)) {
        let (sign, style) = match line.change {
            Change::Same => (" ", Style::new()),
            Change::Added => ("+", canvas.theme.good),
            Change::Removed => ("-", canvas.theme.bad),
        };
        let x = match state.payload_view {
            PayloadView::Diff => canvas.text(area.x, y, area.width, &format!("{sign} "), style),
            _ => area.x,
        };
        canvas.text(x, y, area.right().saturating_sub(x), &line.text, style);
    }
}
