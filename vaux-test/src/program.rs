//! The command line around the suite: what `vaux-test` and `vaux test` do from the arguments to the exit code.
//!
//! Exit codes: 0 all passed, 2 wrong usage or a flow that cannot be read, 3 the broker cannot be reached, 9 a case
//! failed.

use std::io::{self, IsTerminal as _, Write};
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::json;
use vaux_mqtt::Version;

use crate::flow::Flow;
use crate::suite::{self, Options, totals};
use crate::target::Target;
use crate::{bundled, report};

/// What is played, against whom, and how it is told.
#[derive(Clone, Debug, Args)]
pub struct Arguments {
    /// The broker.
    // The help stands here, since its brackets would be links in documentation.
    #[arg(
        short = 'L',
        long,
        help = "The broker: mqtt://HOST[:PORT], mqtts://…, ws://HOST[:PORT][/PATH] or wss://…"
    )]
    pub url: Option<String>,
    /// Trust the certificates in this file
    #[arg(long, value_name = "FILE")]
    pub cafile: Option<PathBuf>,
    /// Trust any certificate
    #[arg(long, conflicts_with = "cafile")]
    pub insecure: bool,
    /// Require what the specification only recommends
    #[arg(long)]
    pub strict: bool,
    /// Only cases whose file, name or statements hold this text, such as v5:MQTT-3.3.4
    #[arg(long, value_name = "TEXT")]
    pub filter: Option<String>,
    /// Only this protocol version: 3.1, 3.1.1 or 5
    #[arg(long, value_name = "VERSION", value_parser = version)]
    pub only: Option<Version>,
    /// What the broker offers that it does not say by itself: enhanced-auth
    #[arg(long, value_name = "WORD", value_delimiter = ',')]
    pub offers: Vec<String>,
    /// How many cases are played at a time
    #[arg(long, value_name = "N", default_value_t = 8)]
    pub jobs: usize,
    /// List the cases and do not play them
    #[arg(long)]
    pub list: bool,
    /// One JSON object a line
    #[arg(long)]
    pub json: bool,
    /// Write the results to this file, too, as JUnit does
    #[arg(long, value_name = "FILE")]
    pub junit: Option<PathBuf>,
    /// Files to play [default: the cases that are built in]
    pub flows: Vec<PathBuf>,
}

fn version(text: &str) -> Result<Version, String> {
    match text {
        "3.1" => Ok(Version::V31),
        "3.1.1" => Ok(Version::V311),
        "5" => Ok(Version::V5),
        _ => Err("there are 3.1, 3.1.1 and 5".to_owned()),
    }
}

/// Why the program ends before the cases do.
#[derive(Debug)]
pub enum Stop {
    /// The arguments or a flow are wrong.
    Usage(String),
    /// Nobody is there.
    Unreachable(String),
    /// The results cannot be written.
    Output(io::Error),
}

impl Stop {
    /// The exit code. Nobody reading any more is no failure.
    pub fn exit_code(&self) -> u8 {
        match self {
            Stop::Usage(_) => 2,
            Stop::Unreachable(_) => 3,
            Stop::Output(error) if error.kind() == io::ErrorKind::BrokenPipe => 0,
            Stop::Output(_) => 1,
        }
    }

    /// What to tell, if anything.
    pub fn message(&self) -> Option<String> {
        match self {
            Stop::Usage(what) | Stop::Unreachable(what) => Some(what.clone()),
            Stop::Output(error) if error.kind() == io::ErrorKind::BrokenPipe => None,
            Stop::Output(error) => Some(error.to_string()),
        }
    }
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        Stop::Output(error)
    }
}

/// Plays what the arguments say and prints how it went. False when a case failed.
///
/// # Errors
///
/// What kept the cases from being played, or their results from being written.
pub fn run(arguments: &Arguments) -> Result<bool, Stop> {
    let flows = chosen(arguments)?;
    if arguments.list {
        list(&flows, arguments.json)?;
        return Ok(true);
    }
    let Some(url) = arguments.url.as_deref() else {
        return Err(Stop::Usage("--url says which broker".to_owned()));
    };
    let target = Target::parse(url, arguments.cafile.as_deref(), arguments.insecure)
        .map_err(|error| Stop::Usage(error.to_string()))?;
    let options = Options {
        strict: arguments.strict,
        only: arguments.only,
        offers: arguments.offers.clone(),
        jobs: arguments.jobs,
    };
    let cases = suite::run(&flows, &target, &options, &show_progress)
        .map_err(|error| Stop::Unreachable(format!("{target}: {error}")))?;
    end_progress();
    if let Some(path) = &arguments.junit {
        std::fs::write(path, report::junit(&cases))
            .map_err(|error| Stop::Usage(format!("{}: {error}", path.display())))?;
    }
    let totals = totals(&cases);
    let mut out = io::stdout().lock();
    if arguments.json {
        for case in &cases {
            writeln!(out, "{}", report::json(case))?;
        }
        let mut object = json!({ "passed": totals.passed, "failed": totals.failed });
        if totals.not_testable > 0 {
            object["not_testable"] = json!(totals.not_testable);
        }
        writeln!(out, "{object}")?;
    } else {
        for case in &cases {
            out.write_all(report::failure(case).as_bytes())?;
        }
        out.write_all(report::table(&cases).as_bytes())?;
    }
    out.flush()?;
    Ok(totals.failed == 0)
}

/// A bar on a terminal; nothing elsewhere.
fn show_progress(done: usize, total: usize) {
    const WIDTH: usize = 40;
    if io::stderr().is_terminal() {
        let filled = done * WIDTH / total.max(1);
        eprint!("\r[{}{}] {done} of {total}", "=".repeat(filled), " ".repeat(WIDTH - filled));
    }
}

fn end_progress() {
    if io::stderr().is_terminal() {
        eprint!("\r\x1b[K");
    }
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
