//! The table of one job.

use std::fmt::Write;

use super::meter::Measured;

/// Medians, and their ratios to those of rumqttc.
pub(crate) fn of(job: &str, results: &[(&'static str, Vec<Measured>)]) -> String {
    let medians: Vec<(&str, Measured)> =
        results.iter().map(|(name, measured)| (*name, median(measured))).collect();
    let peer = medians.iter().find(|(name, _)| *name == "rumqttc").map(|(_, measured)| *measured);
    let mut text = format!(
        "\n{job:<24}{:>14}{:>8}{:>14}{:>8}{:>16}\n",
        "messages/s", "ratio", "CPU µs/msg", "ratio", "allocations/msg"
    );
    for (name, measured) in &medians {
        let rate = peer.map_or(f64::NAN, |peer| measured.messages_per_second / peer.messages_per_second);
        let processor = peer.map_or(f64::NAN, |peer| measured.processor_us / peer.processor_us);
        let allocations = measured.allocations.map_or("-".to_owned(), |count| format!("{count:.2}"));
        writeln!(
            text,
            "{name:<24}{:>14.0}{rate:>8.2}{:>14.3}{processor:>8.2}{allocations:>16}",
            measured.messages_per_second, measured.processor_us,
        )
        .expect("writing to a string cannot fail");
    }
    text
}

fn median(measured: &[Measured]) -> Measured {
    let of = |value: &dyn Fn(&Measured) -> f64| {
        let mut values: Vec<f64> = measured.iter().map(value).collect();
        values.sort_by(f64::total_cmp);
        values[values.len() / 2]
    };
    Measured {
        messages_per_second: of(&|one| one.messages_per_second),
        processor_us: of(&|one| one.processor_us),
        allocations: measured[0].allocations.map(|_| of(&|one| one.allocations.unwrap_or(f64::NAN))),
    }
}
