//! The seeded simulation: workers, store and clients in one thread, driven by a heap of events.
//!
//! A seed decides everything: who takes part, what each does when, what goes wrong. A failing schedule names its seed,
//! and runs again alone, with all that happens, by
//! `VAUX_SIMULATION_SEED=<seed> cargo test -p vaux-broker --lib what_must_hold -- --nocapture`.

mod client;
mod durable;
mod faults;
mod invariants;
mod ledger;
mod link;
mod planted;
mod receive;
mod store;
mod wills;
mod worker;
mod world;

use fastrand::Rng;

use self::faults::Plan;
use self::invariants::Violation;
use self::world::World;
use super::*;
use crate::session::Stored;
use crate::store::StoreState;

/// How many schedules every run of the tests goes through.
const SCHEDULES: u64 = 10_000;

/// What settles does so within this time.
const SETTLING_MS: u64 = 20_000;

/// Goes through the schedule of a seed.
fn run(seed: u64, plan: impl FnOnce(&mut Rng) -> Plan, is_traced: bool) -> (World, Result<(), Violation>) {
    let mut world = World::new(seed, plan);
    world.trace = is_traced.then(Vec::new);
    let end = world.now.plus_ms(world.plan.duration_ms);
    while world.violation.is_none() && world.now < end {
        world.run_until(world.now.plus_ms(20));
        world.check_sessions();
    }
    world.settle();
    let violation = world.violation.clone();
    (world, violation.map_or(Ok(()), Err))
}

impl World {
    /// Faults are over: everybody comes, and all that waits is delivered.
    fn settle(&mut self) {
        if self.violation.is_some() {
            return;
        }
        if self.must_restart() {
            self.crash();
        }
        (self.store.state, self.store.is_failing) = (StoreState::Good, false);
        self.is_settling = true;
        if self.rng.u8(..4) == 0 {
            // Those who are away stay away for so long that wills and sessions run out.
            self.set_away(|client| client.link.is_none());
            self.run_until(self.now.plus_ms(10_000));
            self.set_away(|_| false);
        }
        (0..self.clients.len()).for_each(|client| self.subscribe_as(client));
        // First without one member of the shared subscription.
        self.set_away(|client| client.role.client_id == "m0" && client.link.is_none());
        self.run_until_settled();
        self.check_shared();
        self.set_away(|_| false);
        self.run_until_settled();
        if self.violation.is_none() {
            self.check_end();
        }
    }

    fn set_away(&mut self, stays_away: impl Fn(&client::Client) -> bool) {
        self.clients.iter_mut().for_each(|client| client.stays_away = stays_away(client));
    }

    fn run_until_settled(&mut self) {
        let end = self.now.plus_ms(SETTLING_MS);
        while self.violation.is_none() && self.now < end {
            self.run_until(self.now.plus_ms(50));
            if self.unsettled().is_none() {
                return;
            }
        }
        if let Some(unsettled) = self.unsettled().filter(|_| self.violation.is_none()) {
            self.violate(15, format!("it does not settle: {unsettled}"));
        }
    }
}

fn report(seed: u64, violation: &Violation) -> String {
    format!(
        "seed {seed}: invariant {}: {}\nrepeat it with VAUX_SIMULATION_SEED={seed}",
        violation.invariant, violation.text
    )
}

#[test]
fn what_must_hold_holds_in_all_schedules() {
    let chosen = std::env::var("VAUX_SIMULATION_SEED").ok().map(|seed| seed.parse::<u64>().unwrap());
    if let Some(seed) = chosen {
        let (world, result) = run(seed, Plan::random, true);
        println!("{:#?}", world.plan);
        world.trace.into_iter().flatten().for_each(|line| println!("{line}"));
        return result.unwrap_or_else(|violation| panic!("{}", report(seed, &violation)));
    }
    for seed in 0..SCHEDULES {
        if let (_, Err(violation)) = run(seed, Plan::random, false) {
            panic!("{}", report(seed, &violation));
        }
    }
}

#[test]
fn a_seed_repeats_its_schedule() {
    for seed in 0..20 {
        let trace = || run(seed, Plan::random, true).0.trace;
        assert_eq!(trace(), trace());
    }
}
