//! Tests of what keys and messages do.

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::layout::Size;
use serde_json::json;

use super::*;
use crate::sample::{self, NOW, arrive};
use crate::state::{SCREENS, Screen};

fn press(state: &mut State, keys: &str) -> Vec<Effect> {
    let mut effects = Vec::new();
    for character in keys.chars() {
        let code = match character {
            '\n' => KeyCode::Enter,
            '\t' => KeyCode::Tab,
            '\u{1b}' => KeyCode::Esc,
            other => KeyCode::Char(other),
        };
        let clock = state.clock;
        effects.extend(update(state, clock, Input::Key(KeyEvent::new(code, KeyModifiers::NONE))));
        settle(state);
    }
    effects
}

fn subscribe(filters: &[&str]) -> Effect {
    Effect::Subscribe(filters.iter().map(|filter| (*filter).to_owned()).collect())
}

#[test]
fn nothing_is_subscribed_to_but_what_was_asked_for() {
    let mut state = State::new(crate::state::Settings { filters: Vec::new(), ..sample::settings() }, NOW);
    let effects = update(&mut state, NOW, Input::Connected);
    let [metrics, events] = VAUX_FILTERS;
    assert_eq!(effects, [subscribe(&[VERSION_TOPIC, metrics, events])]);
    assert_eq!(press(&mut state, "s\n"), [subscribe(&["#"])]);
    press(&mut state, "s");
    assert_eq!(press(&mut state, "a/b\n"), [subscribe(&["a/b"])]);
    assert_eq!(press(&mut state, "u\n"), [Effect::Unsubscribe(vec!["a/b".to_owned()])]);
}

#[test]
fn sessions_are_subscribed_to_when_they_are_looked_at_first() {
    let mut state = sample::watching();
    assert!(press(&mut state, "3").contains(&subscribe(&[SESSIONS_FILTER])));
    assert!(!press(&mut state, "13").contains(&subscribe(&[SESSIONS_FILTER])));
}

#[test]
fn the_broker_counts_what_is_the_busiest_only_while_that_is_shown() {
    let mut state = sample::connected();
    let top = vec![TOP_FILTER.to_owned()];
    let effects = arrive(&mut state, NOW + 100, "$SYS/broker/vaux/metrics", "{}");
    assert_eq!(effects, [Effect::Subscribe(top.clone())]);
    assert_eq!(press(&mut state, "1"), []);
    assert_eq!(press(&mut state, "6"), [Effect::Unsubscribe(top.clone())]);
    assert_eq!(press(&mut state, "2"), []);
    assert_eq!(press(&mut state, "1"), [Effect::Subscribe(top)]);
}

#[test]
fn a_screen_that_waits_for_vaux_asks_as_soon_as_it_shows_itself() {
    let mut state = sample::connected();
    assert_eq!(press(&mut state, "4"), []);
    let effects = arrive(&mut state, NOW + 100, "$SYS/broker/vaux/metrics", "{}");
    assert_eq!(effects, [Effect::Ask(Request::Subscriptions(None))]);
}

#[test]
fn other_brokers_are_known_by_their_version_by_a_refusal_or_by_silence() {
    let fallen = |effects: &[Effect]| effects.contains(&subscribe(&[TREE_FILTER]));
    let mut state = sample::connected();
    assert!(fallen(&arrive(&mut state, NOW, "$SYS/broker/version", "mosquitto version 2.0.21")));
    let mut state = sample::connected();
    let refused = Input::SubscriptionRefused {
        filters: vec![VAUX_FILTERS[0].to_owned()],
        reason: "Not authorized (0x87)".to_owned(),
    };
    assert!(fallen(&update(&mut state, NOW, refused)));
    let mut state = sample::connected();
    assert!(!fallen(&update(&mut state, NOW + 3000, Input::Tick)));
    assert!(fallen(&update(&mut state, NOW + 3001, Input::Tick)));
    assert!(!fallen(&update(&mut state, NOW + 9000, Input::Tick)));
}

#[test]
fn a_kick_is_asked_about_first() {
    let mut state = sample::watching();
    press(&mut state, "3/alarms\nx");
    assert!(matches!(&state.mode, Mode::ConfirmKick { client_id, .. } if client_id == "alarms"));
    assert_eq!(press(&mut state, "n"), []);
    press(&mut state, "x");
    let kick = Request::Kick { client_id: "alarms".to_owned(), mount: None };
    assert_eq!(press(&mut state, "y"), [Effect::Ask(kick.clone())]);
    assert_eq!(kick.to_json(), json!({"command": "kick", "client_id": "alarms"}));
    let answer = json!({"ok": false, "error": "not-found", "text": "there is no session of this client"});
    update(&mut state, NOW, Input::Answer(kick, Ok(answer)));
    assert!(state.notice.is_some_and(|notice| notice.is_error));
}

