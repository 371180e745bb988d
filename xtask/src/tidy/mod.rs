//! `cargo xtask tidy`: the repository's own rules, which neither the compiler nor clippy knows.
//!
//! The files that git tracks, or would track, go in; a list of `file:line: what is wrong` comes out. Nothing is
//! changed on disk.

mod code;
mod rules;

use std::fs;
use std::process::Command;

use crate::{Outcome, workspace};

/// Endings of the files whose text is looked at; the rest may be binary.
const TEXT_ENDINGS: [&str; 7] = [".rs", ".toml", ".md", ".yml", ".yaml", ".sh", ".json"];

/// Checks every file of the repository.
///
/// # Errors
///
/// The number of broken rules, after each has been printed.
pub(crate) fn run() -> Outcome {
    let mut broken = 0;
    let mut report = |path: &str, violation: &rules::Violation| {
        eprintln!("{path}:{}: {}", violation.line, violation.what);
        broken += 1;
    };
    let paths = repository_files()?;
    for path in &paths {
        if !TEXT_ENDINGS.iter().any(|ending| path.ends_with(ending)) {
            continue;
        }
        let full_path = workspace::root().join(path);
        // A file deleted from the work tree is still listed until the deletion is staged.
        if !full_path.exists() {
            continue;
        }
        let text = fs::read_to_string(&full_path).map_err(|error| format!("cannot read {path}: {error}"))?;
        for violation in rules::check(path, &text) {
            report(path, &violation);
        }
    }
    for (path, violation) in rules::stale_exceptions(&paths) {
        report(path, &violation);
    }
    match broken {
        0 => Ok(()),
        1 => Err("tidy found one broken rule".into()),
        count => Err(format!("tidy found {count} broken rules").into()),
    }
}

/// Paths relative to the root, with `/` between their parts: tracked files, and new ones that are not ignored.
fn repository_files() -> Outcome<Vec<String>> {
    let output = Command::new("git")
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .current_dir(workspace::root())
        .output()
        .map_err(|error| format!("git did not start: {error}"))?;
    if !output.status.success() {
        return Err(format!("git ls-files: {}", String::from_utf8_lossy(&output.stderr).trim()).into());
    }
    let listed = String::from_utf8(output.stdout).map_err(|_| "a file name is not UTF-8".to_owned())?;
    let mut paths: Vec<String> =
        listed.split('\0').filter(|path| !path.is_empty()).map(str::to_owned).collect();
    paths.sort();
    paths.dedup();
    Ok(paths)
}
