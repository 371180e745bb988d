//! What each action does.

use super::prompt;
use super::{Effect, Request, SESSIONS_FILTER, TOP_FILTER, play};
use crate::keymap::Action;
use crate::state::cursor::Cursor;
use crate::state::form::PublishForm;
use crate::state::inspect;
use crate::state::line::Line;
use crate::state::payload;
use crate::state::scroll::Scroll;
use crate::state::search::Search;
use crate::state::{Kind, Mode, Prompt, SCREENS, Screen, State};
use crate::theme::{Theme, ThemeName};

/// Does what a key or the palette asks for.
pub(super) fn act(state: &mut State, action: Action) -> Vec<Effect> {
    match action {
        Action::Show(screen) => return show(state, screen),
        Action::NextScreen => return step_screen(state, 1),
        Action::PreviousScreen => return step_screen(state, SCREENS.len() - 1),
        Action::Up | Action::Down | Action::PageUp | Action::PageDown | Action::Top | Action::Bottom => {
            move_cursor(state, action);
        }
        Action::Left => close_or_leave(state),
        Action::Right => open_or_enter(state),
        Action::Open => open(state),
        Action::Back => back(state),
        Action::Fold => fold(state),
        Action::OpenAll => state.topics.set_all_open(true),
        Action::CloseAll => state.topics.set_all_open(false),
        Action::Search => state.mode = Mode::Prompt(Prompt::Search, Line::new(search(state).text())),
        Action::Palette => state.mode = Mode::Palette(Line::default(), 0),
        Action::Pause => pause(state),
        Action::Subscribe => state.mode = Mode::Prompt(Prompt::Subscribe, Line::new(suggested_filter(state))),
        Action::Unsubscribe => return prompt::begin_unsubscribe(state),
        Action::Publish => state.mode = Mode::Publish(PublishForm::new(&selected_topic(state))),
        Action::Copy => return copy(state),
        Action::Export => state.mode = Mode::Prompt(Prompt::Export, Line::new(prompt::suggested_file(state))),
        Action::Mouse => return toggle_mouse(state),
        Action::Help => state.mode = Mode::Help(Scroll::default()),
        Action::Quit => return vec![Effect::Quit],
        Action::Suspend => return vec![Effect::Suspend],
        Action::View => {
            state.payload_view = state.payload_view.next();
            state.inspect.scroll.go_to_top();
            state.topics.scroll.go_to_top();
        }
        Action::NextNumber => state.plotted = state.plotted.wrapping_add(1),
        Action::Sort => state.sessions.next_column(),
        Action::Reverse => state.sessions.reverse(),
        Action::Kick => confirm_kick(state),
        Action::Why => return ask_why(state),
        Action::Trace => return trace(state),
        Action::Refresh => return load_subscriptions(state),
        Action::Play => play::toggle(state),
        Action::SeekBack => play::leap(state, false),
        Action::SeekForward => play::leap(state, true),
        Action::Slower => play::change_speed(state, false),
        Action::Faster => play::change_speed(state, true),
        Action::Theme(name) => set_theme(state, name),
    }
    Vec::new()
}

/// Shows a screen.
pub(super) fn show(state: &mut State, screen: Screen) -> Vec<Effect> {
    state.screen = screen;
    state.is_detail = false;
    enter(state)
}

fn step_screen(state: &mut State, count: usize) -> Vec<Effect> {
    let index = SCREENS.iter().position(|screen| *screen == state.screen).unwrap_or(0);
    show(state, SCREENS[(index + count) % SCREENS.len()])
}

/// Asks for what the screen needs and was not asked for yet.
pub(super) fn enter(state: &mut State) -> Vec<Effect> {
    let mut effects: Vec<Effect> = watch_top(state).into_iter().collect();
    effects.extend(ask_for_screen(state));
    effects
}

/// Has the broker count what is the busiest, as long as that is on the screen.
fn watch_top(state: &mut State) -> Option<Effect> {
    let is_wanted = state.kind == Kind::Vaux && state.screen == Screen::Overview;
    if state.watches_top == is_wanted {
        return None;
    }
    state.watches_top = is_wanted;
    state.overview.top_topics.clear();
    state.overview.top_clients.clear();
    let filters = vec![TOP_FILTER.to_owned()];
    Some(if is_wanted { Effect::Subscribe(filters) } else { Effect::Unsubscribe(filters) })
}

