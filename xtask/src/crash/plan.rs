//! What happens in a round, drawn from the seed.

use std::time::Duration;

use fastrand::Rng;

use super::process::Ending;

/// What happens in a round.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Plan {
    /// How long clients publish until the end.
    pub(super) load: Duration,
    pub(super) ending: Ending,
    /// With SIGSTOP: how long until SIGKILL.
    pub(super) stopped: Duration,
    /// Starts that are killed, each after so long.
    pub(super) broken_starts: Vec<Duration>,
    /// Whether the next round begins without a look at this one.
    pub(super) is_hurried: bool,
    /// Whether it is waited for sessions and wills that become due.
    pub(super) is_slow: bool,
    /// Whether the subscriber that is seldom there comes.
    pub(super) is_visited: bool,
}

/// Every so many rounds is a slow one.
const SLOW_EVERY: u32 = 6;

/// The messages that queue for an absent subscriber would be too many after so many rounds.
const VISITED_EVERY: u32 = 4;

impl Plan {
    /// The plan of a round, counted from 1.
    pub(super) fn draw(rng: &mut Rng, round: u32, rounds: u32) -> Plan {
        let is_last = round == rounds;
        let is_slow = is_last || round % SLOW_EVERY == 2;
        let millis = |rng: &mut Rng, below| Duration::from_millis(rng.u64(..below));
        let load = if rng.u8(..4) == 0 { millis(rng, 60) } else { millis(rng, 700) };
        let ending = match rng.u8(..20) {
            0..3 => Ending::StopKill,
            3..6 => Ending::Terminate,
            _ => Ending::Kill,
        };
        let stopped = millis(rng, 200);
        let broken_starts = if rng.u8(..5) == 0 { rng.usize(1..3) } else { 0 };
        let broken_starts = (0..broken_starts).map(|_| millis(rng, 80)).collect();
        let is_hurried = !is_slow && rng.u8(..4) == 0;
        let is_visited = is_last || round.is_multiple_of(VISITED_EVERY) || rng.u8(..4) == 0;
        Plan { load, ending, stopped, broken_starts, is_hurried, is_slow, is_visited }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plans(seed: u64) -> Vec<Plan> {
        let mut rng = Rng::with_seed(seed);
        (1..=50).map(|round| Plan::draw(&mut rng, round, 50)).collect()
    }

    #[test]
    fn a_seed_decides_and_all_kinds_of_rounds_come() {
        assert_eq!(plans(1), plans(1));
        let plans = plans(1);
        for ending in [Ending::Kill, Ending::StopKill, Ending::Terminate] {
            assert!(plans.iter().any(|plan| plan.ending == ending), "{ending:?}");
        }
        assert!(
            plans.iter().any(|plan| plan.is_hurried)
                && plans.iter().any(|plan| !plan.broken_starts.is_empty())
        );
        let last = plans.last().unwrap();
        assert!(last.is_slow && last.is_visited && !last.is_hurried);
    }
}
