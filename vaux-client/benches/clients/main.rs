//! `cargo bench -p vaux-client`: this library beside rumqttc and paho, against the same vaux-broker.
//!
//! Each measurement is a process of its own (`--run`), so that its processor time and its allocations are those of one
//! client. Clients take turns within a round, and the table shows medians over the rounds. What each client does is in
//! its module; `docs/performance.md` says how to read the figures.

mod broker;
mod meter;
mod paho;
mod rumqttc_client;
mod table;
mod vaux;

use std::alloc::System;
use std::error::Error;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

use broker::Broker;
use meter::Measured;

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

type Outcome<T> = Result<T, Box<dyn Error>>;

const TOPIC: &str = "bench/clients/topic";
const PAYLOAD: [u8; 64] = [b'x'; 64];
/// How many messages with QoS 1 may be unacknowledged: what rumqttc has by default.
const INFLIGHT: u16 = 100;
/// How many messages may wait in front of a connection.
const QUEUE: usize = 256;

/// What a client is to do.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Job {
    PublishQos0,
    PublishQos1,
    ReceiveQos0,
    ReceiveQos1,
}

impl Job {
    const ALL: [Job; 4] = [Job::PublishQos0, Job::PublishQos1, Job::ReceiveQos0, Job::ReceiveQos1];

    fn name(self) -> &'static str {
        match self {
            Job::PublishQos0 => "publish-qos0",
            Job::PublishQos1 => "publish-qos1",
            Job::ReceiveQos0 => "receive-qos0",
            Job::ReceiveQos1 => "receive-qos1",
        }
    }

    fn is_receiving(self) -> bool {
        matches!(self, Job::ReceiveQos0 | Job::ReceiveQos1)
    }
}

/// Who does it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Contestant {
    Vaux,
    Rumqttc,
    VauxBlocking,
    RumqttcBlocking,
    PahoPython,
}

impl Contestant {
    const ALL: [Contestant; 5] = [
        Contestant::Vaux,
        Contestant::Rumqttc,
        Contestant::VauxBlocking,
        Contestant::RumqttcBlocking,
        Contestant::PahoPython,
    ];

    fn name(self) -> &'static str {
        match self {
            Contestant::Vaux => "vaux-client",
            Contestant::Rumqttc => "rumqttc",
            Contestant::VauxBlocking => "vaux-client, blocking",
            Contestant::RumqttcBlocking => "rumqttc, blocking",
            Contestant::PahoPython => "paho-mqtt (Python)",
        }
    }

    fn run(self, job: Job, port: u16, messages: usize) -> Outcome<Measured> {
        match self {
            Contestant::Vaux => vaux::run(job, port, messages),
            Contestant::Rumqttc => rumqttc_client::run(job, port, messages),
            Contestant::VauxBlocking => vaux::run_blocking(job, port, messages),
            Contestant::RumqttcBlocking => rumqttc_client::run_blocking(job, port, messages),
            Contestant::PahoPython => Err("it runs in Python".into()),
        }
    }
}

fn main() -> Outcome<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [run, contestant, job, port, messages] = &arguments[..]
        && run == "--run"
    {
        let contestant = Contestant::ALL.into_iter().find(|one| one.name() == contestant);
        let job = Job::ALL.into_iter().find(|one| one.name() == job);
        let (contestant, job) = contestant.zip(job).ok_or("--run CONTESTANT JOB PORT MESSAGES")?;
        println!("{}", contestant.run(job, port.parse()?, messages.parse()?)?);
        return Ok(());
    }
    // `cargo test --benches` runs this too, without the flag.
    if !arguments.iter().any(|argument| argument == "--bench") {
        return Ok(());
    }
    compete(&Wanted::parse(&arguments)?)
}

/// What the command line asks for: `[--rounds N] [--messages N] [JOB]…`.
struct Wanted {
    rounds: usize,
    messages: usize,
    jobs: Vec<Job>,
}

impl Wanted {
    fn parse(arguments: &[String]) -> Outcome<Self> {
        let mut wanted = Wanted { rounds: 5, messages: 200_000, jobs: Vec::new() };
        let mut arguments = arguments.iter();
        while let Some(argument) = arguments.next() {
            let mut number = || arguments.next().ok_or(format!("{argument} needs a number"));
            match argument.as_str() {
                "--bench" => {}
                "--rounds" => wanted.rounds = number()?.parse()?,
                "--messages" => wanted.messages = number()?.parse()?,
                name => match Job::ALL.into_iter().find(|job| job.name() == name) {
                    Some(job) => wanted.jobs.push(job),
                    None => return Err(format!("{name} is neither a flag nor a job").into()),
                },
            }
        }
        if wanted.jobs.is_empty() {
            wanted.jobs.extend(Job::ALL);
        }
        Ok(wanted)
    }
}

fn compete(wanted: &Wanted) -> Outcome<()> {
    let broker = Broker::start()?;
    let python = paho::python();
    for job in &wanted.jobs {
        let mut results: Vec<(&'static str, Vec<Measured>)> = Vec::new();
        for round in 0..wanted.rounds {
            for contestant in Contestant::ALL {
                let measured = match (contestant, &python) {
                    (Contestant::PahoPython, None) => continue,
                    (Contestant::PahoPython, Some(python)) => {
                        let messages = wanted.messages / 10;
                        attend(paho::command(python, *job, broker.port(), messages), *job, &broker, messages)?
                    }
                    _ => {
                        let mut command = Command::new(std::env::current_exe()?);
                        command.args(["--run", contestant.name(), job.name()]);
                        command.args([broker.port().to_string(), wanted.messages.to_string()]);
                        attend(command, *job, &broker, wanted.messages)?
                    }
                };
                match results.iter_mut().find(|(name, _)| *name == contestant.name()) {
                    Some((_, measured_before)) => measured_before.push(measured),
                    None => results.push((contestant.name(), vec![measured])),
                }
            }
            eprintln!("{}: round {} of {}", job.name(), round + 1, wanted.rounds);
        }
        print!("{}", table::of(job.name(), &results));
    }
    if python.is_none() {
        eprintln!("paho-mqtt did not take part: set PAHO_PYTHON to a Python that has it");
    }
    Ok(())
}

/// Runs one measurement, and publishes to it what it is to receive once it is subscribed.
fn attend(mut command: Command, job: Job, broker: &Broker, messages: usize) -> Outcome<Measured> {
    let child = command.stdout(Stdio::piped()).spawn()?;
    let mut child = KillOnDrop(child);
    let output = child.0.stdout.take().expect("the output is piped");
    let mut lines = BufReader::new(output).lines();
    let mut line = lines.next().ok_or("the client said nothing")??;
    if job.is_receiving() {
        if line != "ready" {
            return Err(format!("the client said {line:?}").into());
        }
        vaux::feed(job, broker.port(), messages)?;
        line = lines.next().ok_or("the client ended early")??;
    }
    let status = child.0.wait()?;
    if !status.success() {
        return Err(format!("the client ended with {status}").into());
    }
    line.parse()
}

struct KillOnDrop(Child);

impl Drop for KillOnDrop {
    fn drop(&mut self) {
        // One that has ended cannot be killed, and that is fine.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
