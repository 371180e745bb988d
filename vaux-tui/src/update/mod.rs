//! What happens to the state: a message comes in, the state changes, effects go out. No I/O is done here.

mod act;
mod arrive;
mod mouse;
mod play;
mod prompt;
#[cfg(test)]
mod tests;

use ratatui::crossterm::event::{KeyCode, KeyEvent, MouseEvent};
use ratatui::layout::Size;
use serde_json::{Value, json};

pub(crate) use prompt::palette;

use crate::keymap;
use crate::state::log::Weight;
use crate::state::sessions::Why;
use crate::state::{Kind, Link, Mode, Screen, State};
use crate::view::layout::Areas;

/// What comes in.
#[derive(Clone, Debug)]
pub(crate) enum Input {
    Key(KeyEvent),
    Mouse(MouseEvent),
    Paste(String),
    /// The terminal has this size.
    Resized(Size),
    /// Time goes on.
    Tick,
    /// A message of the broker.
    Arrived(vaux_client::Message),
    /// The connection is there.
    Connected,
    /// The connection is lost.
    Lost(String),
    /// It will be tried again.
    Retrying {
        attempt: u32,
        after_ms: u64,
    },
    /// It was tried again in vain.
    Failed(String),
    /// It is lost for good.
    Ended(String),
    /// These subscriptions were refused.
    SubscriptionRefused {
        filters: Vec<String>,
        reason: String,
    },
    /// Something was asked, and this is what the broker answered.
    Answer(Request, Result<Value, String>),
    /// An effect went well, and there is something to tell.
    Done(String),
    /// An effect went wrong.
    Undone(String),
}

/// What goes out.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Effect {
    Subscribe(Vec<String>),
    Unsubscribe(Vec<String>),
    Publish(vaux_client::Message),
    Ask(Request),
    /// Put this into the clipboard.
    Copy(String),
    /// Write the screen to this file.
    Export(String),
    /// Take the mouse, or leave it to the terminal.
    Mouse(bool),
    Suspend,
    Quit,
    /// Ctrl-C.
    Interrupt,
}

/// What the broker is asked.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Request {
    Subscriptions(Option<Value>),
    Kick { client_id: String, mount: Option<String> },
    Why { client_id: String },
    Trace { client_id: String, mount: Option<String>, on: bool },
}

impl Request {
    /// The request as the broker reads it.
    pub(crate) fn to_json(&self) -> Value {
        let mut request = match self {
            Request::Subscriptions(None) => json!({"command": "subscriptions", "limit": 1000}),
            Request::Subscriptions(Some(cursor)) => {
                json!({"command": "subscriptions", "limit": 1000, "cursor": cursor})
            }
            Request::Kick { client_id, .. } => json!({"command": "kick", "client_id": client_id}),
            Request::Why { client_id } => json!({"command": "why", "client_id": client_id, "last": 50}),
            Request::Trace { client_id, on, .. } => {
                json!({"command": "trace", "client_id": client_id, "on": on})
            }
        };
        if let Request::Kick { mount: Some(mount), .. } | Request::Trace { mount: Some(mount), .. } = self {
            request["mount"] = json!(mount);
        }
        request
    }
}

/// What vaux tells to operators.
pub(crate) const VAUX_FILTERS: [&str; 2] = ["$SYS/broker/vaux/metrics", "$SYS/broker/vaux/events"];
/// What is the busiest. The broker counts it only while somebody is subscribed, so that nobody is while it is not shown.
pub(crate) const TOP_FILTER: &str = "$SYS/broker/vaux/top/+";
pub(crate) const VERSION_TOPIC: &str = "$SYS/broker/version";
pub(crate) const SESSIONS_FILTER: &str = "$SYS/broker/vaux/sessions/+";
/// All that other brokers tell.
pub(crate) const TREE_FILTER: &str = "$SYS/broker/#";

/// How long a broker may take to show that it is vaux.
const KIND_MS: u64 = 3000;

