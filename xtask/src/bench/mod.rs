//! `cargo xtask bench`: vaux-broker and its peers under the same load, in turn.
//!
//! Every round starts each broker afresh, pinned to one processor, and the load generator pinned to another. Rounds
//! are interleaved, so that what changes on the machine meanwhile changes for all. What is reported is the broker's
//! processor time from the kernel's account, which other work on the machine hardly moves, and the rate by the clock,
//! which it does.

pub(crate) mod build;
pub(crate) mod peer;
pub(crate) mod placement;
mod report;
pub(crate) mod scenario;

use std::path::{Path, PathBuf};
use std::process::Stdio;

use clap::Args;

use crate::Outcome;
use crate::load::{Measurement, Settings};
use peer::Peer;
use placement::Processors;
use report::{Contender, Report, Row};
use scenario::{Homes, Load, Scenario};

/// What `cargo xtask bench` takes.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Only these scenarios [default: all; see --list]
    #[arg(value_parser = scenario::named)]
    scenarios: Vec<Scenario>,
    /// List the scenarios and do nothing
    #[arg(long)]
    list: bool,
    /// How often each broker runs each scenario
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..))]
    rounds: u16,
    /// Only this broker; may be repeated [default: vaux, mosquitto and those of --peers]
    #[arg(long = "broker", value_name = "NAME")]
    brokers: Vec<String>,
    /// More brokers, described in a TOML file
    #[arg(long, value_name = "FILE")]
    peers: Option<PathBuf>,
    /// The cargo profile that vaux-broker and the load generator are built with
    #[arg(long, default_value = "release")]
    profile: String,
    /// Write everything that was measured to this file, as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    #[command(flatten)]
    processors: Processors,
    #[command(flatten)]
    settings: Settings,
}

/// Runs the benchmark.
///
/// # Errors
///
/// Something could not be built or started, or a broker lost, doubled or reordered messages. Whatever could be
/// measured is printed all the same.
pub(crate) fn run(arguments: &Arguments) -> Outcome {
    if arguments.list {
        scenario::ALL.iter().for_each(|scenario| println!("{:<20} {}", scenario.name, scenario.about));
        return Ok(());
    }
    if !peer::is_installed("taskset") {
        return Err("the benchmark needs taskset, which is part of util-linux on Linux".into());
    }
    let brokers = Brokers::of(arguments)?;
    let scenarios = if arguments.scenarios.is_empty() { &scenario::ALL[..] } else { &arguments.scenarios };
    let mut report = Report::new(arguments);
    println!("{}", report.heading());
    for scenario in scenarios {
        let row = run_scenario(arguments, &brokers, *scenario);
        println!("{row}");
        report.rows.push(row);
    }
    if let Some(path) = &arguments.json {
        let json = serde_json::to_string_pretty(&report)?;
        std::fs::write(path, json + "\n")
            .map_err(|error| format!("cannot write {}: {error}", path.display()))?;
    }
    match report.complaints() {
        complaints if complaints.is_empty() => Ok(()),
        complaints => Err(complaints.join("\nerror: ").into()),
    }
}

/// The brokers to measure, and what to measure them with.
struct Brokers {
    /// The program, if vaux is among the brokers.
    vaux: Option<PathBuf>,
    peers: Vec<Peer>,
    load_generator: PathBuf,
}

impl Brokers {
    fn of(arguments: &Arguments) -> Outcome<Brokers> {
        let mut from_file = match &arguments.peers {
            Some(path) => Peer::from_file(path)?,
            None => Vec::new(),
        };
        let known = |name: &str| {
            name == "vaux" || name == "mosquitto" || from_file.iter().any(|peer| peer.name == name)
        };
        if let Some(unknown) = arguments.brokers.iter().find(|name| !known(name)) {
            return Err(format!("no broker is called {unknown}").into());
        }
        let wanted =
            |name: &str| arguments.brokers.is_empty() || arguments.brokers.iter().any(|had| had == name);
        let mut peers = Vec::new();
        if wanted("mosquitto") {
            peers.push(Peer::mosquitto()?);
        }
        from_file.retain(|peer| wanted(&peer.name));
        peers.append(&mut from_file);
        let load_generator = build::program("xtask", "xtask", &arguments.profile)?;
        let vaux = wanted("vaux").then(|| build::program("vaux-broker", "vaux-broker", &arguments.profile));
        Ok(Brokers { vaux: vaux.transpose()?, peers, load_generator })
    }

    /// Who takes part in a scenario. Where workers are to be compared, vaux takes part twice.
    fn contenders(&self, scenario: &Scenario) -> Vec<Peer> {
        let vaux = self.vaux.iter().flat_map(|program| {
            let two_workers = crosses(scenario).then(|| Peer::vaux(report::TWO_WORKERS, program, 2));
            [Some(Peer::vaux(report::ONE_WORKER, program, 1)), two_workers].into_iter().flatten()
        });
        vaux.chain(self.peers.iter().cloned()).collect()
    }
}

fn crosses(scenario: &Scenario) -> bool {
    matches!(scenario.load, Load::Traffic(traffic) if traffic.homes == Homes::Crossing)
}

/// Runs all rounds of a scenario. A run that fails is noted, and the others go on.
fn run_scenario(arguments: &Arguments, brokers: &Brokers, scenario: Scenario) -> Row {
    // Two workers on one processor would say nothing about two workers.
    let pinned = !crosses(&scenario);
    let contenders = brokers.contenders(&scenario);
    let mut row =
        Row::new(&scenario, pinned, contenders.iter().map(|peer| Contender::new(&peer.name)).collect());
    for round in 1..=arguments.rounds {
        for (peer, contender) in contenders.iter().zip(&mut row.contenders) {
            eprintln!("{} round {round} of {}: {}", scenario.name, arguments.rounds, peer.name);
            match run_once(arguments, &brokers.load_generator, &scenario, peer, pinned) {
                Ok(measurement) => contender.runs.push(measurement),
                Err(error) => contender.failures.push(error.to_string()),
            }
        }
    }
    row.summarize();
    row
}

/// Starts a broker, loads it, and stops it.
fn run_once(
    arguments: &Arguments,
    load_generator: &Path,
    scenario: &Scenario,
    peer: &Peer,
    pinned: bool,
) -> Outcome<Measurement> {
    let broker = peer.start(&arguments.processors.broker(pinned))?;
    let settings = &arguments.settings;
    let mut words = vec![
        load_generator.to_string_lossy().into_owned(),
        "load".to_owned(),
        format!("--scenario={}", scenario.name),
        format!("--broker={}", broker.address),
        format!("--process={}", broker.process()),
        format!("--warm-up={}", settings.warm_up),
        format!("--measure={}", settings.measure),
    ];
    words.extend(settings.ahead.map(|ahead| format!("--ahead={ahead}")));
    words.extend(settings.v5.then(|| "--v5".to_owned()));
    let load = arguments.processors.load(pinned);
    let output = load.command(&words).stdin(Stdio::null()).output()?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).trim().trim_start_matches("error: ").into());
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}
