//! Instructions and allocations of what happens for every message, against what is on record: `cargo xtask counts`.
//!
//! Gungraun runs each job twice under valgrind, once with callgrind for the instructions and once with DHAT for the
//! allocations. Both count what happens within [`count`] and nothing of what [`prepared`] does.

#![expect(missing_docs, reason = "gungraun's macros make modules and functions that are public")]

mod jobs;

use std::process::Command;
use std::sync::LazyLock;

use gungraun::{Callgrind, Dhat, DhatMetric, EventKind, LibraryBenchmarkConfig};
use gungraun::{library_benchmark, library_benchmark_group, main};

use crate::jobs::{JOBS, Work};

/// The compiler that the record is of. Another one makes other instructions of the same code.
const RUSTC: &str = "rustc 1.95.0 (59807616e 2026-04-14)";

/// How often a job is done.
const TIMES: u32 = 10_000;

/// How often it is done before that, so that buffers have their size and caches their entries.
const WARM_UP: u32 = 10_000;

// The record: `Instructions` and `Total blocks` as `cargo xtask counts` prints them, of all [`TIMES`] together. Write new
// figures here when a change is meant, and new ones of all jobs with the name of a new compiler.
#[library_benchmark(setup = prepared)]
#[bench::decode_publish(args = ("decode-publish"), config = on_record(5_290_040, 0))]
#[bench::decode_publish_v5(args = ("decode-publish-v5"), config = on_record(13_560_040, 0))]
#[bench::encode_publish(args = ("encode-publish"), config = on_record(2_000_035, 0))]
#[bench::publish_qos0(args = ("publish-qos0"), config = on_record(22_840_036, 0))]
#[bench::publish_qos0_to_10(args = ("publish-qos0-to-10"), config = on_record(81_590_036, 0))]
#[bench::publish_qos1(args = ("publish-qos1"), config = on_record(46_072_376, 20_000))]
#[bench::publish_together(args = ("publish-together"), config = on_record(13_509_886, 0))]
#[bench::publish_across(args = ("publish-across"), config = on_record(16_493_043, 0))]
#[bench::match_exact(args = ("match-exact"), config = on_record(14_835_782, 0))]
#[bench::match_wildcard(args = ("match-wildcard"), config = on_record(22_621_187, 0))]
fn count(mut work: Work) -> Work {
    work(TIMES);
    work
}

library_benchmark_group!(name = messages, benchmarks = count);
main!(library_benchmark_groups = messages);

/// The job of that name, done often enough that nothing of its beginning is left.
fn prepared(name: &str) -> Work {
    let job = JOBS.iter().find(|job| job.name == name).expect("the record is of jobs that there are");
    let mut work = (job.prepare)();
    work(WARM_UP);
    work
}

/// A job may come to 2 % more than this. What does not allocate must not, whatever the compiler; the rest counts with the
/// one on record only.
fn on_record(instructions: u64, blocks: u64) -> LibraryBenchmarkConfig {
    let mut callgrind = Callgrind::with_args(["--cache-sim=no"]);
    callgrind.format([EventKind::Ir]);
    // An allocation belongs to `count` if that is among its callers, so that all of them have to be seen.
    let mut dhat = Dhat::with_args(["--num-callers=500"]);
    dhat.format([DhatMetric::TotalBlocks]);
    if *IS_ON_RECORD {
        callgrind.hard_limits([(EventKind::Ir, with_tolerance(instructions))]);
    }
    if *IS_ON_RECORD || blocks == 0 {
        dhat.hard_limits([(DhatMetric::TotalBlocks, with_tolerance(blocks))]);
    }
    let mut config = LibraryBenchmarkConfig::default();
    config.tool(callgrind).tool(dhat);
    config
}

fn with_tolerance(count: u64) -> u64 {
    count + count / 50
}

/// Whether this is the compiler that the record is of. Says so if it is not.
static IS_ON_RECORD: LazyLock<bool> = LazyLock::new(|| {
    let output = Command::new("rustc").arg("--version").output().expect("a compiler has just run");
    let rustc = String::from_utf8_lossy(&output.stdout);
    let is_it = rustc.trim() == RUSTC;
    if !is_it {
        eprintln!(
            "the record is of {RUSTC} and this is {}: only what must not allocate is judged",
            rustc.trim()
        );
    }
    is_it
});