/// Takes what comes in.
pub(crate) fn update(state: &mut State, clock: u64, input: Input) -> Vec<Effect> {
    state.clock = clock;
    if state.replay.is_none() {
        state.now = clock;
    }
    match input {
        Input::Key(key) => handle_key(state, key),
        Input::Mouse(event) => mouse::handle(state, event),
        Input::Paste(text) => {
            prompt::paste(state, &text);
            Vec::new()
        }
        Input::Resized(size) => {
            state.size = size;
            Vec::new()
        }
        Input::Tick => tick(state),
        Input::Arrived(message) => arrive::handle(state, message),
        Input::Answer(request, answer) => handle_answer(state, request, answer),
        Input::SubscriptionRefused { filters, reason } => handle_refusal(state, filters, &reason),
        Input::Done(text) => {
            state.tell(text);
            Vec::new()
        }
        Input::Undone(text) => {
            state.note(Weight::Warning, "error", text.clone());
            state.complain(text);
            Vec::new()
        }
        Input::Connected => handle_connected(state),
        Input::Lost(reason) => {
            state.note(Weight::Warning, "lost", reason.clone());
            state.link = Link::Lost { reason, retry_at: None, attempt: 0 };
            Vec::new()
        }
        Input::Failed(reason) => {
            if let Link::Lost { reason: known, retry_at, .. } = &mut state.link {
                (*known, *retry_at) = (reason, None);
            }
            Vec::new()
        }
        Input::Retrying { attempt, after_ms } => {
            if let Link::Lost { retry_at, attempt: count, .. } = &mut state.link {
                (*retry_at, *count) = (Some(clock.saturating_add(after_ms)), attempt);
            }
            Vec::new()
        }
        Input::Ended(reason) => {
            let reason = match (&state.link, reason) {
                (Link::Lost { reason, .. }, later) if later.is_empty() => reason.clone(),
                (_, reason) => reason,
            };
            state.note(Weight::Warning, "ended", reason.clone());
            state.link = Link::Ended { reason };
            Vec::new()
        }
    }
}

/// Makes ready what is drawn: sorts, and keeps cursors on the screen.
pub(crate) fn settle(state: &mut State) {
    let height = usize::from(Areas::new(state).rows.height);
    let now = state.now;
    state.topics.settle(height);
    state.sessions.settle(now, height);
    let len = state.subscriptions.len();
    state.subscriptions.cursor.settle(len, height);
    let len = state.inspect.len();
    if state.inspect.is_following {
        state.inspect.cursor.go_to_bottom();
    }
    state.inspect.cursor.settle(len, height);
    let len = state.log.len();
    if state.log.is_following {
        state.log.cursor.go_to_bottom();
    }
    state.log.cursor.settle(len, height);
    if state.overview.top_topics.is_empty() {
        state.topics.busiest(now, 50);
    }
}

fn handle_key(state: &mut State, key: KeyEvent) -> Vec<Effect> {
    if !key.is_press() && key.kind != ratatui::crossterm::event::KeyEventKind::Repeat {
        return Vec::new();
    }
    let is_control = key.modifiers.contains(ratatui::crossterm::event::KeyModifiers::CONTROL);
    match key.code {
        // These two mean the same whatever is open.
        KeyCode::Char('c') if is_control => return vec![Effect::Interrupt],
        KeyCode::Char('z') if is_control => return vec![Effect::Suspend],
        _ => {}
    }
    if !matches!(state.mode, Mode::Normal) {
        return prompt::handle_key(state, key);
    }
    match keymap::action(state, key) {
        Some(action) => act::act(state, action),
        None => Vec::new(),
    }
}

fn handle_connected(state: &mut State) -> Vec<Effect> {
    let is_again = state.link != Link::Connected;
    let text = if is_again { "connected again" } else { "connected" };
    state.note(Weight::Good, "connected", format!("{text} to {}", state.settings.server));
    state.link = Link::Connected;
    if is_again {
        // The subscriptions are made again by the client; sessions that ended meanwhile nobody tells about, and a broker
        // that was started anew traces nobody.
        state.sessions.clear();
        state.traced.clear();
        if state.kind == Kind::Unknown {
            state.asked_at = state.clock;
        }
        return match state.kind == Kind::Vaux {
            true => act::enter(state),
            false => Vec::new(),
        };
    }
    state.asked_at = state.clock;
    let mut filters: Vec<String> = vec![VERSION_TOPIC.to_owned()];
    filters.extend(VAUX_FILTERS.map(str::to_owned));
    let mut effects = vec![Effect::Subscribe(filters)];
    if !state.filters.is_empty() {
        effects.push(Effect::Subscribe(state.filters.clone()));
    }
    effects
}

