//! Snapshots of the screens, and what no size and no state may do.

use proptest::prelude::*;
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers, MouseButton, MouseEvent, MouseEventKind};
use ratatui::layout::Size;
use ratatui::style::{Color, Modifier};
use vaux_client::Message;

use super::view;
use crate::sample::{self, NOW};
use crate::state::{SCREENS, Screen, State};
use crate::theme::{Glyphs, Theme, ThemeName};
use crate::update::{Input, settle, update};

fn press(state: &mut State, keys: &str) {
    for character in keys.chars() {
        let code = match character {
            '\n' => KeyCode::Enter,
            '\t' => KeyCode::Tab,
            '\u{1b}' => KeyCode::Esc,
            other => KeyCode::Char(other),
        };
        let clock = state.clock;
        update(state, clock, Input::Key(KeyEvent::new(code, KeyModifiers::NONE)));
        settle(state);
    }
}

/// The screen as a terminal of that size has it.
fn shown(state: &mut State, width: u16, height: u16) -> String {
    state.size = Size::new(width, height);
    settle(state);
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|frame| view(state, frame.buffer_mut())).unwrap();
    sample::text(terminal.backend().buffer())
}

fn in_all_sizes(state: &mut State) -> String {
    [(80, 24), (120, 40), (40, 10)]
        .map(|(width, height)| format!("{width}x{height}\n{}", shown(state, width, height)))
        .join("\n")
}

fn check(state: &mut State, screen: Screen, name: &str) {
    state.screen = screen;
    insta::assert_snapshot!(name, in_all_sizes(state));
}

#[test]
fn every_screen_with_vaux() {
    for screen in SCREENS {
        check(&mut sample::watching(), screen, &format!("vaux_{}", screen.name().to_lowercase()));
    }
}

#[test]
fn every_screen_with_mosquitto() {
    for screen in SCREENS {
        check(&mut sample::mosquitto(), screen, &format!("mosquitto_{}", screen.name().to_lowercase()));
    }
}

#[test]
fn details() {
    let mut state = sample::watching();
    state.size = Size::new(80, 24);
    settle(&mut state);
    press(&mut state, "2/plant/2/state\nG\nv");
    insta::assert_snapshot!("detail_of_a_topic", shown(&mut state, 80, 24));
    press(&mut state, "\u{1b}5k\n");
    insta::assert_snapshot!("detail_of_a_message", shown(&mut state, 80, 24));
    press(&mut state, "\u{1b}3j\n");
    insta::assert_snapshot!("detail_of_a_session", shown(&mut state, 80, 24));
    press(&mut state, "\u{1b}6\n");
    insta::assert_snapshot!("detail_of_an_event", shown(&mut state, 80, 24));
}

#[test]
fn what_opens_over_a_screen() {
    let mut state = sample::watching();
    settle(&mut state);
    press(&mut state, "3jx");
    insta::assert_snapshot!("question_before_a_kick", shown(&mut state, 80, 24));
    press(&mut state, "n?");
    insta::assert_snapshot!("help", in_all_sizes(&mut state));
    press(&mut state, "x:the");
    insta::assert_snapshot!("palette", shown(&mut state, 80, 24));
    press(&mut state, "\u{1b}Pa/+\thello\n");
    insta::assert_snapshot!("form", shown(&mut state, 80, 24));
}

#[test]
fn what_was_scrolled_too_far_comes_back_at_once() {
    let mut state = sample::watching();
    press(&mut state, "?");
    let beginning = shown(&mut state, 40, 10);
    press(&mut state, &"j".repeat(99));
    let end = shown(&mut state, 40, 10);
    press(&mut state, "k");
    let before = shown(&mut state, 40, 10);
    press(&mut state, "j");
    assert_eq!(shown(&mut state, 40, 10), end);
    assert!(beginning != before && before != end);
    press(&mut state, "g");
    assert_eq!(shown(&mut state, 40, 10), beginning);
}

#[test]
fn the_wheel_scrolls_a_detail_and_leaves_the_list_behind_it_alone() {
    let mut state = sample::watching();
    state.size = Size::new(80, 10);
    settle(&mut state);
    press(&mut state, "2/plant/2/state\nG\n");
    let (beginning, selected) = (shown(&mut state, 80, 10), state.topics.cursor.selected);
    let wheel =
        MouseEvent { kind: MouseEventKind::ScrollDown, column: 5, row: 5, modifiers: KeyModifiers::NONE };
    let clock = state.clock;
    update(&mut state, clock, Input::Mouse(wheel));
    assert_ne!(shown(&mut state, 80, 10), beginning);
    assert_eq!(state.topics.cursor.selected, selected);
}

#[test]
fn a_lost_connection_is_told_and_the_last_data_stay_dimmed() {
    let mut state = sample::watching();
    let now = state.clock;
    update(&mut state, now, Input::Lost("the server closed the connection".to_owned()));
    update(&mut state, now, Input::Retrying { attempt: 2, after_ms: 3400 });
    let buffer = sample::draw(&mut state, 80, 24);
    insta::assert_snapshot!("lost", sample::text(&buffer));
    for y in 2..23 {
        assert!(buffer[(5, y)].modifier.contains(Modifier::DIM), "row {y}");
    }
}