#[test]
fn read_only_offers_nothing_that_changes_anything() {
    let mut state = sample::watching();
    state.settings.read_only = true;
    press(&mut state, "3xPt");
    assert!(matches!(state.mode, Mode::Normal));
    let names: Vec<_> = keymap::available(&state).map(|binding| binding.name).collect();
    assert!(!names.contains(&"kick") && !names.contains(&"publish") && !names.contains(&"trace"));
}

#[test]
fn while_paused_messages_are_counted_and_sessions_are_kept_up_to_date() {
    let mut state = sample::watching();
    let (topics, sessions) = (state.topics.total(), state.sessions.total());
    press(&mut state, "p");
    arrive(&mut state, NOW, "new/topic", "x");
    arrive(&mut state, NOW, "$SYS/broker/vaux/sessions/new", r#"{"client_id":"new"}"#);
    assert_eq!((state.topics.total(), state.sessions.total(), state.passed_by), (topics, sessions + 1, 1));
    press(&mut state, "p");
    arrive(&mut state, NOW, "new/topic", "x");
    assert_eq!(state.topics.total(), topics + 1);
}

#[test]
fn a_form_publishes_what_is_valid() {
    let mut state = sample::watching();
    assert_eq!(press(&mut state, "1Pa/+\thi\n"), []);
    press(&mut state, "\u{1b}");
    let effects = press(&mut state, "Pa/b\thi\t \t \n");
    let expected = vaux_client::Message::new("a/b", "hi").qos(vaux_client::QoS::AtLeastOnce).retain(true);
    assert_eq!(effects, [Effect::Publish(expected)]);
}

#[test]
fn the_palette_finds_commands_by_a_part_of_their_names() {
    let mut state = sample::watching();
    press(&mut state, ":theme l\n");
    assert_eq!(state.settings.theme, crate::theme::ThemeName::Light);
    press(&mut state, ":sessions\n");
    assert_eq!(state.screen, Screen::Sessions);
    assert_eq!(press(&mut state, ":qui\n"), [Effect::Quit]);
    press(&mut state, ":nothing like it\n");
    assert!(state.notice.is_some_and(|notice| notice.is_error));
}

#[test]
fn a_connection_that_comes_back_forgets_sessions_that_may_be_gone() {
    let mut state = sample::watching();
    press(&mut state, "3");
    update(&mut state, NOW, Input::Lost("the network failed".to_owned()));
    assert!(state.sessions.total() > 0);
    update(&mut state, NOW, Input::Connected);
    assert_eq!((state.sessions.total(), &state.link), (0, &Link::Connected));
}

#[test]
fn a_held_list_of_messages_does_not_move() {
    let mut state = sample::watching();
    state.size = Size::new(80, 24);
    press(&mut state, "5k");
    let held = state.inspect.current().unwrap().message.clone();
    arrive(&mut state, NOW, "other", "x");
    settle(&mut state);
    assert_eq!(state.inspect.current().unwrap().message, held);
    press(&mut state, "G");
    arrive(&mut state, NOW, "other", "x");
    settle(&mut state);
    assert_eq!(&*state.inspect.current().unwrap().message.topic, "other");
}

#[test]
fn a_recording_is_played_and_leaps_both_ways() {
    let mut state = sample::replaying();
    update(&mut state, NOW + 1, Input::Tick);
    update(&mut state, NOW + 501, Input::Tick);
    let count = |state: &State| state.replay.as_ref().unwrap().next;
    assert_eq!(count(&state), 6);
    press(&mut state, "]");
    assert_eq!(count(&state), 35);
    press(&mut state, "[");
    assert_eq!(count(&state), 6);
    assert_eq!(state.topics.total(), 3);
    assert_eq!(state.topics.node(state.topics.selected.unwrap()).rate.count, 6);
    press(&mut state, " ");
    update(&mut state, NOW + 9000, Input::Tick);
    assert_eq!(count(&state), 6);
}

#[test]
fn no_key_means_two_things_at_once() {
    for state in &mut [sample::watching(), sample::mosquitto(), sample::replaying()] {
        for screen in SCREENS {
            state.screen = screen;
            let mut keys: Vec<_> = keymap::available(state).flat_map(|binding| binding.keys()).collect();
            let count = keys.len();
            keys.sort_by_key(|key| format!("{key:?}"));
            keys.dedup();
            assert_eq!(keys.len(), count, "{screen:?}");
        }
    }
}
