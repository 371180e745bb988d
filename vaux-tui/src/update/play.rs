//! A recording goes on, stops, leaps.

use super::arrive;
use crate::state::State;
use crate::state::replay::Second;

/// The time since the last step, as far as the recording is concerned: a dashboard that was stopped does not catch up.
const MAX_STEP_MS: u64 = 1000;

/// Plays what is due. Called at least as often as anything is drawn.
pub(super) fn advance(state: &mut State) {
    if state.replay.is_none() {
        return;
    }
    let clock = state.clock;
    let elapsed_ms = clock.saturating_sub(std::mem::replace(&mut state.asked_at, clock)).min(MAX_STEP_MS);
    let Some(replay) = state.replay.as_mut().filter(|replay| replay.is_playing) else { return };
    let to_us = replay.position_us + elapsed_ms * 1000 * replay.speed_quarters / 4;
    go_to(state, to_us);
}

/// Plays, or stops. At the end it begins anew.
pub(super) fn toggle(state: &mut State) {
    let Some(replay) = &mut state.replay else { return };
    replay.is_playing = !replay.is_playing;
    if replay.is_playing && replay.position_us >= replay.recording.length_us() {
        go_to(state, 0);
    }
}

/// Back or forward by a good part.
pub(super) fn leap(state: &mut State, is_forward: bool) {
    let Some(replay) = &state.replay else { return };
    let leap_us = replay.leap_us();
    let to_us = match is_forward {
        true => replay.position_us.saturating_add(leap_us),
        false => replay.position_us.saturating_sub(leap_us),
    };
    go_to(state, to_us);
}

/// Twice the speed, or half of it.
pub(super) fn change_speed(state: &mut State, is_faster: bool) {
    if let Some(replay) = &mut state.replay {
        replay.change_speed(is_faster);
    }
}

/// To a position: what lies before it has come, what lies behind has not.
pub(super) fn go_to(state: &mut State, to_us: u64) {
    let Some(mut replay) = state.replay.take() else { return };
    let length_us = replay.recording.length_us();
    let to_us = to_us.min(length_us);
    if to_us < replay.position_us {
        state.topics.clear();
        state.inspect.clear();
        state.overview = Default::default();
        (replay.next, replay.second) = (0, Second::default());
    }
    while let Some((us, message)) =
        replay.recording.messages().get(replay.next).filter(|(us, _)| *us <= to_us)
    {
        let message = message.clone();
        state.now = replay.recording.time_ms(*us);
        count(state, &mut replay.second, us / 1_000_000, message.payload.len());
        arrive::take_topic(state, message);
        replay.next += 1;
    }
    count_until(state, &mut replay.second, to_us / 1_000_000);
    replay.position_us = to_us;
    if to_us == length_us {
        replay.is_playing = false;
    }
    state.now = replay.now();
    state.replay = Some(replay);
}

/// Counts a message in its second.
fn count(state: &mut State, second: &mut Second, at_s: u64, payload_len: usize) {
    count_until(state, second, at_s);
    second.messages += 1;
    second.bytes += payload_len as u64;
}

/// Ends all seconds before this one.
fn count_until(state: &mut State, second: &mut Second, at_s: u64) {
    // After a long silence a screen of nothing is enough.
    second.at_s = second.at_s.max(at_s.saturating_sub(1000));
    while second.at_s < at_s {
        state.overview.received.push(second.messages as f64);
        state.overview.bytes_received.push(second.bytes as f64);
        *second = Second { at_s: second.at_s + 1, ..Second::default() };
    }
}
