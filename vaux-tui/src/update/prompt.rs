//! Keys while something is open: a line that is typed, the palette, help, a question, the form.

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use vaux_mqtt::topic::TopicFilter;

use super::{Effect, Request, act};
use crate::keymap::{self, Binding};
use crate::state::line::Line;
use crate::state::log::Weight;
use crate::state::search::Search;
use crate::state::{Mode, Prompt, State, clock_time};

/// Takes a key.
pub(super) fn handle_key(state: &mut State, key: KeyEvent) -> Vec<Effect> {
    match std::mem::take(&mut state.mode) {
        Mode::Normal => Vec::new(),
        Mode::Prompt(prompt, line) => handle_line(state, prompt, line, key),
        Mode::Palette(line, selected) => handle_palette(state, line, selected, key),
        Mode::Help(mut scroll) => {
            match key.code {
                KeyCode::Char('j') | KeyCode::Down => scroll.step(1),
                KeyCode::Char('k') | KeyCode::Up => scroll.step(-1),
                KeyCode::PageDown | KeyCode::Char(' ') => scroll.step(10),
                KeyCode::PageUp => scroll.step(-10),
                KeyCode::Char('g') | KeyCode::Home => scroll.go_to_top(),
                KeyCode::Char('G') | KeyCode::End => scroll.go_to_bottom(),
                _ => return Vec::new(),
            }
            state.mode = Mode::Help(scroll);
            Vec::new()
        }
        Mode::ConfirmKick { client_id, mount } => match key.code {
            KeyCode::Char('y' | 'Y') => vec![Effect::Ask(Request::Kick { client_id, mount })],
            KeyCode::Char('n' | 'N' | 'q') | KeyCode::Esc => Vec::new(),
            _ => {
                state.mode = Mode::ConfirmKick { client_id, mount };
                Vec::new()
            }
        },
        Mode::Publish(mut form) => match key.code {
            KeyCode::Esc => Vec::new(),
            KeyCode::Enter => match form.message() {
                Ok(message) => vec![Effect::Publish(message)],
                Err(error) => {
                    form.error = Some(error);
                    state.mode = Mode::Publish(form);
                    Vec::new()
                }
            },
            _ => {
                form.handle_key(key);
                state.mode = Mode::Publish(form);
                Vec::new()
            }
        },
    }
}

/// Takes text that was pasted.
pub(super) fn paste(state: &mut State, text: &str) {
    match &mut state.mode {
        Mode::Prompt(prompt, line) => {
            line.paste(text);
            if *prompt == Prompt::Search {
                let search = Search::new(line.text());
                act::look_for(state, search);
            }
        }
        Mode::Palette(line, _) => line.paste(text),
        Mode::Publish(form) => form.paste(text),
        _ => {}
    }
}

fn handle_line(state: &mut State, prompt: Prompt, mut line: Line, key: KeyEvent) -> Vec<Effect> {
    match key.code {
        KeyCode::Esc => {
            if prompt == Prompt::Search {
                act::look_for(state, Search::default());
            }
            Vec::new()
        }
        KeyCode::Enter => finish_line(state, prompt, line.text()),
        _ => {
            line.handle_key(key);
            if prompt == Prompt::Search {
                act::look_for(state, Search::new(line.text()));
            }
            state.mode = Mode::Prompt(prompt, line);
            Vec::new()
        }
    }
}

fn finish_line(state: &mut State, prompt: Prompt, text: &str) -> Vec<Effect> {
    match prompt {
        // It was looked for while it was typed.
        Prompt::Search => Vec::new(),
        _ if text.is_empty() => Vec::new(),
        Prompt::Subscribe => subscribe(state, text),
        Prompt::Unsubscribe => unsubscribe(state, text),
        Prompt::Export => vec![Effect::Export(text.to_owned())],
    }
}

fn subscribe(state: &mut State, filter: &str) -> Vec<Effect> {
    if let Err((rule, _)) = TopicFilter::new(filter) {
        state.complain(format!("{filter}: {}", rule.text()));
        return Vec::new();
    }
    if state.filters.iter().any(|known| known == filter) {
        state.tell(format!("already subscribed to {filter}"));
        return Vec::new();
    }
    state.filters.push(filter.to_owned());
    state.note(Weight::Plain, "subscribe", format!("the dashboard subscribes to {filter}"));
    vec![Effect::Subscribe(vec![filter.to_owned()])]
}

/// Asks which subscription is to end, unless there is none.
pub(super) fn begin_unsubscribe(state: &mut State) -> Vec<Effect> {
    match state.filters.last() {
        Some(last) => state.mode = Mode::Prompt(Prompt::Unsubscribe, Line::new(last.as_str())),
        None => state.tell("the dashboard has subscribed to nothing; s subscribes"),
    }
    Vec::new()
}

fn unsubscribe(state: &mut State, filter: &str) -> Vec<Effect> {
    if !state.filters.iter().any(|known| known == filter) {
        state.complain(format!("not subscribed to {filter}; it is {}", state.filters.join(", ")));
        return Vec::new();
    }
    state.filters.retain(|known| known != filter);
    state.note(Weight::Plain, "unsubscribe", format!("the dashboard unsubscribes from {filter}"));
    vec![Effect::Unsubscribe(vec![filter.to_owned()])]
}

/// A file that is not there yet, most likely.
pub(super) fn suggested_file(state: &State) -> String {
    let time = clock_time(state.clock).replace(':', "");
    format!("vaux-top-{}-{time}.txt", state.screen.name().to_lowercase())
}

fn handle_palette(state: &mut State, mut line: Line, selected: usize, key: KeyEvent) -> Vec<Effect> {
    let count = palette(state, line.text()).len();
    let is_control = key.modifiers.contains(KeyModifiers::CONTROL);
    let selected = match key.code {
        KeyCode::Esc => return Vec::new(),
        KeyCode::Enter => {
            let chosen = palette(state, line.text()).get(selected).map(|binding| binding.action);
            return match chosen {
                Some(action) => act::act(state, action),
                None => {
                    state.complain(format!("there is no command {:?}", line.text()));
                    Vec::new()
                }
            };
        }
        KeyCode::Up => selected.saturating_sub(1),
        KeyCode::Char('p') if is_control => selected.saturating_sub(1),
        KeyCode::Down | KeyCode::Tab => (selected + 1).min(count.saturating_sub(1)),
        KeyCode::Char('n') if is_control => (selected + 1).min(count.saturating_sub(1)),
        _ => {
            line.handle_key(key);
            0
        }
    };
    state.mode = Mode::Palette(line, selected);
    Vec::new()
}

/// What the palette offers for what was typed: names that begin with it before those that only contain it.
pub(crate) fn palette(state: &State, text: &str) -> Vec<&'static Binding> {
    let text = text.to_lowercase();
    let mut found: Vec<_> = keymap::available(state)
        .filter(|binding| !binding.name.is_empty())
        .filter(|binding| binding.name.contains(&text) || binding.help.to_lowercase().contains(&text))
        .collect();
    found.sort_by_key(|binding| (!binding.name.starts_with(&text), !binding.name.contains(&text)));
    found
}
