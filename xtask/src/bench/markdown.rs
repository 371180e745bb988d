//! A report as a table in Markdown, for docs/performance.md.

use std::fmt::Write as _;

use super::report::{Contender, ONE_WORKER, Report, Row};

/// One line for each quantity that is compared, and for each way in which vaux took part.
pub(super) fn table(report: &Report) -> String {
    let peers = peers(report);
    let mut table = report.heading() + "\n";
    let mut line = |cells: &[String]| {
        writeln!(table, "| {} |", cells.join(" | ")).expect("a String takes any text");
    };
    let heads = ["scenario", "what", ONE_WORKER].into_iter().chain(peers.iter().map(String::as_str));
    let heads: Vec<String> = heads.chain(["to mosquitto", "to the best peer"]).map(str::to_owned).collect();
    line(&heads);
    let rules = (0..heads.len()).map(|column| if column < 2 { "---" } else { "---:" }.to_owned());
    line(&rules.collect::<Vec<_>>());
    for row in &report.rows {
        let vaux: Vec<&Contender> = row.contenders.iter().filter(|contender| contender.is_vaux()).collect();
        for (place, quantity) in row.quantities.iter().enumerate().filter(|(_, had)| had.compared) {
            for contender in &vaux {
                let setup = contender.broker.trim_start_matches(ONE_WORKER);
                let mut cells = vec![format!("`{}`{setup}", row.name), quantity.title.clone()];
                cells.push(cell(contender, place));
                cells.extend(peers.iter().map(|peer| peer_cell(row, peer, place)));
                let figure = contender.figure(place);
                cells.push(ratio(figure.and_then(|figure| figure.to_mosquitto)));
                cells.push(ratio(figure.and_then(|figure| figure.to_best)));
                line(&cells);
            }
        }
    }
    table
}

/// The brokers that are not vaux, in the order in which they first come.
pub(super) fn peers(report: &Report) -> Vec<String> {
    let mut peers: Vec<String> = Vec::new();
    let contenders = report.rows.iter().flat_map(|row| &row.contenders);
    for contender in contenders.filter(|contender| !contender.is_vaux()) {
        if !peers.contains(&contender.broker) {
            peers.push(contender.broker.clone());
        }
    }
    peers
}

fn peer_cell(row: &Row, peer: &str, place: usize) -> String {
    let contender = row.contenders.iter().find(|contender| contender.broker == peer);
    contender.map_or_else(String::new, |contender| cell(contender, place))
}

fn cell(contender: &Contender, place: usize) -> String {
    let Some(figure) = contender.figure(place) else {
        return if contender.runs.is_empty() { "failed" } else { "" }.to_owned();
    };
    let mut cell = number(figure.spread.median);
    let faults = contender.faults();
    if faults.any() {
        let count = faults.lost + faults.duplicated + faults.out_of_order;
        write!(cell, " ({} lost, doubled or out of order)", number(count as f64))
            .expect("a String takes any text");
    }
    cell
}

fn ratio(ratio: Option<f64>) -> String {
    ratio.map_or_else(String::new, significant)
}

/// Whole numbers in groups of three digits, smaller ones with three digits that count.
fn number(value: f64) -> String {
    if value < 100.0 {
        return significant(value);
    }
    let digits = format!("{value:.0}");
    let mut grouped = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

fn significant(value: f64) -> String {
    if value == 0.0 {
        return "0".to_owned();
    }
    let before_point = value.abs().log10().floor() as i32;
    let digits = usize::try_from(2 - before_point).unwrap_or(0);
    format!("{value:.digits$}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_three_digits_that_count() {
        let cases = [
            (6_280_123.4, "6,280,123"),
            (1234.0, "1,234"),
            (123.4, "123"),
            (12.345, "12.3"),
            (0.158_7, "0.159"),
            (0.013_4, "0.0134"),
            (0.0, "0"),
        ];
        for (value, text) in cases {
            assert_eq!(number(value), text);
        }
    }
}
