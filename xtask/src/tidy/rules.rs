//! The rules: each takes the path and the text of one file and says where it is broken.

use super::code::{is_word, without_comments_and_strings};

/// A rule broken at a line.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Violation {
    /// Counted from 1.
    pub(super) line: usize,
    /// What is wrong, and what to do instead.
    pub(super) what: String,
}

/// More than this in one file is more than one story, whatever its subject.
const MAX_LINES: usize = 900;

/// Files that may be longer, with the reason: tables, and nothing else.
const LONG_FILES: [(&str, &str); 0] = [];

/// Folders whose code is a pure state machine: bytes and `now` go in, bytes and events come out.
const PURE_FOLDERS: [&str; 5] = [
    "vaux-mqtt/src/",
    "vaux-broker/src/core/",
    "vaux-broker/src/session/",
    "vaux-broker/src/router/",
    "vaux-broker/src/retained/",
];

/// What a pure state machine does not know.
const IMPURE: [&str; 6] = ["tokio", "mio", "std::net", "std::fs", "Instant::now", "SystemTime::now"];

/// Marks of unfinished work, and ways around a check.
const UNFINISHED: [(&str, &str); 4] = [
    ("todo!", "finish it, or leave it out"),
    ("unimplemented!", "finish it, or leave it out"),
    ("dbg!", "remove it"),
    ("#[ignore", "make the test pass, or remove it"),
];

/// Every rule that the file breaks.
pub(super) fn check(path: &str, text: &str) -> Vec<Violation> {
    let mut violations = trailing_whitespace(text);
    if path.ends_with(".rs") {
        let code = without_comments_and_strings(text);
        violations.extend(too_long(path, text));
        violations.extend(module_doc(text));
        violations.extend(unfinished(&code));
        violations.extend(allowed_lints(&code));
        violations.extend(sleeping_tests(path, &code));
        if is_pure(path) {
            violations.extend(impure(&code));
        }
    }
    violations.sort_by_key(|violation| violation.line);
    violations
}

/// Excepted files that are not among `paths`.
pub(super) fn stale_exceptions(paths: &[String]) -> Vec<(&'static str, Violation)> {
    missing(&LONG_FILES, paths)
}

fn missing<'a>(excepted: &[(&'a str, &str)], paths: &[String]) -> Vec<(&'a str, Violation)> {
    let gone = excepted.iter().filter(|(path, _)| !paths.iter().any(|known| known == path));
    gone.map(|(path, _)| (*path, at(1, "the list of long files names it, but it does not exist"))).collect()
}

fn at(line: usize, what: impl Into<String>) -> Violation {
    Violation { line, what: what.into() }
}

/// Numbered lines, from 1.
fn lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines().enumerate().map(|(index, line)| (index + 1, line))
}

fn trailing_whitespace(text: &str) -> Vec<Violation> {
    let trailing = lines(text).filter(|(_, line)| line.ends_with([' ', '\t', '\r']));
    trailing.map(|(line, _)| at(line, "white space at the end of the line")).collect()
}

fn too_long(path: &str, text: &str) -> Option<Violation> {
    let count = text.lines().count();
    let excepted = LONG_FILES.iter().any(|(long, _)| *long == path);
    (count > MAX_LINES && !excepted)
        .then(|| at(MAX_LINES + 1, format!("{count} lines; split the file, {MAX_LINES} are the limit")))
}

fn module_doc(text: &str) -> Option<Violation> {
    let first = text.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
    (!first.starts_with("//!"))
        .then(|| at(1, "begin the module with `//!`: what it owns, what goes in, what comes out"))
}

fn unfinished(code: &str) -> Vec<Violation> {
    let mut violations = Vec::new();
    for (number, line) in lines(code) {
        for (mark, instead) in UNFINISHED {
            if names(line, mark) {
                violations.push(at(number, format!("`{mark}`: {instead}")));
            }
        }
    }
    violations
}

fn allowed_lints(code: &str) -> Vec<Violation> {
    let allowing = lines(code)
        .filter(|(_, line)| names(line, "allow(") && (line.contains("#[") || line.contains("#![")));
    allowing.map(|(line, _)| at(line, "`allow`: use `#[expect(lint, reason = \"…\")]`")).collect()
}

/// A test that sleeps waits too long or not long enough; it should wait for what it expects.
fn sleeping_tests(path: &str, code: &str) -> Vec<Violation> {
    let all = path.starts_with("vaux-test/") || path.contains("/tests/") || path.ends_with("/tests.rs");
    let tests_begin = if all { 1 } else { first_test_line(code) };
    let sleeping = lines(code).skip(tests_begin - 1).filter(|(_, line)| names(line, "sleep("));
    sleeping.map(|(line, _)| at(line, "a test sleeps; wait for the event itself")).collect()
}

/// Tests stand at the end of a file, behind `#[cfg(test)]`. That attribute on a `mod tests;` or an import has no test
/// behind it, and no harm is done by looking at the lines that follow.
fn first_test_line(code: &str) -> usize {
    lines(code).find(|(_, line)| line.contains("#[cfg(test)]")).map_or(usize::MAX, |(number, _)| number)
}

fn is_pure(path: &str) -> bool {
    // A folder may begin life as one file of its name.
    PURE_FOLDERS.iter().any(|folder| {
        path.starts_with(folder)
            || path.strip_suffix(".rs").is_some_and(|stem| stem == folder.trim_end_matches('/'))
    })
}

fn impure(code: &str) -> Vec<Violation> {
    let mut violations = Vec::new();
    for (number, line) in lines(code) {
        for name in IMPURE {
            if names(line, name) {
                violations.push(at(number, format!("`{name}` in a pure module; take it in as input")));
            }
        }
    }
    violations.extend(impure_groups(code));
    violations
}

