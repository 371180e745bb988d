//! `cargo xtask counts`: instructions and allocations of what happens for every message, against what they were.
//!
//! Valgrind counts instructions. They do not depend on what else runs on the machine, so that a change of one in a
//! hundred can be told where a clock tells nothing. What is counted is `vaux-broker/benches/hot.rs`; what it came to
//! last time is in `vaux-broker/benches/counts.toml`, beside the compiler that it came to that with.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use clap::Args;
use serde::{Deserialize, Serialize};

use crate::bench::{build, peer};
use crate::{Outcome, workspace};

/// What `cargo xtask counts` takes.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Only these jobs [default: all]
    jobs: Vec<String>,
    /// Write what was counted to the file that later runs are compared with
    #[arg(long, conflicts_with = "jobs")]
    write: bool,
}

/// The jobs of `hot.rs`, and whether each has to do without allocations.
const JOBS: [(&str, bool); 8] = [
    ("decode-publish", true),
    ("decode-publish-v5", true),
    ("encode-publish", true),
    ("publish-qos0", true),
    ("publish-qos0-to-10", true),
    ("publish-qos1", false),
    ("match-exact", true),
    ("match-wildcard", true),
];

/// How often a job is done.
const TIMES: u32 = 10_000;

/// By how much a job may become dearer.
const TOLERANCE: f64 = 1.02;

const FILE: &str = "vaux-broker/benches/counts.toml";

/// The function of `hot.rs` in which everything is counted.
const COUNTED: &str = "--toggle-collect=hot::counted*";

/// What allocates, by the names that the C library gives it.
const ALLOCATORS: [&str; 6] = ["malloc", "calloc", "realloc", "posix_memalign", "aligned_alloc", "memalign"];

/// What is optimized, each in one piece: divided into several, a new module elsewhere would change what is inlined here.
/// What it stands on is shared with other builds, so that not everything is built twice.
const OPTIMIZED: [&str; 2] = ["vaux-mqtt", "vaux-broker"];

/// What is written down.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Counts {
    /// The compiler. Another one makes other instructions of the same code.
    rustc: String,
    /// For each job.
    jobs: BTreeMap<String, Count>,
}

/// What one message costs.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Count {
    instructions: f64,
    allocations: f64,
}

/// Counts, and compares.
///
/// # Errors
///
/// Valgrind is missing, something does not build, or a job has become dearer.
pub(crate) fn run(arguments: &Arguments) -> Outcome {
    if !peer::is_installed("valgrind") {
        return Err("instructions are counted by valgrind, which is not installed".into());
    }
    if let Some(unknown) = arguments.jobs.iter().find(|name| JOBS.iter().all(|(job, _)| job != name)) {
        return Err(format!("there is no job {unknown}").into());
    }
    let program = program()?;
    let wanted = |name: &str| arguments.jobs.is_empty() || arguments.jobs.iter().any(|wanted| wanted == name);
    let mut jobs = BTreeMap::new();
    for (name, _) in JOBS.into_iter().filter(|(name, _)| wanted(name)) {
        jobs.insert(name.to_owned(), count(&program, name)?);
    }
    let counted = Counts { rustc: compiler()?, jobs };
    let path = workspace::root().join(FILE);
    if arguments.write {
        must_not_allocate(&counted)?;
        println!("{}", table(&counted, None));
        return write(&counted, &path);
    }
    let before = read(&path)?;
    println!("{}", table(&counted, Some(&before)));
    must_not_allocate(&counted)?;
    compare(&counted, &before)
}

/// Builds the jobs: optimized, but in the profile of all other checks.
fn program() -> Outcome<PathBuf> {
    // The whole workspace decides on the features of what both stand on.
    let mut words = ["build", "--locked", "--workspace", "--bench", "hot"].map(str::to_owned).to_vec();
    for package in OPTIMIZED {
        for setting in ["opt-level=3", "codegen-units=1", "debug-assertions=false", "overflow-checks=false"] {
            words.extend(["--config".to_owned(), format!("profile.dev.package.{package}.{setting}")]);
        }
    }
    build::executable_of(workspace::cargo().args(words), "hot")
}

fn compiler() -> Outcome<String> {
    let output = Command::new("rustc").arg("--version").current_dir(workspace::root()).output()?;
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}

/// What one of a job's turns comes to.
fn count(program: &Path, name: &str) -> Outcome<Count> {
    let each = |count: u64| (count as f64 / f64::from(TIMES) * 100.0).round() / 100.0;
    let once = profile(program, name, TIMES)?;
    let mut allocations = 0.0;
    if once.allocations > 0 {
        // Valgrind tells who called an allocator within what is counted, but how often also before that. The
        // difference is what is counted.
        let twice = profile(program, name, 2 * TIMES)?;
        allocations = each(twice.allocations - once.allocations);
    }
    Ok(Count { instructions: each(once.instructions), allocations })
}

/// What callgrind wrote about a run.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Profile {
    instructions: u64,
    /// 0 if there were none in what is counted; otherwise with those before it.
    allocations: u64,
}

fn profile(program: &Path, name: &str, times: u32) -> Outcome<Profile> {
    let scratch = tempfile::tempdir()?;
    let out = scratch.path().join("out");
    let mut command = Command::new("valgrind");
    command.args(["--tool=callgrind", COUNTED, "--compress-strings=no", "--compress-pos=no"]);
    command.arg(format!("--callgrind-out-file={}", out.display()));
    command.arg(program).arg(name).arg(times.to_string());
    let output = command.stdin(Stdio::null()).output()?;
    if !output.status.success() {
        return Err(format!("{name} failed:\n{}", String::from_utf8_lossy(&output.stderr)).into());
    }
    parse(&fs::read_to_string(out)?).ok_or_else(|| format!("valgrind counted nothing in {name}").into())
}

