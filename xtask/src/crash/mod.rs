//! `cargo xtask crash`: a broker is killed again and again under load, and whatever it had acknowledged must be there.
//!
//! Publishers write down outside the broker what they sent and what was acknowledged (`ledger`), subscribers what came
//! (`receipt`). Both keep their sessions from one life of the broker to the next and send again what the protocol says,
//! so that exactly once can be judged. A round is load, an end at a random moment, a start in the same data directory,
//! and a look at everything; some rounds skip the look, so that the broker is killed while its clients return. All
//! decisions come from one seed. What the broker does in between is not repeated by it.

mod cast;
mod check;
mod crowd;
mod fickle;
mod group;
mod ledger;
mod member;
mod plan;
mod process;
mod publisher;
mod receipt;
mod report;
mod retained;
mod round;
mod subscriber;
mod testator;
mod visitor;
mod wal;

use std::path::PathBuf;
use std::time::Instant;

use clap::{Args, ValueEnum};

use crate::Outcome;
use crate::bench::peer::Peer;
use crate::bench::{build, known};
use round::Run;

/// What `cargo xtask crash` takes.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// How often the broker is ended
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// What all decisions follow from [default: a new one, which is printed]
    #[arg(long)]
    seed: Option<u64>,
    /// The vaux-broker to test [default: it is built]
    #[arg(long, value_name = "PATH", conflicts_with = "peers")]
    broker: Option<PathBuf>,
    /// Test other brokers, described in a TOML file as for the benchmark; `{scratch}/data` outlives them
    #[arg(long, value_name = "FILE")]
    peers: Option<PathBuf>,
    /// Where vaux-broker keeps what must survive
    #[arg(long, value_enum, default_value_t = Engine::Disk, conflicts_with = "peers")]
    engine: Engine,
    /// How sure vaux-broker is of what it acknowledges
    #[arg(long, value_enum, default_value_t = Durability::Commit, conflicts_with = "peers")]
    durability: Durability,
    /// The cargo profile that vaux-broker is built with
    #[arg(long, default_value = "dev")]
    profile: String,
    /// Take the last three commits out of vaux-broker's store before each start, to see that it is noticed
    #[arg(long, conflicts_with = "peers")]
    lose_batch: bool,
}

/// `store.engine` of the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Engine {
    Disk,
    Memory,
}

/// `store.durability` of the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Durability {
    Commit,
    Interval,
    None,
}

/// Runs all rounds with each broker.
///
/// # Errors
///
/// A broker does not start, or has not kept what it acknowledged.
pub(crate) fn run(arguments: &Arguments) -> Outcome {
    let seed = arguments.seed.unwrap_or_else(|| fastrand::u64(..));
    let mut violations = 0;
    for peer in peers(arguments)? {
        println!("{}: {} rounds, seed {seed}", peer.name, arguments.rounds);
        let begun = Instant::now();
        let mut run = Run::new(peer, seed, arguments.lose_batch)?;
        let outcome = run.rounds(arguments.rounds);
        println!("\n{}{} s", run.report(), begun.elapsed().as_secs());
        outcome?;
        violations += run.report().violations();
    }
    match violations {
        0 => Ok(()),
        count => Err(format!("{count} violations, with seed {seed}").into()),
    }
}

fn peers(arguments: &Arguments) -> Outcome<Vec<Peer>> {
    if let Some(path) = &arguments.peers {
        return Peer::from_file(path);
    }
    let program = match &arguments.broker {
        Some(path) => path.clone(),
        None => build::program("vaux-broker", "vaux-broker", &arguments.profile)?,
    };
    Ok(vec![known::vaux_configured(&program, &store_configuration(arguments))])
}

fn store_configuration(arguments: &Arguments) -> String {
    let engine = match arguments.engine {
        Engine::Disk => "disk",
        Engine::Memory => "memory",
    };
    let durability = match arguments.durability {
        Durability::Commit => "commit",
        Durability::Interval => "interval",
        Durability::None => "none",
    };
    format!("[store]\nengine = \"{engine}\"\ndurability = \"{durability}\"\n")
}
