//! What happens for every message, measured.
//!
//! `cargo bench -p vaux-broker --bench hot` tells how long each takes by the clock of this machine, with criterion's flags.
//! `hot NAME TIMES` does one job so many times within [`counted`], for `cargo xtask counts`, which counts instructions and
//! allocations there.

mod jobs;

use std::time::Instant;

use criterion::Criterion;

use crate::jobs::{JOBS, Job, Work};

/// How often a job is done before anything counts, so that buffers have their size and caches their entries.
const WARM_UP: u32 = 10_000;

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    if let [name, times] = words.as_slice()
        && let (Some(job), Ok(times)) = (JOBS.iter().find(|job| job.name == name), times.parse())
    {
        let mut work = (job.prepare)();
        work(WARM_UP);
        return counted(&mut work, times);
    }
    let mut criterion = Criterion::default().configure_from_args();
    JOBS.iter().for_each(|job| time(&mut criterion, job));
    criterion.final_summary();
}

/// All that is counted happens in here.
#[inline(never)]
fn counted(work: &mut Work, times: u32) {
    work(times);
}

/// Measures one, many at a time: one alone would be over before the clock moves.
fn time(criterion: &mut Criterion, job: &Job) {
    let mut work = None;
    criterion.bench_function(job.name, |bencher| {
        let work = work.get_or_insert_with(job.prepare);
        bencher.iter_custom(|times| {
            let before = Instant::now();
            work(u32::try_from(times).unwrap_or(u32::MAX));
            before.elapsed()
        });
    });
}
