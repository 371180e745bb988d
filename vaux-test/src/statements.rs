//! The statements of the specifications, in our own words, and how a broker did on each.

use std::collections::BTreeMap;

use vaux_mqtt::Version;

use crate::suite::{Case, Verdict};

/// A statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Statement {
    /// Such as `v5:MQTT-3.1.0-1`.
    pub id: &'static str,
    /// What it demands.
    pub summary: &'static str,
}

const TABLES: [&str; 4] = [
    include_str!("../../fixtures/statements/v5.tsv"),
    include_str!("../../fixtures/statements/unnumbered.tsv"),
    include_str!("../../fixtures/statements/v311.tsv"),
    include_str!("../../fixtures/statements/v31.tsv"),
];

/// All statements, in the order of the specifications.
pub fn all() -> impl Iterator<Item = Statement> {
    TABLES.into_iter().flat_map(|table| table.lines().skip(1)).filter_map(|line| {
        let mut columns = line.split('\t');
        Some(Statement { id: columns.next()?, summary: columns.nth(2)? })
    })
}

/// How a broker did on a statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Result {
    /// All cases about it passed, as far as they could be played.
    Pass,
    /// A case about it failed.
    Fail,
    /// None could be played.
    NotTestable,
}

impl Result {
    /// One word or two.
    pub fn text(self) -> &'static str {
        match self {
            Result::Pass => "pass",
            Result::Fail => "FAIL",
            Result::NotTestable => "not testable",
        }
    }
}

/// A line of the table: a statement, how the broker did, and the cases about it.
#[derive(Debug)]
pub struct Row<'a> {
    /// The statement.
    pub statement: Statement,
    /// How the broker did.
    pub result: Result,
    /// The cases.
    pub cases: Vec<&'a Case<'a>>,
}

/// The statements that the cases are about.
pub fn table<'a>(cases: &'a [Case<'a>]) -> Vec<Row<'a>> {
    let mut about: BTreeMap<&str, Vec<&Case<'_>>> = BTreeMap::new();
    for case in cases {
        for id in case.flow.requires.iter().filter(|id| applies(id, case.version)) {
            about.entry(id).or_default().push(case);
        }
    }
    all()
        .filter_map(|statement| {
            let cases = about.remove(statement.id)?;
            let has = |wanted: fn(&Verdict) -> bool| cases.iter().any(|case| wanted(&case.verdict));
            let result = if has(|verdict| matches!(verdict, Verdict::Fail(_))) {
                Result::Fail
            } else if has(|verdict| *verdict == Verdict::Pass) {
                Result::Pass
            } else {
                Result::NotTestable
            };
            Some(Row { statement, result, cases })
        })
        .collect()
}

/// Whether a statement is of the specification of this version. That of 3.1 has no numbers; what a case in 3.1 shows
/// of a statement of 3.1.1 counts for nothing.
fn applies(id: &str, version: Version) -> bool {
    match version {
        Version::V31 => id.starts_with("v31:"),
        Version::V311 => id.starts_with("v311:"),
        Version::V5 => id.starts_with("v5:") || id.starts_with("U5-"),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::{Flow, bundled};

    #[test]
    fn all_statements_are_there() {
        let count = |prefix: &str| all().filter(|statement| statement.id.starts_with(prefix)).count();
        assert_eq!([count("v5:"), count("U5-"), count("v311:"), count("v31:")], [251, 50, 141, 8]);
    }

    #[test]
    fn flows_cite_statements_that_exist() {
        let known: BTreeSet<&str> = all().map(|statement| statement.id).collect();
        for (file, text) in bundled::FLOWS {
            let flow = Flow::parse(file, text).unwrap_or_else(|error| panic!("{error}"));
            for id in &flow.requires {
                assert!(known.contains(id.as_str()), "{file}: {id}");
            }
        }
    }
}
