//! Whether what `docs/monitoring` says of metrics is what `/metrics` has.

use std::collections::BTreeSet;

use serde_json::Value;

use super::http::Served;
use crate::core::Dropped;

const README: &str = include_str!("../../../../docs/monitoring/README.md");
const ALERTS: &str = include_str!("../../../../docs/monitoring/alerts.yml");
const DASHBOARD: &str = include_str!("../../../../docs/monitoring/grafana-dashboard.json");

fn page() -> String {
    Served::start().get("/metrics").body
}

/// The names that samples have.
fn samples(page: &str) -> BTreeSet<&str> {
    let lines = page.lines().filter(|line| !line.starts_with('#'));
    lines.map(|line| line.split(['{', ' ']).next().unwrap()).collect()
}

/// Every word that could be the name of a metric.
fn names(text: &str) -> BTreeSet<&str> {
    let words = text.split(|character: char| !character.is_ascii_alphanumeric() && character != '_');
    words.filter(|word| word.starts_with("vaux_") && *word != "vaux_broker").collect()
}

fn expressions<'d>(part: &'d Value, found: &mut Vec<&'d str>) {
    match part {
        Value::Object(members) => members.iter().for_each(|(name, member)| match member.as_str() {
            Some(text) if name == "expr" => found.push(text),
            _ => expressions(member, found),
        }),
        Value::Array(elements) => elements.iter().for_each(|element| expressions(element, found)),
        _ => {}
    }
}

#[test]
fn alerts_and_dashboard_ask_for_what_there_is() {
    let page = page();
    let samples = samples(&page);
    for text in [ALERTS, DASHBOARD] {
        let unknown: Vec<_> = names(text).difference(&samples).copied().collect();
        assert!(unknown.is_empty(), "{unknown:?}");
    }
    assert!(names(ALERTS).len() > 5);
}

#[test]
fn the_dashboard_shows_every_metric() {
    let dashboard: Value = serde_json::from_str(DASHBOARD).unwrap();
    let mut found = Vec::new();
    expressions(&dashboard, &mut found);
    let found = found.concat();
    let shown = names(&found);
    let page = page();
    let hidden: Vec<_> = samples(&page).difference(&shown).copied().collect();
    assert_eq!(hidden, ["vaux_workers"]);
}

#[test]
fn the_table_lists_every_metric_with_its_kind() {
    let page = page();
    let metrics: BTreeSet<_> = page
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '))
        .map(|(name, kind)| match kind {
            "counter" => format!("| `{name}_total` | {kind} |"),
            "info" => format!("| `{name}_info` | {kind} |"),
            _ => format!("| `{name}` | {kind} |"),
        })
        .collect();
    let rows = README.lines().filter(|line| line.starts_with("| `vaux_"));
    let rows: BTreeSet<_> = rows.map(|row| row.split_inclusive('|').take(3).collect::<String>()).collect();
    assert_eq!(rows, metrics);
}

#[test]
fn the_causes_of_drops_are_explained() {
    let (_, table) = README.split_once("The causes of `vaux_messages_dropped_total`").unwrap();
    let explained: Vec<_> =
        table.lines().filter_map(|line| line.strip_prefix("| `")?.split_once("` |")).collect();
    let explained: Vec<_> =
        explained.iter().map(|(cause, _)| *cause).filter(|cause| *cause != "cause").collect();
    assert_eq!(explained, Dropped::default().by_cause().map(|(cause, _)| cause));
}
