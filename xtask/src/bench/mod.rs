//! `cargo xtask bench`: vaux-broker and its peers under the same load, in turn.
//!
//! Every round starts each broker afresh, pinned to one processor, and the load generator pinned to another. Rounds
//! are interleaved, so that what changes on the machine meanwhile changes for all. What is reported is the broker's
//! processor time from the kernel's account, which other work on the machine hardly moves, and the rate by the clock,
//! which it does.

pub(crate) mod build;
mod certificate;
mod figure;
mod growth;
pub(crate) mod known;
mod markdown;
pub(crate) mod peer;
pub(crate) mod placement;
mod plot;
mod report;
pub(crate) mod scenario;
pub(crate) mod table;

use std::path::PathBuf;
use std::process::Stdio;

use clap::Args;

use crate::Outcome;
use crate::load::{Measurement, Settings};
use certificate::Certificate;
use known::Setup;
use peer::Peer;
use placement::Processors;
use report::{Contender, Report, Row};
use scenario::{Engines, Scenario};

/// What `cargo xtask bench` takes.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Only these scenarios, or `growth`: how the cost of a message grows [default: all but growth; see --list]
    #[arg(value_name = "SCENARIO")]
    scenarios: Vec<String>,
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
    /// Measure nothing: print what --json wrote to this file as a table in Markdown; may be repeated
    #[arg(long, value_name = "FILE", conflicts_with_all = ["scenarios", "list", "json"])]
    table: Vec<PathBuf>,
    /// Draw how the cost of a message grows to this file, as SVG
    #[arg(long, value_name = "FILE")]
    plot: Option<PathBuf>,
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
        let all = table::ALL.iter().chain(&table::GROWTH);
        all.for_each(|scenario| println!("{:<24} {}", scenario.name, scenario.about));
        return Ok(());
    }
    if !arguments.table.is_empty() {
        let report = Report::read(&arguments.table)?;
        print!("{}", markdown::table(&report));
        return draw(arguments, &report);
    }
    if !peer::is_installed("taskset") {
        return Err("the benchmark needs taskset, which is part of util-linux on Linux".into());
    }
    let scenarios = scenarios(arguments)?;
    let brokers = Brokers::of(arguments)?;
    let mut report = Report::new(arguments);
    println!("{}", report.heading());
    for scenario in &scenarios {
        let row = run_scenario(arguments, &brokers, scenario);
        println!("{row}");
        report.rows.push(row);
        // After every scenario, so that a run that is ended early has not been for nothing.
        if let Some(path) = &arguments.json {
            report.write(path)?;
        }
    }
    draw(arguments, &report)?;
    match report.complaints() {
        complaints if complaints.is_empty() => Ok(()),
        complaints => Err(complaints.join("\nerror: ").into()),
    }
}

fn scenarios(arguments: &Arguments) -> Outcome<Vec<Scenario>> {
    if arguments.scenarios.is_empty() {
        return Ok(table::ALL.to_vec());
    }
    let chosen = arguments.scenarios.iter().map(|word| scenario::chosen(word));
    Ok(chosen.collect::<Result<Vec<_>, _>>()?.concat())
}

fn draw(arguments: &Arguments, report: &Report) -> Outcome {
    let Some(path) = &arguments.plot else { return Ok(()) };
    let drawing =
        plot::growth(report).ok_or("there is nothing to draw: the scenarios of growth have not run")?;
    std::fs::write(path, drawing).map_err(|error| format!("cannot write {}: {error}", path.display()).into())
}

/// The brokers to measure, and what to measure them with.
struct Brokers {
    /// The program, if vaux is among the brokers.
    vaux: Option<PathBuf>,
    /// The program, if mosquitto is among the brokers.
    mosquitto: Option<PathBuf>,
    /// Those of a file.
    peers: Vec<Peer>,
    load_generator: PathBuf,
    /// What brokers show where TLS is measured.
    certificate: Certificate,
}

impl Brokers {
    fn of(arguments: &Arguments) -> Outcome<Brokers> {
        let mut peers = match &arguments.peers {
            Some(path) => Peer::from_file(path)?,
            None => Vec::new(),
        };
        let known =
            |name: &str| name == "vaux" || name == "mosquitto" || peers.iter().any(|peer| peer.name == name);
        if let Some(unknown) = arguments.brokers.iter().find(|name| !known(name)) {
            return Err(format!("no broker is called {unknown}").into());
        }
        let wanted =
            |name: &str| arguments.brokers.is_empty() || arguments.brokers.iter().any(|had| had == name);
        let mosquitto = wanted("mosquitto").then(known::mosquitto_program).transpose()?;
        peers.retain(|peer| wanted(&peer.name));
        let load_generator = build::program("xtask", "xtask", &arguments.profile)?;
        let vaux = wanted("vaux").then(|| build::program("vaux-broker", "vaux-broker", &arguments.profile));
        let certificate = Certificate::new()?;
        Ok(Brokers { vaux: vaux.transpose()?, mosquitto, peers, load_generator, certificate })
    }

