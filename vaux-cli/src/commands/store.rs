//! `vaux store`: looking after the store of a broker that is stopped.

use std::io::{self, Write as _};
use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::json;
use vaux_broker::program::default_data_dir;
use vaux_broker::store::disk::{Compacted, OfflineStore, Stats, StoreError};

use crate::cli_error::{CliError, Exit};

/// Look after the store of a broker that is stopped
///
/// Exit codes: 0 all is well, 1 the store is damaged, cannot be read or written, or a broker is using it, 2 usage.
#[derive(Args, Debug)]
pub(crate) struct StoreArgs {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Check every page and every row, and list what is damaged
    ///
    /// Nothing is changed. A broker that starts with a damaged store sets it aside by itself and goes on with what can
    /// be read.
    Check(Which),
    /// Count what is in the store
    Stats(Which),
    /// Give room that the store does not need back to the file system
    ///
    /// The store is written anew; while that lasts, it needs room for a second copy. A running broker gives room back
    /// by itself, little by little.
    Compact(Which),
}

#[derive(Args, Debug)]
struct Which {
    /// The data directory of the broker [default: where a broker without --data-dir has its data]
    #[arg(value_name = "DIR")]
    directory: Option<PathBuf>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

impl StoreArgs {
    /// Whether errors are to be told as JSON, too.
    pub(crate) fn json(&self) -> bool {
        let (Action::Check(which) | Action::Stats(which) | Action::Compact(which)) = &self.action;
        which.json
    }
}

/// Does what was asked for.
pub(crate) fn run(args: &StoreArgs) -> Result<Exit, CliError> {
    let (Action::Check(which) | Action::Stats(which) | Action::Compact(which)) = &args.action;
    let directory = match &which.directory {
        Some(directory) => directory.clone(),
        None => default_data_dir().ok_or_else(|| {
            CliError::usage_with_hint("no home directory to look for a store in", "give the data directory")
        })?,
    };
    let failed = |source: StoreError| CliError::Store { directory: directory.clone(), source };
    let store = OfflineStore::open(&directory).map_err(failed)?;
    match &args.action {
        Action::Check(_) => print_check(&store, &store.check().map_err(failed)?, which.json),
        Action::Stats(_) => print_stats(&store, &store.stats().map_err(failed)?, which.json),
        Action::Compact(_) => print_compacted(&store, store.compact().map_err(failed)?, which.json),
    }
}

fn print_check(store: &OfflineStore, findings: &[String], is_json: bool) -> Result<Exit, CliError> {
    let path = store.path().display().to_string();
    if is_json {
        print(&json!({ "store": path, "ok": findings.is_empty(), "findings": findings }).to_string())?;
    } else if findings.is_empty() {
        print(&format!("{path} is good"))?;
    } else {
        print(&format!("{path} is damaged"))?;
        findings.iter().try_for_each(|finding| print(&format!("  {finding}")))?;
    }
    Ok(if findings.is_empty() { Exit::Ok } else { Exit::Internal })
}

fn print_stats(store: &OfflineStore, stats: &Stats, is_json: bool) -> Result<Exit, CliError> {
    let numbers = [
        ("sessions", stats.sessions),
        ("subscriptions", stats.subscriptions),
        ("wills", stats.wills),
        ("messages", stats.messages),
        ("deliveries", stats.deliveries),
        ("exchanges", stats.exchanges),
        ("retained", stats.retained),
        ("transactions", stats.transactions),
        ("bytes", stats.bytes),
        ("page_bytes", stats.page_bytes),
        ("pages", stats.pages),
        ("free_pages", stats.free_pages),
    ];
    if is_json {
        let mut object = crate::output::json::Object::new();
        object.insert("store".to_owned(), store.path().display().to_string().into());
        numbers.iter().for_each(|(name, number)| {
            object.insert((*name).to_owned(), (*number).into());
        });
        print(&serde_json::Value::from(object).to_string())?;
    } else {
        let line = |(name, number): &(&str, u64)| print(&format!("{:<13} {number}", name.replace('_', " ")));
        numbers.iter().try_for_each(line)?;
    }
    Ok(Exit::Ok)
}

fn print_compacted(store: &OfflineStore, compacted: Compacted, is_json: bool) -> Result<Exit, CliError> {
    let Compacted { before_bytes, after_bytes } = compacted;
    let path = store.path().display().to_string();
    if is_json {
        let object = json!({ "store": path, "before_bytes": before_bytes, "after_bytes": after_bytes });
        print(&object.to_string())?;
    } else {
        print(&format!("{path} had {before_bytes} bytes and has {after_bytes} now"))?;
    }
    Ok(Exit::Ok)
}

fn print(line: &str) -> Result<(), CliError> {
    writeln!(io::stdout(), "{line}").map_err(CliError::Stdio)
}
