//! The command that somebody meant who typed another word.

use clap::error::{ContextKind, ContextValue, ErrorKind};

/// Notes in the error of a command line the command that was most likely meant, where clap has found none. Its measure
/// sees letters that changed places only in words of four letters and more, and most names here have three.
pub(crate) fn with_nearest<W: AsRef<str>>(
    mut error: clap::Error,
    command: &clap::Command,
    words: &[W],
) -> clap::Error {
    let is_open =
        error.kind() == ErrorKind::InvalidSubcommand && error.get(ContextKind::SuggestedSubcommand).is_none();
    let Some(ContextValue::String(wrong)) =
        error.get(ContextKind::InvalidSubcommand).filter(|_| is_open).cloned()
    else {
        return error;
    };
    let mut parent = command;
    for word in words {
        let Some(next) = parent.find_subcommand(word.as_ref()) else { break };
        parent = next;
    }
    let mut names = parent.get_subcommands().map(clap::Command::get_name);
    if let Some(near) = names.find(|name| strsim::osa_distance(&wrong, name) == 1) {
        let near = ContextValue::Strings(vec![near.to_owned()]);
        error.insert(ContextKind::SuggestedSubcommand, near);
    }
    error
}
