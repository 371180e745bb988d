//! Collecting what the tests say they show.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::Outcome;

/// The tests that show each statement, as the page names them.
pub(super) type Shown = BTreeMap<String, Vec<String>>;

/// Reads flows, cases of the codec and Rust tests.
pub(super) fn collect(root: &Path) -> Outcome<Shown> {
    let mut shown = Shown::new();
    for path in files(&root.join("fixtures/flows"), "flow")? {
        flow(&path, &mut shown)?;
    }
    for version in ["v31", "v311", "v5"] {
        for path in files(&root.join("fixtures/packets").join(version), "txt")? {
            packets(&path, version, &mut shown)?;
        }
    }
    for folder in ["vaux-mqtt", "vaux-broker", "vaux-client", "vaux-cli", "vaux-test"] {
        for path in files(&root.join(folder), "rs")? {
            rust(root, &path, &mut shown)?;
        }
    }
    for tests in shown.values_mut() {
        tests.sort();
        tests.dedup();
    }
    Ok(shown)
}

/// All files below a folder with this ending, sorted.
fn files(folder: &Path, extension: &str) -> Outcome<Vec<PathBuf>> {
    let mut found = Vec::new();
    let entries = fs::read_dir(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    for entry in entries {
        let path = entry?.path();
        if path.is_dir() && path.file_name().is_some_and(|name| name != "target") {
            found.extend(files(&path, extension)?);
        } else if path.extension().is_some_and(|found| found == extension) {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

fn stem(path: &Path) -> String {
    path.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

fn flow(path: &Path, shown: &mut Shown) -> Outcome {
    for line in fs::read_to_string(path)?.lines() {
        let Some(ids) = line.strip_prefix("requires:") else { continue };
        for id in ids.split_whitespace() {
            shown.entry(id.to_owned()).or_default().push(format!("flow `{}`", stem(path)));
        }
    }
    Ok(())
}

fn packets(path: &Path, version: &str, shown: &mut Shown) -> Outcome {
    for line in fs::read_to_string(path)?.lines() {
        let Some(requirement) = line.strip_prefix("requirement: ") else { continue };
        let id = match requirement {
            id if id.starts_with("MQTT-") && version != "v31" => format!("{version}:{id}"),
            id if id.starts_with("U5-") || id.starts_with("v31:") => id.to_owned(),
            _ => continue,
        };
        shown.entry(id).or_default().push(format!("packets `{version}/{}`", stem(path)));
    }
    Ok(())
}

/// Finds `/// Shows:` lines that stand above a test.
fn rust(root: &Path, path: &Path, shown: &mut Shown) -> Outcome {
    let text = fs::read_to_string(path)?;
    let file = path.strip_prefix(root).unwrap_or(path).display().to_string();
    let mut ids: Vec<&str> = Vec::new();
    let mut is_test = false;
    for line in text.lines().map(str::trim) {
        if let Some(list) = line.strip_prefix("/// Shows: ") {
            ids.extend(list.split_whitespace());
        } else if line.starts_with("#[test]") || line.starts_with("#[tokio::test") {
            is_test = true;
        } else if !line.starts_with("///") && !line.starts_with("#[") {
            let name = line.strip_prefix("async ").unwrap_or(line).strip_prefix("fn ");
            if let Some((name, _)) = name.and_then(|name| name.split_once('(')) {
                for id in ids.drain(..) {
                    if !is_test {
                        return Err(format!("{file}: {name} shows {id}, and is no test").into());
                    }
                    shown.entry(id.to_owned()).or_default().push(format!("`{file}` {name}"));
                }
            }
            if !ids.is_empty() {
                return Err(format!("{file}: a `Shows:` line stands above no test").into());
            }
            is_test = false;
        }
    }
    Ok(())
}
