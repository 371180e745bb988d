//! The `vaux-test` program: plays flows against a broker and prints how each went.
//!
//! Exit codes: 0 all passed, 2 wrong usage or a flow that cannot be read, 3 the broker cannot be reached, 9 a flow
//! failed.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;
use serde_json::json;
use vaux_mqtt::Version;
use vaux_test::{Flow, Target, bundled, play, report};

/// Play scripts of packets against an MQTT broker and say where it disagrees
#[derive(Debug, Parser)]
#[command(name = "vaux-test", version)]
struct Arguments {
    /// The broker: mqtt://HOST[:PORT] or mqtts://HOST[:PORT]
    #[arg(long, required_unless_present = "list")]
    url: Option<String>,
    /// Trust the certificates in this file
    #[arg(long, value_name = "FILE")]
    cafile: Option<PathBuf>,
    /// Trust any certificate
    #[arg(long, conflicts_with = "cafile")]
    insecure: bool,
    /// Require what the specification only recommends
    #[arg(long)]
    strict: bool,
    /// Only flows whose file, name or statements hold this text
    #[arg(long, value_name = "TEXT")]
    filter: Option<String>,
    /// Only this protocol version: 3.1, 3.1.1 or 5
    #[arg(long, value_name = "VERSION", value_parser = version)]
    only: Option<Version>,
    /// List the flows and do not play them
    #[arg(long)]
    list: bool,
    /// One JSON object a line
    #[arg(long)]
    json: bool,
    /// Files to play [default: the flows that are built in]
    flows: Vec<PathBuf>,
}

fn version(text: &str) -> Result<Version, String> {
    match text {
        "3.1" => Ok(Version::V31),
        "3.1.1" => Ok(Version::V311),
        "5" => Ok(Version::V5),
        _ => Err("there are 3.1, 3.1.1 and 5".to_owned()),
    }
}

/// Why the program ends before the flows do.
enum Stop {
    Usage(String),
    Unreachable(String),
    /// Nobody reads the output any more.
    Output(io::Error),
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        Stop::Output(error)
    }
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(9),
        Err(Stop::Usage(what)) => {
            eprintln!("error: {what}");
            ExitCode::from(2)
        }
        Err(Stop::Unreachable(what)) => {
            eprintln!("error: {what}");
            ExitCode::from(3)
        }
        Err(Stop::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(Stop::Output(error)) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<bool, Stop> {
    let flows = chosen(arguments)?;
    let Some(url) = arguments.url.as_deref().filter(|_| !arguments.list) else {
        list(&flows, arguments.json)?;
        return Ok(true);
    };
    let target = Target::parse(url, arguments.cafile.as_deref(), arguments.insecure)
        .map_err(|error| Stop::Usage(error.to_string()))?;
    target.probe().map_err(|error| Stop::Unreachable(format!("{target}: {error}")))?;
    let (mut passed, mut failed) = (0, 0);
    let mut out = io::stdout().lock();
    for flow in &flows {
        for &version in &flow.versions {
            if arguments.only.is_some_and(|only| only != version) {
                continue;
            }
            let outcome = play(flow, version, &target, arguments.strict);
            *if outcome.failure.is_some() { &mut failed } else { &mut passed } += 1;
            if arguments.json {
                writeln!(out, "{}", report::json(flow, version, &outcome))?;
            } else {
                write!(out, "{}", report::text(flow, version, &outcome))?;
            }
        }
    }
    if arguments.json {
        writeln!(out, "{}", json!({ "passed": passed, "failed": failed }))?;
    } else {
        writeln!(out, "{passed} passed, {failed} failed")?;
    }
    Ok(failed == 0)
}

fn list(flows: &[Flow], as_json: bool) -> io::Result<()> {
    let mut out = io::stdout().lock();
    for flow in flows {
        let versions: Vec<String> = flow.versions.iter().map(Version::to_string).collect();
        if as_json {
            let object = json!({
                "flow": flow.file, "name": flow.name, "versions": versions, "requires": flow.requires
            });
            writeln!(out, "{object}")?;
        } else {
            writeln!(out, "{:<36} {:<14} {}", flow.file, versions.join(" "), flow.name)?;
        }
    }
    Ok(())
}

/// The flows of the command line, or those built in, that pass the filter.
fn chosen(arguments: &Arguments) -> Result<Vec<Flow>, Stop> {
    let mut flows = Vec::new();
    if arguments.flows.is_empty() {
        for (name, text) in bundled::FLOWS {
            flows.push(Flow::parse(name, text).map_err(|error| Stop::Usage(error.to_string()))?);
        }
    }
    for path in &arguments.flows {
        flows.push(read(path)?);
    }
    if let Some(filter) = &arguments.filter {
        flows.retain(|flow| {
            let holds = |text: &String| text.contains(filter.as_str());
            holds(&flow.file) || holds(&flow.name) || flow.requires.iter().any(holds)
        });
    }
    if flows.is_empty() {
        return Err(Stop::Usage("no flow is left to play".to_owned()));
    }
    Ok(flows)
}

fn read(path: &Path) -> Result<Flow, Stop> {
    let text =
        std::fs::read_to_string(path).map_err(|error| Stop::Usage(format!("{}: {error}", path.display())))?;
    Flow::parse(&path.display().to_string(), &text).map_err(|error| Stop::Usage(error.to_string()))
}