    /// Who takes part in a scenario. Where workers, windows or engines of the store are to be compared, vaux takes part twice.
    fn contenders(&self, scenario: &Scenario) -> Vec<Peer> {
        let tls = self.tls(scenario);
        let mut contenders = Vec::new();
        if let Some(program) = &self.vaux {
            let usual = Setup { limits: scenario.limits, tls, ..Setup::AS_IT_COMES };
            let in_memory = Setup { engine: Some("memory"), metrics: scenario.is_durable(), ..usual };
            let vaux = |name, setup: Setup<'_>| known::vaux(name, program, &setup);
            contenders.extend(match scenario.engines() {
                Engines::AsItComes => vec![vaux(report::ONE_WORKER, usual)],
                Engines::Both => {
                    let on_disk = Setup { engine: Some("disk"), ..in_memory };
                    vec![vaux(report::ONE_WORKER, on_disk), vaux(report::IN_MEMORY, in_memory)]
                }
                Engines::AlsoMemory => {
                    vec![vaux(report::ONE_WORKER, usual), vaux(report::IN_MEMORY, in_memory)]
                }
                Engines::Memory => vec![vaux(report::IN_MEMORY, in_memory)],
            });
            if scenario.crosses() {
                contenders.push(vaux(report::TWO_WORKERS, Setup { workers: 2, ..usual }));
            }
            if scenario.fills_windows() {
                contenders.push(vaux(report::WIDE, Setup { limits: known::WIDE_WINDOW, ..usual }));
            }
        }
        contenders.extend(self.mosquitto.iter().map(|program| known::mosquitto(program, scenario, tls)));
        contenders.extend(self.peers.iter().filter_map(|peer| peer.for_scenario(scenario, tls)));
        contenders
    }

    /// The certificate, where the scenario is about TLS.
    fn tls(&self, scenario: &Scenario) -> Option<&Certificate> {
        scenario.tls.then_some(&self.certificate)
    }
}

/// Runs all rounds of a scenario. A run that fails is noted, and the others go on.
fn run_scenario(arguments: &Arguments, brokers: &Brokers, scenario: &Scenario) -> Row {
    // Two workers on one processor would say nothing about two workers.
    let pinned = !scenario.crosses();
    let contenders = brokers.contenders(scenario);
    let mut row =
        Row::new(scenario, pinned, contenders.iter().map(|peer| Contender::new(&peer.name)).collect());
    for round in 1..=arguments.rounds {
        for (peer, contender) in contenders.iter().zip(&mut row.contenders) {
            eprintln!("{} round {round} of {}: {}", scenario.name, arguments.rounds, peer.name);
            match run_once(arguments, brokers, scenario, peer) {
                Ok(measurement) => contender.runs.push(measurement),
                Err(error) => contender.failures.push(error.to_string()),
            }
        }
    }
    row.summarize(scenario);
    row
}

/// Starts a broker, loads it, and stops it.
fn run_once(
    arguments: &Arguments,
    brokers: &Brokers,
    scenario: &Scenario,
    peer: &Peer,
) -> Outcome<Measurement> {
    let pinned = !scenario.crosses();
    let broker = peer.start(&arguments.processors.broker(pinned))?;
    let settings = &arguments.settings;
    let mut words = vec![
        brokers.load_generator.to_string_lossy().into_owned(),
        "load".to_owned(),
        format!("--scenario={}", scenario.name),
        format!("--broker={}", broker.address),
        format!("--process={}", broker.process()),
        format!("--warm-up={}", settings.warm_up),
        format!("--measure={}", settings.measure),
    ];
    words.extend(broker.metrics()?.map(|address| format!("--metrics={address}")));
    words.extend(brokers.tls(scenario).map(|tls| format!("--cafile={}", tls.chain.display())));
    words.extend(settings.ahead.map(|ahead| format!("--ahead={ahead}")));
    words.extend(settings.v5.then(|| "--v5".to_owned()));
    let load = arguments.processors.load(pinned);
    let output = load.command(&words).stdin(Stdio::null()).output()?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).trim().trim_start_matches("error: ").into());
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}