fn ask_for_screen(state: &mut State) -> Vec<Effect> {
    match state.screen {
        Screen::Sessions if state.can_ask() && !state.watches_sessions => {
            state.watches_sessions = true;
            vec![Effect::Subscribe(vec![SESSIONS_FILTER.to_owned()])]
        }
        Screen::Subscriptions if state.can_ask() && !state.subscriptions.is_loading => {
            load_subscriptions(state)
        }
        _ => Vec::new(),
    }
}

fn load_subscriptions(state: &mut State) -> Vec<Effect> {
    if !state.can_ask() {
        return Vec::new();
    }
    state.subscriptions.begin();
    vec![Effect::Ask(Request::Subscriptions(None))]
}

fn set_theme(state: &mut State, name: ThemeName) {
    state.settings.theme = name;
    state.theme = Theme::new(name);
}

/// The cursor of the screen.
pub(super) fn cursor(state: &mut State) -> Option<&mut Cursor> {
    match state.screen {
        Screen::Overview => None,
        Screen::Topics => Some(&mut state.topics.cursor),
        Screen::Sessions => Some(&mut state.sessions.cursor),
        Screen::Subscriptions => Some(&mut state.subscriptions.cursor),
        Screen::Inspect => Some(&mut state.inspect.cursor),
        Screen::Log => Some(&mut state.log.cursor),
    }
}

/// How far the detail is scrolled, when it is all that is on the screen.
pub(super) fn detail_scroll(state: &mut State) -> Option<&mut Scroll> {
    match state.screen {
        _ if !state.is_detail => None,
        Screen::Topics => Some(&mut state.topics.scroll),
        Screen::Inspect => Some(&mut state.inspect.scroll),
        _ => None,
    }
}

fn move_cursor(state: &mut State, action: Action) {
    if let Some(scroll) = detail_scroll(state) {
        match action {
            Action::Up => scroll.step(-1),
            Action::Down => scroll.step(1),
            Action::PageUp => scroll.step(-10),
            Action::PageDown => scroll.step(10),
            Action::Top => scroll.go_to_top(),
            _ => scroll.go_to_bottom(),
        }
        return;
    }
    let Some(cursor) = cursor(state) else { return };
    match action {
        Action::Up => cursor.step(-1),
        Action::Down => cursor.step(1),
        Action::PageUp => cursor.page(-1),
        Action::PageDown => cursor.page(1),
        Action::Top => cursor.go_to_top(),
        _ => cursor.go_to_bottom(),
    }
    moved(state, action == Action::Bottom);
}

/// The selection was moved by hand: it no longer follows what comes, unless it was sent to the end.
pub(super) fn moved(state: &mut State, to_end: bool) {
    match state.screen {
        Screen::Inspect => state.inspect.follow(to_end),
        Screen::Log => state.log.is_following = to_end,
        Screen::Sessions => state.sessions.selected = None,
        _ => {}
    }
}

fn close_or_leave(state: &mut State) {
    let Some(node) = state.topics.selected else { return };
    let is_open = state.topics.node(node).is_open && state.topics.has_children(node);
    match is_open {
        true => state.topics.set_open(node, false),
        false => state.topics.go_to_parent(),
    }
}

fn open_or_enter(state: &mut State) {
    let Some(node) = state.topics.selected.filter(|node| state.topics.has_children(*node)) else { return };
    match state.topics.node(node).is_open {
        true => state.topics.cursor.step(1),
        false => state.topics.set_open(node, true),
    }
}

fn fold(state: &mut State) {
    if let Some(node) = state.topics.selected {
        let is_open = state.topics.node(node).is_open;
        state.topics.set_open(node, !is_open);
    }
}

fn open(state: &mut State) {
    if state.screen == Screen::Topics
        && let Some(node) = state.topics.selected
        && state.topics.node(node).last.is_none()
    {
        return fold(state);
    }
    let is_there = match state.screen {
        Screen::Topics => state.topics.selected.is_some(),
        Screen::Sessions => state.sessions.current().is_some(),
        Screen::Inspect => state.inspect.current().is_some(),
        Screen::Log => state.log.row(state.log.cursor.selected).is_some(),
        _ => false,
    };
    state.is_detail = is_there && !state.is_detail;
    // What is looked at stays, whatever comes.
    if is_there {
        moved_for_detail(state);
    }
}

fn moved_for_detail(state: &mut State) {
    match state.screen {
        Screen::Inspect => state.inspect.follow(false),
        Screen::Log => state.log.is_following = false,
        _ => {}
    }
}

fn back(state: &mut State) {
    if state.is_detail {
        state.is_detail = false;
        state.sessions.why = None;
    } else if !search(state).is_empty() {
        look_for(state, Search::default());
    } else {
        state.notice = None;
    }
}

