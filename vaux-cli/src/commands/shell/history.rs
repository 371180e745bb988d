//! The lines that were typed: where they are kept, and which are not.

use std::path::{Path, PathBuf};

/// So many lines are kept.
pub(super) const MAX_LINES: usize = 1000;

/// Longer lines are not kept.
const MAX_LINE_BYTES: usize = 4096;

/// `~/.local/state/vaux/shell-history`, in a directory that is there or can be made.
pub(super) fn path() -> Option<PathBuf> {
    let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let directory = variable("XDG_STATE_HOME")
        .filter(|directory| directory.is_absolute())
        .or_else(|| Some(variable("HOME")?.join(".local").join("state")))?
        .join("vaux");
    make(&directory).ok()?;
    Some(directory.join("shell-history"))
}

fn make(directory: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(directory)
}

/// Whether a line is kept, whose words these are. One that may hold a password is not.
pub(super) fn keeps(line: &str, words: &[String]) -> bool {
    line.len() <= MAX_LINE_BYTES && !holds_password(words)
}

fn holds_password(words: &[String]) -> bool {
    let next_is_value = |index: usize| words.get(index + 1).is_some_and(|next| !next.starts_with('-'));
    words.iter().enumerate().any(|(index, word)| {
        let is_url = word.contains("://") && word.contains('@');
        let is_long = ["--password", "--pw"]
            .iter()
            .any(|flag| word.strip_prefix(flag).is_some_and(|rest| rest.starts_with('=')));
        let is_flag = matches!(word.as_str(), "--password" | "--pw") || ends_in_short(word, 'P');
        is_url || is_long || has_short_value(word, 'P') || (is_flag && next_is_value(index))
    }) || is_batch_passwd(words)
}

/// `-P`, or short flags of which it is the last.
fn ends_in_short(word: &str, flag: char) -> bool {
    is_short(word) && word.ends_with(flag)
}

/// `-Psecret`, perhaps behind other short flags.
fn has_short_value(word: &str, flag: char) -> bool {
    is_short(word) && word.find(flag).is_some_and(|at| at + 1 < word.len())
}

fn is_short(word: &str) -> bool {
    word.starts_with('-') && !word.starts_with("--")
}

/// `passwd -b FILE USER PASSWORD`.
fn is_batch_passwd(words: &[String]) -> bool {
    words.iter().any(|word| word == "passwd")
        && words.iter().any(|word| word == "--batch" || (is_short(word) && word.contains('b')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_with_a_password_are_not_kept() {
        let keeps = |line: &str| {
            let words: Vec<_> = line.split(' ').map(str::to_owned).collect();
            keeps(line, &words)
        };
        for line in [
            "connect a -u me -P secret",
            "connect a -Psecret",
            "connect a -cP secret",
            "connect --password secret",
            "connect --password=secret",
            "connect --pw=secret",
            "connect -L mqtts://me:secret@broker",
            "connect --proxy socks5h://me:secret@proxy",
            "passwd -b file me secret",
            "passwd -cb file me secret",
        ] {
            assert!(!keeps(line), "{line}");
        }
        for line in [
            "connect a -u me -P",
            "connect a -P -u me",
            "connect a --password-file f",
            "passwd file me",
            "pub -t P -m P",
            "sub -t a -F %P",
        ] {
            assert!(keeps(line), "{line}");
        }
        assert!(!keeps(&"x".repeat(MAX_LINE_BYTES + 1)));
    }
}
