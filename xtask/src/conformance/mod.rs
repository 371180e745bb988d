//! `cargo xtask conformance`: which test shows which statement of the specifications, written to
//! `docs/conformance.md` from the tests themselves.
//!
//! A statement is shown by a flow (`requires:` in `fixtures/flows`), a case of the codec (`requirement:` in
//! `fixtures/packets`), or a Rust test with a line `/// Shows: v5:MQTT-…` right above its attribute. What no test can
//! show stands in `fixtures/statements/exceptions.tsv` with the reason.

mod page;
mod shown;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use crate::Outcome;
use crate::workspace;

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Fail unless the page is up to date and every statement is shown
    #[arg(long)]
    check: bool,
    /// Print the statements that nothing shows, and end
    #[arg(long)]
    missing: bool,
}

/// A statement of a specification.
#[derive(Clone, Debug)]
struct Statement {
    id: String,
    applies_to: String,
    summary: String,
}

/// A table of statements: its title and the statements in their order.
type Table = (&'static str, Vec<Statement>);

const PAGE: &str = "docs/conformance.md";

const TABLES: [(&str, &str); 4] = [
    ("MQTT 5.0, numbered statements", "v5.tsv"),
    ("MQTT 5.0, rules without a number", "unnumbered.tsv"),
    ("MQTT 3.1.1", "v311.tsv"),
    ("MQTT 3.1, where it differs", "v31.tsv"),
];

/// Fails unless the page is up to date and every statement is shown.
pub(crate) fn check() -> Outcome {
    run(&Arguments { check: true, missing: false })
}

/// Makes the page, or checks it.
pub(crate) fn run(arguments: &Arguments) -> Outcome {
    let root = workspace::root();
    let tables = TABLES
        .iter()
        .map(|(title, file)| Ok((*title, statements(&root.join("fixtures/statements").join(file))?)))
        .collect::<Outcome<Vec<Table>>>()?;
    let exceptions = exceptions(&root.join("fixtures/statements/exceptions.tsv"))?;
    let shown = shown::collect(root)?;
    let problems = problems(&tables, &exceptions, &shown);
    if arguments.missing {
        problems.iter().for_each(|problem| println!("{problem}"));
        return Ok(());
    }
    let page = page::write(&tables, &exceptions, &shown);
    let path = root.join(PAGE);
    if !arguments.check {
        fs::write(path, page)?;
        return Ok(());
    }
    if !problems.is_empty() {
        return Err(problems.join("\n").into());
    }
    if fs::read_to_string(path).unwrap_or_default() != page {
        return Err(format!("{PAGE} is not what `cargo xtask conformance` writes").into());
    }
    Ok(())
}

fn statements(path: &Path) -> Outcome<Vec<Statement>> {
    let text = fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    text.lines()
        .skip(1)
        .map(|line| match line.split('\t').collect::<Vec<_>>()[..] {
            [id, _, applies_to, summary] => Ok(Statement {
                id: id.to_owned(),
                applies_to: applies_to.to_owned(),
                summary: summary.to_owned(),
            }),
            _ => Err(format!("{}: `{line}` has not four columns", path.display()).into()),
        })
        .collect()
}

/// Statements that no test can show, and why.
fn exceptions(path: &Path) -> Outcome<BTreeMap<String, String>> {
    let text = fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    text.lines()
        .skip(1)
        .map(|line| match line.split_once('\t') {
            Some((id, reason)) if !reason.is_empty() => Ok((id.to_owned(), reason.to_owned())),
            _ => Err(format!("{}: `{line}` has no reason", path.display()).into()),
        })
        .collect()
}

/// What is wrong, a line each.
fn problems(tables: &[Table], exceptions: &BTreeMap<String, String>, shown: &shown::Shown) -> Vec<String> {
    let mut problems = Vec::new();
    let all: Vec<&Statement> = tables.iter().flat_map(|(_, statements)| statements).collect();
    for statement in &all {
        match (shown.contains_key(&statement.id), exceptions.contains_key(&statement.id)) {
            (false, false) => {
                let Statement { id, applies_to, summary } = statement;
                problems.push(format!("{id} ({applies_to}) is shown by nothing: {summary}"));
            }
            (true, true) => problems.push(format!("{} is shown and excepted", statement.id)),
            _ => {}
        }
    }
    let is_known = |id: &&String| all.iter().any(|statement| statement.id == **id);
    for id in exceptions.keys().chain(shown.keys()).filter(|id| !is_known(id)) {
        problems.push(format!("{id} is no statement"));
    }
    problems
}