fn tick(state: &mut State) -> Vec<Effect> {
    if state.notice.as_ref().is_some_and(|notice| notice.until <= state.clock) {
        state.notice = None;
    }
    play::advance(state);
    let is_late = state.clock.saturating_sub(state.asked_at) > KIND_MS;
    match state.kind == Kind::Unknown && state.replay.is_none() && state.link == Link::Connected && is_late {
        true => fall_back(state, "the broker tells nothing below $SYS/broker/vaux"),
        false => Vec::new(),
    }
}

/// The broker is not vaux, or does not tell us more than to anybody.
fn fall_back(state: &mut State, why: &str) -> Vec<Effect> {
    if state.kind != Kind::Unknown {
        return Vec::new();
    }
    state.kind = Kind::Tree;
    state.note(
        Weight::Plain,
        "limited",
        format!("{why}: Overview has $SYS/broker, Sessions and Subscriptions have nothing"),
    );
    let mut effects = vec![Effect::Unsubscribe(
        VAUX_FILTERS.iter().map(|filter| (*filter).to_owned()).chain([VERSION_TOPIC.to_owned()]).collect(),
    )];
    effects.push(Effect::Subscribe(vec![TREE_FILTER.to_owned()]));
    effects
}

fn handle_refusal(state: &mut State, filters: Vec<String>, reason: &str) -> Vec<Effect> {
    if filters.iter().any(|filter| filter == VAUX_FILTERS[0]) {
        return fall_back(state, &format!("{}: {reason}", VAUX_FILTERS[0]));
    }
    let (own, others): (Vec<_>, Vec<_>) =
        filters.into_iter().partition(|filter| state.filters.contains(filter));
    for filter in others {
        state.note(Weight::Warning, "refused", format!("subscription to {filter}: {reason}"));
    }
    for filter in own {
        state.filters.retain(|known| *known != filter);
        state.note(Weight::Warning, "refused", format!("subscription to {filter}: {reason}"));
        state.complain(format!("not subscribed to {filter}: {reason}"));
    }
    Vec::new()
}

fn handle_answer(state: &mut State, request: Request, answer: Result<Value, String>) -> Vec<Effect> {
    let answer = answer.and_then(|answer| match answer.get("ok").and_then(Value::as_bool) {
        Some(true) => Ok(answer),
        _ => Err(answer.get("text").and_then(Value::as_str).unwrap_or("the broker did not do it").to_owned()),
    });
    match (request, answer) {
        (Request::Subscriptions(_), Ok(answer)) => {
            let next = state.subscriptions.take_page(state.clock, &answer);
            return next
                .map(|cursor| Effect::Ask(Request::Subscriptions(Some(cursor))))
                .into_iter()
                .collect();
        }
        (Request::Subscriptions(_), Err(error)) => state.subscriptions.fail(error),
        (Request::Kick { client_id, .. }, Ok(_)) => state.tell(format!("{client_id}: connection ended")),
        (Request::Why { client_id }, Ok(answer)) => {
            state.sessions.why = Some(Why::of_answer(&client_id, &answer));
            // Where the detail stands beside the list, it is there already.
            state.is_detail |= state.screen == Screen::Sessions && Areas::new(state).side.is_none();
        }
        (Request::Trace { client_id, on, .. }, Ok(_)) => {
            match on {
                true => state.traced.insert(client_id.clone()),
                false => state.traced.remove(&client_id),
            };
            let what = if on { "its packets go to Log" } else { "no longer traced" };
            state.tell(format!("{client_id}: {what}"));
        }
        (_, Err(error)) => state.complain(error),
    }
    Vec::new()
}