/// `use std::{fs, net::…}` names what the search for `std::fs` does not see.
fn impure_groups(code: &str) -> Vec<Violation> {
    let mut violations = Vec::new();
    for (start, _) in code.match_indices("use std::{") {
        let group = code[start..].split(';').next().unwrap_or_default();
        let line = code[..start].matches('\n').count() + 1;
        for name in ["fs", "net"] {
            if names(group, name) {
                violations.push(at(line, format!("`std::{name}` in a pure module; take it in as input")));
            }
        }
    }
    violations
}

/// Whether `line` holds `wanted` as whole words: no name goes on before or after it.
fn names(line: &str, wanted: &str) -> bool {
    line.match_indices(wanted).any(|(start, found)| {
        let before = line[..start].chars().next_back();
        let after = line[start + found.len()..].chars().next();
        let goes_on =
            |edge: Option<char>, next: Option<char>| edge.is_some_and(is_word) && next.is_some_and(is_word);
        !goes_on(wanted.chars().next(), before) && !goes_on(wanted.chars().next_back(), after)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONE: [usize; 0] = [];

    /// The lines at which a file with a proper first line and then `text` breaks a rule.
    fn broken(path: &str, text: &str) -> Vec<usize> {
        check(path, &format!("//! Doc.\n{text}")).iter().map(|violation| violation.line).collect()
    }

    #[test]
    fn a_proper_file_breaks_nothing() {
        assert_eq!(broken("vaux-mqtt/src/frame.rs", "use core::fmt;\n\nfn f() {}\n"), NONE);
    }

    #[test]
    fn white_space_at_the_end_is_seen_in_every_text() {
        assert_eq!(check("README.md", "a\nb \nc\t\n").len(), 2);
        assert_eq!(check("README.md", "a\n  b\n"), []);
    }

    #[test]
    fn only_the_line_over_the_limit_is_too_long() {
        assert_eq!(broken("a/src/a.rs", &"x;\n".repeat(MAX_LINES - 1)), NONE);
        assert_eq!(broken("a/src/a.rs", &"x;\n".repeat(MAX_LINES)), [MAX_LINES + 1]);
        assert_eq!(check("a.md", &"x\n".repeat(MAX_LINES + 1)), []);
    }

    #[test]
    fn a_module_begins_with_its_doc() {
        assert_eq!(check("a/src/a.rs", "\n//! Doc.\n"), []);
        assert_eq!(check("a/src/a.rs", "use a;\n//! Doc.\n").len(), 1);
        assert_eq!(check("a/src/a.rs", "// Doc.\n").len(), 1);
        assert_eq!(check("a/src/a.rs", "").len(), 1);
    }

    #[test]
    fn unfinished_work_is_seen_in_code_alone() {
        assert_eq!(
            broken("a/src/a.rs", "todo!();\n// todo!()\nunimplemented!()\n\"dbg!\"\ndbg!(1)\n"),
            [2, 4, 6]
        );
        assert_eq!(broken("a/src/a.rs", "#[ignore]\n#[ignore = \"x\"]\nmy_todo!()\n"), [2, 3]);
    }

    #[test]
    fn allowing_a_lint_is_seen_in_every_attribute() {
        assert_eq!(broken("a/src/a.rs", "#[allow(x)]\n#![allow(x)]\n#[cfg_attr(y, allow(x))]\n"), [2, 3, 4]);
        assert_eq!(
            broken("a/src/a.rs", "#[expect(x, reason = \"y\")]\nself.allow(x);\ndisallow(x);\n"),
            NONE
        );
    }

    #[test]
    fn pure_folders_name_neither_sockets_nor_clocks() {
        for name in
            ["tokio::spawn(x)", "use std::net::IpAddr;", "Instant::now()", "std::fs::read(x)", "mio::Poll"]
        {
            assert_eq!(broken("vaux-broker/src/core/publish.rs", name), [2], "{name}");
            assert_eq!(broken("vaux-broker/src/router.rs", name), [2], "{name}");
            assert_eq!(broken("vaux-broker/src/shard/turn.rs", name), NONE, "{name}");
        }
        assert_eq!(broken("vaux-mqtt/src/a.rs", "let premium = core::net::A; // tokio\n"), NONE);
    }

    #[test]
    fn grouped_imports_hide_nothing() {
        assert_eq!(broken("vaux-mqtt/src/a.rs", "\nuse std::{\n    fmt,\n    net::IpAddr,\n};\n"), [3]);
        assert_eq!(broken("vaux-mqtt/src/a.rs", "use std::{fmt, time};\nlet fs = 1;\n"), NONE);
    }

    #[test]
    fn tests_do_not_sleep() {
        assert_eq!(broken("a/src/a.rs", "sleep(x);\n#[cfg(test)]\nmod tests {\nthread::sleep(x)\n"), [5]);
        assert_eq!(broken("a/tests/b/main.rs", "tokio::time::sleep(x).await;\nsleep_until(x);\n"), [2]);
        assert_eq!(broken("a/src/b/tests.rs", "thread::sleep(x)\n"), [2]);
        assert_eq!(broken("vaux-test/src/driver.rs", "thread::sleep(x)\n"), [2]);
    }

    #[test]
    fn an_exception_for_a_missing_file_is_stale() {
        let stale = missing(&[("a.rs", "table"), ("b.rs", "table")], &["a.rs".to_owned()]);
        assert_eq!(stale.iter().map(|(path, _)| *path).collect::<Vec<_>>(), ["b.rs"]);
    }
}
