//! The screen of a state. Nothing is changed here, but that what is scrolled too far comes back.

pub(crate) mod canvas;
mod detail;
mod frame;
mod inspect;
pub(crate) mod layout;
mod log;
mod open;
mod overview;
pub(crate) mod sessions;
mod subscriptions;
#[cfg(test)]
mod tests;
mod topics;
pub(crate) mod words;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};

use crate::state::{Kind, Link, Screen, State};
use canvas::Canvas;
use layout::Areas;

/// Draws the state, which was made ready by `settle`.
pub(crate) fn view(state: &State, buffer: &mut Buffer) {
    let areas = Areas::new(state);
    let mut canvas = Canvas::new(buffer, state);
    frame::title(&mut canvas, state, areas.title);
    frame::tabs(&mut canvas, state, &areas);
    match state.screen {
        Screen::Overview => overview::draw(&mut canvas, state, &areas),
        Screen::Topics => topics::draw(&mut canvas, state, &areas),
        Screen::Sessions => sessions::draw(&mut canvas, state, &areas),
        Screen::Subscriptions => subscriptions::draw(&mut canvas, state, &areas),
        Screen::Inspect => inspect::draw(&mut canvas, state, &areas),
        Screen::Log => log::draw(&mut canvas, state, &areas),
    }
    // The last data stay, but nobody is to take them for new.
    if state.link != Link::Connected {
        canvas.buffer.set_style(areas.body, Style::new().add_modifier(Modifier::DIM));
    }
    frame::time_line(&mut canvas, state, areas.time_line);
    frame::footer(&mut canvas, state, areas.footer);
    open::draw(&mut canvas, state, &areas);
}

/// Says over the body why there is nothing in it.
fn explain(canvas: &mut Canvas<'_>, area: Rect, lines: &[&str]) {
    let top = area.y + area.height.saturating_sub(lines.len() as u16) / 3;
    for (y, line) in (top..area.bottom()).zip(lines) {
        canvas.text(area.x + 1, y, area.width.saturating_sub(2), line, canvas.theme.dim);
    }
}

/// Why the broker tells nothing about sessions and subscriptions, when it does not.
fn why_nothing(state: &State, what: &str) -> Option<Vec<String>> {
    if state.replay.is_some() {
        return Some(vec![format!("A recording tells nothing about {what}.")]);
    }
    match state.kind {
        Kind::Vaux if state.can_ask() => None,
        Kind::Vaux => Some(vec![format!("Asking for {what} needs MQTT 5.0 (-V 5).")]),
        Kind::Unknown => Some(vec!["Asking the broker who it is …".to_owned()]),
        Kind::Tree => {
            let version = state.broker_version.as_deref().unwrap_or("This broker");
            Some(match version.starts_with("vaux") {
                true => vec![
                    format!("{version} tells about {what} to operators only."),
                    "On its machine: -u '$operator' --password-file DATA_DIR/operator.token".to_owned(),
                ],
                false => vec![format!("{version} tells nothing about {what}.")],
            })
        }
    }
}