#[test]
fn nothing_but_ascii_is_drawn_when_that_is_asked_for() {
    let mut state = sample::watching();
    state.settings.ascii = true;
    state.glyphs = Glyphs::new(true);
    for screen in SCREENS {
        state.screen = screen;
        let text = shown(&mut state, 120, 40);
        assert!(text.is_ascii(), "{text}");
    }
    insta::assert_snapshot!("ascii", shown(&mut state, 80, 24));
}

#[test]
fn without_colours_everything_is_there_and_the_selection_is_reversed() {
    for screen in SCREENS {
        let mut colored = sample::watching();
        let text = sample::text(&sample::show(&mut colored, screen, 120, 40));
        let mut state = sample::watching();
        state.settings.theme = ThemeName::Mono;
        state.theme = Theme::new(ThemeName::Mono);
        let buffer = sample::show(&mut state, screen, 120, 40);
        assert_eq!(sample::text(&buffer), text);
        for position in buffer.area.positions() {
            let cell = &buffer[position];
            assert_eq!((cell.fg, cell.bg), (Color::Reset, Color::Reset), "{position} of {screen:?}");
        }
        if screen != Screen::Overview {
            let rows = (3..38).filter(|y| buffer[(4, *y)].modifier.contains(Modifier::REVERSED)).count();
            assert_eq!(rows, 1, "{screen:?}");
        }
    }
}

#[test]
fn styles_say_what_matters() {
    let mut state = sample::watching();
    let buffer = sample::show(&mut state, Screen::Sessions, 80, 24);
    let theme = state.theme;
    let row = (0..24).find(|y| sample::text(&buffer).lines().nth(*y).unwrap().contains("historian")).unwrap();
    let line: String = (0..80).map(|x| buffer[(x, row as u16)].symbol()).collect();
    let at = line.chars().position(|character| character == '!').unwrap();
    assert_eq!(buffer[(at as u16, row as u16)].fg, theme.warning.fg.unwrap());
    let online = (0..24u16).find(|y| buffer[(1, *y)].bg == theme.selected.bg.unwrap());
    assert!(online.is_some(), "a row is selected");
}

#[test]
fn what_others_send_cannot_act_upon_the_terminal() {
    let mut state = sample::connected();
    sample::arrive(&mut state, NOW, "a\u{1b}[2Jb", "\u{1b}]0;title\u{7}");
    sample::arrive(&mut state, NOW, "right\u{202e}tfel", "x");
    for screen in SCREENS {
        let text = sample::text(&sample::show(&mut state, screen, 120, 40));
        let bad = |character: char| (character.is_control() && character != '\n') || character == '\u{202e}';
        assert!(!text.contains(bad), "{text}");
    }
}

/// Anything that may come in.
fn input() -> impl Strategy<Value = Input> {
    let keys = prop_oneof![
        6 => any::<char>().prop_map(KeyCode::Char),
        12 => proptest::sample::select("123456jkhlgG/:pswtxoOvnmyePuEC?+#a [-]q ".chars().collect::<Vec<_>>()).prop_map(KeyCode::Char),
        8 => proptest::sample::select(vec![KeyCode::Enter, KeyCode::Esc, KeyCode::Tab, KeyCode::BackTab, KeyCode::Up,
            KeyCode::Down, KeyCode::Left, KeyCode::Right, KeyCode::PageDown, KeyCode::PageUp, KeyCode::Backspace, KeyCode::Delete]),
    ];
    prop_oneof![
        12 => keys.prop_map(|code| Input::Key(KeyEvent::new(code, KeyModifiers::NONE))),
        4 => ("[ab/é#]{0,9}", proptest::collection::vec(any::<u8>(), 0..40))
            .prop_map(|(topic, payload)| Input::Arrived(Message::new(topic, payload))),
        2 => (proptest::sample::select(vec!["metrics", "events", "top/topics", "sessions/x", "sessions/y"]), "[a-z0-9\":{},\\[\\]]{0,30}")
            .prop_map(|(name, payload)| Input::Arrived(Message::new(format!("$SYS/broker/vaux/{name}"), payload))),
        1 => Just(Input::Lost("gone".to_owned())),
        1 => Just(Input::Connected),
        1 => Just(Input::Tick),
        2 => (any::<u16>(), any::<u16>(), any::<bool>()).prop_map(|(column, row, is_click)| Input::Mouse(MouseEvent {
            kind: if is_click { MouseEventKind::Down(MouseButton::Left) } else { MouseEventKind::ScrollDown },
            column: column % 210,
            row: row % 60,
            modifiers: KeyModifiers::NONE,
        })),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn no_size_and_no_input_panics(
        kind in 0..3u8,
        steps in proptest::collection::vec((input(), 0..200u16, 0..60u16), 1..40),
    ) {
        let mut state = match kind {
            0 => sample::watching(),
            1 => sample::mosquitto(),
            _ => sample::replaying(),
        };
        for (index, (input, width, height)) in steps.into_iter().enumerate() {
            update(&mut state, NOW + 60_000 + index as u64 * 700, input);
            // Small ones are where it would break.
            let (width, height) = if index % 2 == 0 { (width, height) } else { (width % 12, height % 8) };
            sample::draw(&mut state, width, height);
        }
    }
}

#[test]
fn a_recording_has_a_time_line() {
    let mut state = sample::replaying();
    let clock = state.clock;
    update(&mut state, clock + 1, Input::Tick);
    update(&mut state, clock + 1001, Input::Tick);
    press(&mut state, "]]] ");
    insta::assert_snapshot!("recording", in_all_sizes(&mut state));
}
