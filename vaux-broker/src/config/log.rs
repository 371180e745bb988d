//! What is logged, and how.

/// The log, which goes to standard error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogConfig {
    /// A level, or `part=level` pairs, separated by commas: `info,vaux_broker::tls=debug`.
    pub filter: String,
    /// What a line looks like.
    pub format: LogFormat,
}

impl Default for LogConfig {
    fn default() -> LogConfig {
        LogConfig { filter: "info".into(), format: LogFormat::Text }
    }
}

/// What a line of the log looks like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// A line for people.
    #[default]
    Text,
    /// A JSON object.
    Json,
}

/// What is wrong with a filter. A word that is neither a level nor `part=level` would otherwise be taken for a part
/// of the program that does not exist, and silence everything else.
pub(super) fn check_filter(filter: &str) -> Result<(), String> {
    const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];
    for directive in filter.split(',') {
        let level = match directive.split_once('=') {
            Some((part, level)) if is_part(part) => level,
            Some((part, _)) => return Err(format!("names {part:?}, which is no part of a program")),
            None => directive,
        };
        if !LEVELS.contains(&level) {
            return Err(format!("has the level {level:?}; the levels are {}", LEVELS.join(", ")));
        }
    }
    Ok(())
}

/// Whether this is a module path as Rust writes it.
fn is_part(part: &str) -> bool {
    !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b':')
}