fn parse(text: &str) -> Option<Profile> {
    let mut allocations = 0;
    let mut called = "";
    let mut instructions = None;
    for line in text.lines() {
        if let Some(name) = line.strip_prefix("cfn=") {
            called = name;
        } else if let Some(calls) = line.strip_prefix("calls=") {
            if ALLOCATORS.contains(&called) {
                allocations += calls.split_whitespace().next()?.parse::<u64>().ok()?;
            }
        } else if let Some(total) = line.strip_prefix("totals: ") {
            instructions = total.trim().parse().ok();
        }
    }
    let instructions = instructions.filter(|&count| count > 0)?;
    Some(Profile { instructions, allocations })
}

fn read(path: &Path) -> Outcome<Counts> {
    let text =
        fs::read_to_string(path).map_err(|error| format!("cannot read {}: {error}", path.display()))?;
    toml::from_str(&text).map_err(|error| format!("{}: {error}", path.display()).into())
}

fn write(counts: &Counts, path: &Path) -> Outcome {
    let mut text = String::from(
        "# What one message costs, as `cargo xtask counts --write` counted it. Compared with by `cargo xtask counts`.\n\n",
    );
    text.push_str(&format!("rustc = \"{}\"\n", counts.rustc));
    for (name, count) in &counts.jobs {
        text.push_str(&format!(
            "\n[jobs.{name}]\ninstructions = {:?}\nallocations = {:?}\n",
            count.instructions, count.allocations
        ));
    }
    fs::write(path, text).map_err(|error| format!("cannot write {}: {error}", path.display()).into())
}

fn table(counted: &Counts, before: Option<&Counts>) -> String {
    let mut table = format!("{:<20} {:>13} {:>9} {:>12}\n", "job", "instructions", "change", "allocations");
    for (name, count) in &counted.jobs {
        let before = before.and_then(|before| before.jobs.get(name));
        let change = before.map_or_else(
            || "new".to_owned(),
            |before| format!("{:+.1} %", (count.instructions / before.instructions - 1.0) * 100.0),
        );
        table.push_str(&format!(
            "{name:<20} {:>13.1} {change:>9} {:>12.2}\n",
            count.instructions, count.allocations
        ));
    }
    table
}

/// What is promised whatever the compiler.
fn must_not_allocate(counted: &Counts) -> Outcome {
    let without = |name: &str| JOBS.iter().any(|(job, without)| *job == name && *without);
    let allocating = counted.jobs.iter().filter(|(name, count)| count.allocations > 0.0 && without(name));
    let names: Vec<&str> = allocating.map(|(name, _)| name.as_str()).collect();
    if names.is_empty() { Ok(()) } else { Err(format!("{} must not allocate", names.join(", ")).into()) }
}

fn compare(counted: &Counts, before: &Counts) -> Outcome {
    if counted.rustc != before.rustc {
        eprintln!(
            "the counts in {FILE} are of another compiler ({}), so that nothing follows from the changes; \
             write new ones with: cargo xtask counts --write",
            before.rustc
        );
        return Ok(());
    }
    let dearer = |(name, count): (&String, &Count)| -> Option<String> {
        let Some(before) = before.jobs.get(name) else { return Some(format!("{name} was never counted")) };
        let is_dearer = count.instructions > before.instructions * TOLERANCE
            || count.allocations > before.allocations * TOLERANCE;
        is_dearer.then(|| format!("{name} has become dearer"))
    };
    let complaints: Vec<String> = counted.jobs.iter().filter_map(dearer).collect();
    if complaints.is_empty() {
        return Ok(());
    }
    let hint = "if that is meant, write it down with: cargo xtask counts --write";
    Err(format!("{}\n{hint}", complaints.join("\n")).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "\
fn=hot::counted
5 1000
cfn=malloc
calls=20000 0
5 4000
cfn=memcpy
calls=7 0
5 70
fn=other
cfn=realloc
calls=10000 0
6 1000
totals: 1234000
";

    fn counts(instructions: f64, allocations: f64) -> Counts {
        let jobs = [("publish-qos1".to_owned(), Count { instructions, allocations })];
        Counts { rustc: "rustc 1".to_owned(), jobs: jobs.into() }
    }

    #[test]
    fn instructions_and_allocations_are_read() {
        assert_eq!(parse(TEXT), Some(Profile { instructions: 1_234_000, allocations: 30_000 }));
        assert_eq!(parse("totals: 0\n"), None);
    }

    #[test]
    fn what_has_become_dearer_is_refused() {
        let before = counts(1000.0, 2.0);
        assert!(compare(&counts(1019.0, 2.0), &before).is_ok());
        assert!(compare(&counts(500.0, 1.0), &before).is_ok());
        assert!(compare(&counts(1021.0, 2.0), &before).is_err());
        assert!(compare(&counts(1000.0, 3.0), &before).is_err());
    }

    #[test]
    fn another_compiler_is_not_judged() {
        let before = Counts { rustc: "rustc 0".to_owned(), ..counts(1.0, 0.0) };
        assert!(compare(&counts(1000.0, 0.0), &before).is_ok());
    }

    #[test]
    fn what_must_not_allocate_may_not_with_any_compiler() {
        assert!(must_not_allocate(&counts(1.0, 5.0)).is_ok());
        let jobs = [("publish-qos0".to_owned(), Count { instructions: 1.0, allocations: 0.01 })];
        assert!(must_not_allocate(&Counts { rustc: String::new(), jobs: jobs.into() }).is_err());
    }

    #[test]
    fn what_is_written_is_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("counts.toml");
        write(&counts(12.5, 1.0), &path).unwrap();
        assert_eq!(read(&path).unwrap(), counts(12.5, 1.0));
    }
}
