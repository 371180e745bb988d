//! What happens for every message, by the clock of this machine, with criterion's flags:
//! `cargo bench -p vaux-broker --bench hot`.

mod jobs;

use std::time::Instant;

use criterion::Criterion;

use crate::jobs::{JOBS, Job};

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    JOBS.iter().for_each(|job| time(&mut criterion, job));
    criterion.final_summary();
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
