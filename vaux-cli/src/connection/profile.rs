//! Files of flags, one a line: `-o FILE`, and `--profile NAME` for those in one place. The option files of mosquitto's
//! clients have the same form.
//!
//! Connection flags are a layer below the environment. Others count when they are not on the command line.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::{Arg, ArgMatches, Args, Command, FromArgMatches, parser::ValueSource};

use super::args::ConnectArgs;
use crate::cli_error::{CliError, arguments_message};

/// No file of flags is longer than this.
const MAX_FILE_BYTES: u64 = 1024 * 1024;

/// A flag of a file.
struct Line {
    number: usize,
    flag: String,
    /// The rest of the line.
    value: Option<String>,
}

/// The file that the flags name.
pub(super) fn path(options: Option<&Path>, profile: Option<&str>) -> Result<Option<PathBuf>, CliError> {
    match (options, profile) {
        (Some(path), _) => Ok(Some(path.to_owned())),
        (None, Some(name)) => named(name).map(Some),
        (None, None) => Ok(None),
    }
}

/// `~/.config/vaux/profiles/NAME`.
fn named(name: &str) -> Result<PathBuf, CliError> {
    if name.is_empty() || name.contains(['/', '\0']) || name.starts_with('.') {
        return Err(CliError::usage(format!(
            "--profile {name:?}: it is the name of a file, without directories"
        )));
    }
    let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let directory = variable("XDG_CONFIG_HOME")
        .or_else(|| Some(variable("HOME")?.join(".config")))
        .ok_or_else(|| CliError::usage("--profile needs HOME or XDG_CONFIG_HOME"))?;
    Ok(directory.join("vaux").join("profiles").join(name))
}

/// The flags of a file that `command` has beside those of the connection, as words of a command line, without those
/// that were given already.
pub(crate) fn other_flags(command: &Command, given: &ArgMatches) -> Result<Vec<OsString>, CliError> {
    let connection = connection_command();
    // A command without connection has no such flag either.
    if !command.get_arguments().any(|argument| argument.get_id() == "profile") {
        return Ok(Vec::new());
    }
    let variable = |name| std::env::var(name).ok().filter(|value: &String| !value.is_empty());
    let profile = given.get_one::<String>("profile").cloned().or_else(|| variable("VAUX_PROFILE"));
    let options =
        given.get_one::<PathBuf>("options").cloned().or_else(|| variable("VAUX_OPTIONS").map(Into::into));
    let Some(path) = path(options.as_deref(), profile.as_deref())? else { return Ok(Vec::new()) };
    let mut words = Vec::new();
    for line in read(&path)? {
        let Some(argument) = find(command, &line.flag) else {
            return Err(wrong(&path, line.number, &format!("{} is no flag of this command", line.flag)));
        };
        let is_given = given.value_source(argument.get_id().as_str()) == Some(ValueSource::CommandLine);
        if find(&connection, &line.flag).is_none() && !is_given {
            words.extend(words_of(argument, &line).map_err(|why| wrong(&path, line.number, &why))?);
        }
    }
    Ok(words)
}

/// The connection flags of a file.
pub(super) fn connection_flags(path: &Path) -> Result<ConnectArgs, CliError> {
    let command = connection_command();
    let mut words = Vec::new();
    for line in read(path)? {
        if let Some(argument) = find(&command, &line.flag) {
            if matches!(argument.get_id().as_str(), "options" | "profile") {
                return Err(wrong(path, line.number, "a file of flags cannot name another"));
            }
            words.extend(words_of(argument, &line).map_err(|why| wrong(path, line.number, &why))?);
        }
    }
    let matches = command.try_get_matches_from(words);
    matches
        .and_then(|matches| ConnectArgs::from_arg_matches(&matches))
        .map_err(|error| CliError::usage(format!("{}: {}", path.display(), arguments_message(&error))))
}

fn connection_command() -> Command {
    ConnectArgs::augment_args(Command::new("vaux").no_binary_name(true).disable_help_flag(true))
}

fn read(path: &Path) -> Result<Vec<Line>, CliError> {
    use std::io::Read;
    let mut text = String::new();
    std::fs::File::open(path)
        .and_then(|file| file.take(MAX_FILE_BYTES).read_to_string(&mut text))
        .map_err(|source| CliError::File { path: path.to_owned(), source })?;
    let lines = text.lines().enumerate().filter_map(|(index, line)| {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            return None;
        }
        let (flag, value) = match line.split_once([' ', '\t']) {
            Some((flag, value)) => (flag, Some(value.trim_start().to_owned())),
            None => (line, None),
        };
        Some(Line { number: index + 1, flag: flag.to_owned(), value })
    });
    Ok(lines.collect())
}

fn find<'a>(command: &'a Command, flag: &str) -> Option<&'a Arg> {
    command.get_arguments().find(|argument| match (flag.strip_prefix("--"), flag.strip_prefix('-')) {
        (Some(long), _) => argument.get_long_and_visible_aliases().is_some_and(|names| names.contains(&long)),
        (None, Some(short)) => argument.get_short().is_some_and(|name| short.chars().eq([name])),
        _ => false,
    })
}

/// A flag and its value in such a way that a value that looks like a flag is none.
fn words_of(argument: &Arg, line: &Line) -> Result<Vec<OsString>, String> {
    let flag = &line.flag;
    match &line.value {
        None => Ok(vec![flag.into()]),
        Some(_) if !argument.get_action().takes_values() => Err(format!("{flag} takes no value")),
        // Several values: they have no spaces.
        Some(value) if argument.get_num_args().is_some_and(|count| count.max_values() > 1) => {
            Ok([flag.as_str()].into_iter().chain(value.split_whitespace()).map(Into::into).collect())
        }
        Some(value) if flag.starts_with("--") => Ok(vec![format!("{flag}={value}").into()]),
        Some(value) => Ok(vec![format!("{flag}{value}").into()]),
    }
}

fn wrong(path: &Path, line: usize, why: &str) -> CliError {
    CliError::usage(format!("{}, line {line}: {why}", path.display()))
}
