//! What opens over a screen: help, the palette, a question, the form.

use ratatui::layout::Rect;
use ratatui::style::Style;

use super::canvas::{Align, Canvas};
use super::frame::typed;
use super::layout::Areas;
use crate::keymap;
use crate::state::form::{FormField, PublishForm};
use crate::state::line::Line;
use crate::state::scroll::Scroll;
use crate::state::{Mode, State};
use crate::update::palette;

/// Draws what is open.
pub(super) fn draw(canvas: &mut Canvas<'_>, state: &State, areas: &Areas) {
    match &state.mode {
        Mode::Normal | Mode::Prompt(..) => {}
        Mode::Palette(line, selected) => draw_palette(canvas, state, areas.body, line, *selected),
        Mode::Help(scroll) => draw_help(canvas, state, areas.body, scroll),
        Mode::ConfirmKick { client_id, .. } => draw_question(canvas, areas.body, client_id),
        Mode::Publish(form) => draw_form(canvas, areas.body, form),
    }
}

/// An empty panel in the middle.
fn open_panel(canvas: &mut Canvas<'_>, body: Rect, width: u16, height: u16, title: &str) -> Rect {
    let (width, height) = (width.min(body.width), height.min(body.height));
    let x = body.x + (body.width - width) / 2;
    let y = body.y + (body.height - height) / 3;
    let area = Rect { x, y, width, height };
    canvas.clear(area);
    canvas.panel(area, area.height >= 4, title)
}

fn draw_help(canvas: &mut Canvas<'_>, state: &State, body: Rect, scroll: &Scroll) {
    let lines: Vec<_> = keymap::available(state).filter(|binding| !binding.shown.is_empty()).collect();
    let title = format!("Keys on {} (j k scroll, any other key closes)", state.screen.name());
    let inner = open_panel(canvas, body, 76, lines.len() as u16 + 2, &title);
    let first = scroll.first(lines.len(), inner.height.into());
    for (y, binding) in (inner.y..inner.bottom()).zip(lines.iter().skip(first)) {
        let cells = [
            (binding.shown, 10, Align::Right, canvas.theme.accent),
            (binding.help, inner.width.saturating_sub(12), Align::Left, Style::new()),
        ];
        canvas.row(inner, y, &cells);
    }
}

fn draw_palette(canvas: &mut Canvas<'_>, state: &State, body: Rect, line: &Line, selected: usize) {
    let found = palette(state, line.text());
    let inner = open_panel(canvas, body, 64, 16, "Palette");
    if inner.height == 0 {
        return;
    }
    let end = canvas.text(inner.x, inner.y, inner.width, ": ", canvas.theme.accent);
    typed(canvas, end, inner.y, inner.right().saturating_sub(end), line);
    let room = usize::from(inner.height - 1);
    let first = (selected + 1).saturating_sub(room);
    for (row, binding) in found.iter().enumerate().skip(first).take(room) {
        let y = inner.y + 1 + (row - first) as u16;
        let style = if row == selected { canvas.theme.selected } else { Style::new() };
        if row == selected {
            canvas.buffer.set_style(Rect { y, height: 1, ..inner }, style);
        }
        let mark = if row == selected { canvas.glyphs.selected } else { " " };
        let name = format!("{mark}{}", binding.name);
        let help = if row == selected { style } else { canvas.theme.dim };
        let cells = [
            (name.as_str(), 16, Align::Left, style),
            (binding.help, inner.width.saturating_sub(27), Align::Left, help),
            (binding.shown, 9, Align::Right, help),
        ];
        canvas.row(inner, y, &cells);
    }
    if found.is_empty() && inner.height > 1 {
        canvas.text(inner.x, inner.y + 1, inner.width, "there is no such command", canvas.theme.dim);
    }
}

fn draw_question(canvas: &mut Canvas<'_>, body: Rect, client_id: &str) {
    let inner = open_panel(canvas, body, 60, 5, "Kick");
    let lines = [
        format!("End the connection of {client_id}?"),
        String::new(),
        "y ends it, n or Esc does not".to_owned(),
    ];
    let lines = if inner.height < 3 { &lines[..1] } else { &lines[..] };
    for (y, line) in (inner.y..inner.bottom()).zip(lines) {
        canvas.text(inner.x + 1, y, inner.width.saturating_sub(2), line, Style::new());
    }
}

fn draw_form(canvas: &mut Canvas<'_>, body: Rect, form: &PublishForm) {
    let inner = open_panel(canvas, body, 70, 8, "Publish (Tab next field, Enter publishes, Esc does not)");
    let fields = [
        (FormField::Topic, "topic", String::new()),
        (FormField::Payload, "payload", String::new()),
        (FormField::QoS, "QoS", form.qos.bits().to_string()),
        (FormField::Retain, "retain", if form.retain { "yes" } else { "no" }.to_owned()),
    ];
    for (y, (field, label, value)) in (inner.y..inner.bottom()).zip(fields) {
        let is_here = field == form.field;
        let mark = if is_here { canvas.glyphs.selected } else { " " };
        let style = if is_here { canvas.theme.accent } else { canvas.theme.dim };
        canvas.text(inner.x, y, 10.min(inner.width), &format!("{mark}{label}"), style);
        let (x, width) = (inner.x + 10, inner.width.saturating_sub(11));
        match (field, is_here) {
            (FormField::Topic, true) => typed(canvas, x, y, width, &form.topic),
            (FormField::Topic, false) => {
                canvas.text(x, y, width, form.topic.text(), Style::new());
            }
            (FormField::Payload, true) => typed(canvas, x, y, width, &form.payload),
            (FormField::Payload, false) => {
                canvas.text(x, y, width, form.payload.text(), Style::new());
            }
            (_, true) => {
                let text = format!("{value}  (Space changes)");
                canvas.text(x, y, width, &text, canvas.theme.title);
            }
            (_, false) => {
                canvas.text(x, y, width, &value, Style::new());
            }
        }
    }
    if let Some(error) = &form.error
        && inner.height > 5
    {
        let text = format!("{} {error}", canvas.glyphs.warning);
        canvas.text(inner.x + 1, inner.y + 5, inner.width.saturating_sub(2), &text, canvas.theme.bad);
    }
}
