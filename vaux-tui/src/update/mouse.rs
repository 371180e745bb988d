//! The mouse: a click shows a screen or selects a row, the wheel scrolls.

use ratatui::crossterm::event::{MouseButton, MouseEvent, MouseEventKind};
use ratatui::layout::Position;

use super::{Effect, act, play};
use crate::state::sessions::Column;
use crate::state::{Mode, Screen, State};
use crate::view::layout::Areas;
use crate::view::sessions;

/// How many rows a notch of the wheel is.
const NOTCH: isize = 3;

/// Takes what the mouse did.
pub(super) fn handle(state: &mut State, event: MouseEvent) -> Vec<Effect> {
    let notch = match event.kind {
        MouseEventKind::ScrollUp => -NOTCH,
        MouseEventKind::ScrollDown => NOTCH,
        _ => 0,
    };
    match &mut state.mode {
        Mode::Normal => {}
        Mode::Help(help) => {
            help.step(notch);
            return Vec::new();
        }
        _ => return Vec::new(),
    }
    match event.kind {
        MouseEventKind::ScrollUp | MouseEventKind::ScrollDown => scroll(state, notch),
        MouseEventKind::Down(MouseButton::Left) => {
            return click(state, Position::new(event.column, event.row));
        }
        _ => {}
    }
    Vec::new()
}

fn scroll(state: &mut State, rows: isize) {
    if let Some(detail) = act::detail_scroll(state) {
        return detail.step(rows);
    }
    if let Some(cursor) = act::cursor(state) {
        cursor.scroll(rows);
        act::moved(state, false);
    }
}

fn click(state: &mut State, at: Position) -> Vec<Effect> {
    let areas = Areas::new(state);
    if let Some(screen) = areas.tab_at(at) {
        return act::show(state, screen);
    }
    if let (true, Some(replay)) = (areas.time_line.contains(at), &state.replay) {
        let width = u64::from(areas.time_line.width.max(1));
        let to_us = replay.recording.length_us() / width * u64::from(at.x - areas.time_line.x);
        play::go_to(state, to_us);
        return Vec::new();
    }
    if state.screen == Screen::Sessions && at.y + 1 == areas.rows.y && !state.is_detail {
        if let Some(column) = column_at(state, &areas, at) {
            state.sessions.sort_by(column);
        }
        return Vec::new();
    }
    if areas.rows.contains(at) && !state.is_detail {
        let row = usize::from(at.y - areas.rows.y);
        if let Some(cursor) = act::cursor(state) {
            let clicked = cursor.offset + row;
            let is_same = cursor.selected == clicked;
            cursor.selected = clicked;
            act::moved(state, false);
            if is_same {
                return act::act(state, crate::keymap::Action::Open);
            }
        }
    }
    Vec::new()
}

fn column_at(state: &State, areas: &Areas, at: Position) -> Option<Column> {
    let mut x = areas.rows.x + 1;
    for (column, width) in sessions::columns(state, areas.rows.width) {
        if at.x >= x && at.x < x + width {
            return Some(column);
        }
        x += width + 1;
    }
    None
}