/// The filter of the screen.
pub(super) fn search(state: &State) -> &Search {
    match state.screen {
        Screen::Overview | Screen::Topics => &state.topics.search,
        Screen::Sessions => &state.sessions.search,
        Screen::Subscriptions => &state.subscriptions.search,
        Screen::Inspect => &state.inspect.search,
        Screen::Log => &state.log.search,
    }
}

/// Sets the filter of the screen.
pub(super) fn look_for(state: &mut State, search: Search) {
    match state.screen {
        Screen::Overview => {}
        Screen::Topics => state.topics.look_for(search),
        Screen::Sessions => state.sessions.look_for(search),
        Screen::Subscriptions => state.subscriptions.look_for(search),
        Screen::Inspect => state.inspect.look_for(search),
        Screen::Log => state.log.look_for(search),
    }
}

fn pause(state: &mut State) {
    state.is_paused = !state.is_paused;
    if !state.is_paused && state.passed_by > 0 {
        state.tell(format!("{} messages passed by", state.passed_by));
    }
    state.passed_by = 0;
}

fn suggested_filter(state: &State) -> String {
    let is_free = |filter: &&str| !state.filters.iter().any(|known| known == filter);
    Some("#").filter(is_free).unwrap_or_default().to_owned()
}

/// The topic of what is selected.
fn selected_topic(state: &State) -> String {
    match state.screen {
        Screen::Topics => {
            state.topics.selected.map(|node| state.topics.node(node).topic().to_owned()).unwrap_or_default()
        }
        Screen::Inspect => {
            state.inspect.current().map(|seen| seen.message.topic.to_string()).unwrap_or_default()
        }
        _ => String::new(),
    }
}

fn toggle_mouse(state: &mut State) -> Vec<Effect> {
    state.has_mouse = !state.has_mouse;
    let whose = if state.has_mouse { "the dashboard has the mouse" } else { "the terminal has the mouse" };
    state.tell(whose);
    vec![Effect::Mouse(state.has_mouse)]
}

/// What is selected, as text: the payload, the client identifier, the filter, the event.
fn copy(state: &mut State) -> Vec<Effect> {
    let text = match state.screen {
        Screen::Overview => None,
        Screen::Topics => {
            state.topics.history.back().map(|(_, payload)| text_of(&selected_topic(state), payload))
        }
        Screen::Sessions => state.sessions.current().map(|session| session.client_id.clone()),
        Screen::Subscriptions => {
            state.subscriptions.row(state.subscriptions.cursor.selected).map(|one| one.filter.clone())
        }
        Screen::Inspect => state.inspect.current().map(|seen| {
            let packet = inspect::packet(&seen.message, state.settings.version);
            packet.iter().map(|byte| format!("{byte:02x}")).collect()
        }),
        Screen::Log => state.log.row(state.log.cursor.selected).map(|entry| entry.whole.clone()),
    };
    match text {
        Some(text) => vec![Effect::Copy(text)],
        None => {
            state.tell("nothing is selected");
            Vec::new()
        }
    }
}

/// A payload as text, or its bytes in hexadecimal.
fn text_of(topic: &str, payload: &[u8]) -> String {
    match (payload::kind(topic, payload), std::str::from_utf8(payload)) {
        ("binary" | "Sparkplug", _) | (_, Err(_)) => {
            payload.iter().map(|byte| format!("{byte:02x}")).collect()
        }
        (_, Ok(text)) => text.to_owned(),
    }
}

fn confirm_kick(state: &mut State) {
    match state.sessions.current() {
        Some(session) if session.connected => {
            let (client_id, mount) = (session.client_id.clone(), session.mount.clone());
            state.mode = Mode::ConfirmKick { client_id, mount };
        }
        Some(session) => {
            let text = format!("{} is not connected", session.client_id);
            state.complain(text);
        }
        None => state.tell("nothing is selected"),
    }
}

fn ask_why(state: &mut State) -> Vec<Effect> {
    let client_id = state.sessions.current().map(|session| session.client_id.clone());
    client_id.map(|client_id| Effect::Ask(Request::Why { client_id })).into_iter().collect()
}

fn trace(state: &mut State) -> Vec<Effect> {
    let Some(session) = state.sessions.current() else { return Vec::new() };
    let (client_id, mount) = (session.client_id.clone(), session.mount.clone());
    let on = !state.traced.contains(&client_id);
    vec![Effect::Ask(Request::Trace { client_id, mount, on })]
}
