//! The page: one table for each specification.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::Table;
use super::shown::Shown;

const INTRODUCTION: &str = "\
# Conformance

Every statement of the specifications, and the tests that show it. Made by `cargo xtask conformance` from the tests
themselves; the checks fail when a statement has neither a test nor a reason why none can show it.

Flows are played against the broker, and against any other by `vaux test`. Packets are cases of the codec, in
`fixtures/packets`. The statements are in our own words; the specifications are the authority.
";

/// Tests beyond this many are counted only.
const MAX_TESTS: usize = 4;

pub(super) fn write(tables: &[Table], exceptions: &BTreeMap<String, String>, shown: &Shown) -> String {
    let mut page = INTRODUCTION.to_owned();
    for (title, statements) in tables {
        let count = statements.iter().filter(|statement| shown.contains_key(&statement.id)).count();
        let excepted = statements.iter().filter(|statement| exceptions.contains_key(&statement.id)).count();
        // Writing to a string cannot fail.
        let _ = write!(
            page,
            "\n## {title}\n\n{} statements: {count} shown, {excepted} that no test can show.\n\n\
             | Statement | Summary | Shown by |\n|---|---|---|\n",
            statements.len()
        );
        for statement in statements {
            let by = match (shown.get(&statement.id), exceptions.get(&statement.id)) {
                (Some(tests), _) => list(tests),
                (None, Some(reason)) => format!("*no test can:* {reason}"),
                (None, None) => "**nothing**".to_owned(),
            };
            let _ = writeln!(page, "| {} | {} | {by} |", statement.id, cell(&statement.summary));
        }
    }
    page
}

fn list(tests: &[String]) -> String {
    let mut text = tests.iter().take(MAX_TESTS).map(String::as_str).collect::<Vec<_>>().join("; ");
    if tests.len() > MAX_TESTS {
        let _ = write!(text, "; and {} more", tests.len() - MAX_TESTS);
    }
    text
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}
