//! mosquitto's files, line by line.

use std::fmt;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use crate::cli_error::CliError;

/// A line that says something.
#[derive(Clone, Debug)]
pub(super) struct Directive {
    pub(super) name: String,
    /// What stands behind the name.
    value: String,
    pub(super) place: Place,
}

/// Where a directive stands.
#[derive(Clone, Debug)]
pub(super) struct Place {
    path: Rc<Path>,
    line: usize,
    /// The file: 0 is the first one, the others are included.
    pub(super) file: usize,
    /// How many directives were read before.
    pub(super) order: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.path.display(), self.line)
    }
}

/// Reads a file and those that it includes.
pub(super) fn read(path: &Path) -> Result<Vec<Directive>, CliError> {
    let mut reader = Reader { directives: Vec::new(), files: 0 };
    reader.file(path)?;
    Ok(reader.directives)
}

struct Reader {
    directives: Vec<Directive>,
    files: usize,
}

impl Reader {
    fn file(&mut self, path: &Path) -> Result<(), CliError> {
        let bytes = std::fs::read(path).map_err(|source| CliError::File { path: path.to_owned(), source })?;
        let file = self.files;
        self.files += 1;
        let path: Rc<Path> = path.into();
        for (index, line) in bytes.split(|byte| *byte == b'\n').enumerate() {
            let place = Place { path: Rc::clone(&path), line: index + 1, file, order: self.directives.len() };
            let line = std::str::from_utf8(line).map_err(|_| mistake(&place, "is not UTF-8 text"))?;
            // As mosquitto has it, a name ends at a space, not at a tab.
            let line = line.trim_end_matches('\r').trim_start_matches(' ');
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let (name, value) = line.split_once(' ').unwrap_or((line, ""));
            let directive = Directive { name: name.to_owned(), value: value.to_owned(), place };
            match name {
                "include_dir" if file > 0 => {
                    return Err(directive.mistake("stands in a file that is included itself"));
                }
                "include_dir" => self.directory(&directive)?,
                _ => self.directives.push(directive),
            }
        }
        Ok(())
    }

    fn directory(&mut self, directive: &Directive) -> Result<(), CliError> {
        let directory = PathBuf::from(directive.text()?);
        let failed = |source| CliError::File { path: directory.clone(), source };
        let mut files = Vec::new();
        for entry in std::fs::read_dir(&directory).map_err(failed)? {
            let name = entry.map_err(failed)?.file_name();
            if name.to_string_lossy().ends_with(".conf") {
                files.push(name);
            }
        }
        files.sort_by_key(|name| order_of(&name.to_string_lossy()));
        files.iter().try_for_each(|name| self.file(&directory.join(name)))
    }
}

/// Alphabetical, each letter's upper case before its lower case.
fn order_of(name: &str) -> Vec<(char, bool)> {
    name.chars().map(|character| (character.to_ascii_lowercase(), character.is_ascii_lowercase())).collect()
}

fn mistake(place: &Place, message: &str) -> CliError {
    CliError::usage(format!("{place}: {message}"))
}

impl Directive {
    /// What is wrong with it.
    pub(super) fn mistake(&self, message: impl fmt::Display) -> CliError {
        CliError::usage(format!("{}: {} {message}", self.place, self.name))
    }

    /// All of the value.
    pub(super) fn text(&self) -> Result<String, CliError> {
        match self.value.trim_matches([' ', '\t']) {
            "" => Err(self.mistake("needs a value")),
            text => Ok(text.to_owned()),
        }
    }

    /// The words of the value, up to a comment.
    pub(super) fn words(&self) -> impl Iterator<Item = &str> {
        self.value
            .split([' ', '\t'])
            .filter(|word| !word.is_empty())
            .take_while(|word| !word.starts_with('#'))
    }

    /// The first word of the value.
    pub(super) fn word(&self) -> Result<&str, CliError> {
        self.words().next().ok_or_else(|| self.mistake("needs a value"))
    }

    pub(super) fn flag(&self) -> Result<bool, CliError> {
        match self.word()? {
            "true" | "1" => Ok(true),
            "false" | "0" => Ok(false),
            other => Err(self.mistake(format_args!("must be true or false, not {other:?}"))),
        }
    }

    pub(super) fn number(&self, range: RangeInclusive<i64>) -> Result<i64, CliError> {
        let word = self.word()?;
        let number = word.parse().ok().filter(|number| range.contains(number));
        number.ok_or_else(|| {
            let (from, to) = range.into_inner();
            self.mistake(format_args!("must be a number from {from} to {to}, not {word:?}"))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn included_files_come_in_mosquittos_order() {
        let directory = tempfile::tempdir().unwrap();
        for name in ["b.conf", "A.conf", "01.conf", "a.conf", "B.conf", "00.conf", "c.txt"] {
            std::fs::write(directory.path().join(name), format!("user {name}\n")).unwrap();
        }
        let main = directory.path().join("main");
        std::fs::write(
            &main,
            format!("# all\r\nuser 1\r\ninclude_dir {}\n user 2", directory.path().display()),
        )
        .unwrap();
        let values: Vec<_> = read(&main).unwrap().iter().map(|directive| directive.text().unwrap()).collect();
        assert_eq!(values, ["1", "00.conf", "01.conf", "A.conf", "a.conf", "B.conf", "b.conf", "2"]);
    }
}
