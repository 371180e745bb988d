//! The password file: a line `user:hash` for each user, and one `user:SCRAM-SHA-256$…` for each that can use SCRAM.
//!
//! Empty lines and lines that begin with `#` say nothing. Reading is strict; changing a file leaves the lines of
//! other users as they are.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::sync::Arc;

use hashbrown::HashMap;

use super::file::{FileError, read_lines};
use super::hash::PasswordHash;
use super::scram::ScramKeys;

/// The users of a password file.
#[derive(Debug, Default)]
pub struct PasswordFile {
    users: HashMap<Arc<str>, Credentials>,
    /// Users with a hash in the order of the file, to pick one from by a number.
    hashed: Vec<Arc<str>>,
}

/// By what a user is known.
#[derive(Clone, Debug, Default)]
pub struct Credentials {
    hash: Option<PasswordHash>,
    scram: Option<ScramKeys>,
}

impl Credentials {
    /// Those of a password; with keys for SCRAM, which are weaker against who has the file, if they are wanted.
    pub fn new(password: &[u8], has_scram: bool) -> Credentials {
        let hash = Some(PasswordHash::new(password));
        Credentials { hash, scram: has_scram.then(|| ScramKeys::new(password)) }
    }

    fn lines(&self, name: &str) -> String {
        let hash = self.hash.as_ref().map(ToString::to_string);
        let scram = self.scram.as_ref().map(ToString::to_string);
        hash.into_iter().chain(scram).map(|secret| format!("{name}:{secret}\n")).collect()
    }
}

impl PasswordFile {
    /// Reads a password file.
    ///
    /// # Errors
    ///
    /// The file cannot be read, holds no user, or has a line that is not understood.
    pub fn read(path: &Path) -> Result<PasswordFile, FileError> {
        PasswordFile::parse(&read_lines(path)?).map_err(|(line, message)| FileError {
            path: path.to_owned(),
            line,
            message,
        })
    }

    fn parse(text: &str) -> Result<PasswordFile, (Option<usize>, String)> {
        let mut file = PasswordFile::default();
        for (number, line) in content_lines(text) {
            file.add(line).map_err(|message| (Some(number), message))?;
        }
        if file.users.is_empty() {
            return Err((None, "names no user".into()));
        }
        Ok(file)
    }

    fn add(&mut self, line: &str) -> Result<(), String> {
        let (name, secret) = line.split_once(':').ok_or("is not of the form user:hash")?;
        check_user_name(name)?;
        let name: Arc<str> = name.into();
        let credentials = self.users.entry(Arc::clone(&name)).or_default();
        let is_new = if secret.starts_with("SCRAM-") {
            let keys = ScramKeys::parse(secret)
                .ok_or_else(|| format!("the keys of {name:?} are not what SCRAM-SHA-256$ begins"))?;
            credentials.scram.replace(keys).is_none()
        } else {
            let hash =
                PasswordHash::parse(secret).map_err(|problem| format!("the hash of {name:?} {problem}"))?;
            self.hashed.push(Arc::clone(&name));
            credentials.hash.replace(hash).is_none()
        };
        if is_new { Ok(()) } else { Err(format!("the user {name:?} is there already")) }
    }

    /// A user and its hash.
    pub(super) fn user(&self, name: &str) -> Option<(&Arc<str>, &PasswordHash)> {
        let (name, credentials) = self.users.get_key_value(name)?;
        Some((name, credentials.hash.as_ref()?))
    }

    /// A user and its keys for SCRAM.
    pub(super) fn scram(&self, name: &str) -> Option<(&Arc<str>, &ScramKeys)> {
        let (name, credentials) = self.users.get_key_value(name)?;
        Some((name, credentials.scram.as_ref()?))
    }

    /// A hash to check the password of an unknown user against, so that it takes as long as for one of the file.
    /// `number` is a keyed hash of the name: it says nothing about the file, and is the same when they try again.
    pub(super) fn stand_in(&self, number: u64) -> Option<&PasswordHash> {
        let index = number.checked_rem(self.hashed.len() as u64)? as usize;
        self.users.get(&self.hashed[index])?.hash.as_ref()
    }

    /// How many users there are.
    pub fn len(&self) -> usize {
        self.users.len()
    }

    /// Whether there is no user.
    pub fn is_empty(&self) -> bool {
        self.users.is_empty()
    }
}

/// What is wrong with the name of a user.
///
/// # Errors
///
/// It cannot stand in a password file, or is kept for the broker itself.
pub fn check_user_name(name: &str) -> Result<(), String> {
    if name.is_empty() {
        return Err("the user name is empty".into());
    }
    if name.starts_with('$') {
        return Err(format!("the user name {name:?} begins with $, which is kept for the broker itself"));
    }
    if name.starts_with('#') || name.len() > 65_535 || name.chars().any(|c| c.is_control() || c == ':') {
        return Err(format!(
            "the user name {name:?} cannot be written: no colon, no control character, no # in front"
        ));
    }
    Ok(())
}

/// Sets the password of a user, whether the file has it or not. A file that is absent is made; one that is there loses
/// its other users if it `begins_anew`.
///
/// # Errors
///
/// The file that is there cannot be read or has a mistake, or the new one cannot be written. The old one stays then.
pub fn set_password(
    path: &Path,
    name: &str,
    credentials: &Credentials,
    begins_anew: bool,
) -> Result<(), FileError> {
    check_user_name(name).map_err(|problem| FileError::new(path, None, problem))?;
    let old = match fs::exists(path) {
        Ok(false) => String::new(),
        _ if begins_anew => String::new(),
        _ => read_lines(path)?,
    };
    check_parses(path, &old)?;
    let mut new = String::with_capacity(old.len() + 128);
    let mut is_there = false;
    for line in old.split_inclusive('\n') {
        if !is_of(line, name) {
            new.push_str(line);
        } else if !std::mem::replace(&mut is_there, true) {
            new.push_str(&credentials.lines(name));
        }
    }
    if !is_there {
        new.push_str(&credentials.lines(name));
    }
    replace(path, &new)
}

/// Removes a user. False when the file does not have it.
///
/// # Errors
///
/// The file cannot be read or has a mistake, or the new one cannot be written. The old one stays then.
pub fn remove_user(path: &Path, name: &str) -> Result<bool, FileError> {
    let old = read_lines(path)?;
    check_parses(path, &old)?;
    let new: String = old.split_inclusive('\n').filter(|line| !is_of(line, name)).collect();
    if new.len() == old.len() {
        return Ok(false);
    }
    replace(path, &new)?;
    Ok(true)
}

/// A file with a mistake is not touched: it may be no password file at all.
fn check_parses(path: &Path, text: &str) -> Result<(), FileError> {
    match PasswordFile::parse(text) {
        Ok(_) | Err((None, _)) => Ok(()),
        Err((line, message)) => Err(FileError { path: path.to_owned(), line, message }),
    }
}

fn content_lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let lines = text.lines().enumerate().map(|(index, line)| (index + 1, line));
    lines.filter(|(_, line)| !line.trim().is_empty() && !line.starts_with('#'))
}

fn is_of(line: &str, name: &str) -> bool {
    line.split_once(':').is_some_and(|(other, _)| other == name)
}

/// Puts a new file in the place of the old: whoever reads sees one or the other, also after the power failed. It
/// belongs to whom the old one belonged, and only they can read it.
fn replace(path: &Path, text: &str) -> Result<(), FileError> {
    let failed = |error: io::Error| FileError::new(path, None, format!("cannot be written: {error}"));
    // What is a link stays one.
    let target = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let directory = match target.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let mut temporary = target.file_name().unwrap_or_default().to_owned();
    temporary.push(format!(".{}.new", std::process::id()));
    let temporary = directory.join(temporary);
    let write = || -> io::Result<()> {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary)?;
        if let Ok(old) = fs::metadata(&target) {
            // Only the administrator can give files away; for others it is their own already.
            let _ = std::os::unix::fs::fchown(&file, Some(old.uid()), Some(old.gid()));
        }
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&temporary, &target)?;
        fs::File::open(directory)?.sync_all()
    };
    write().map_err(|error| {
        // The old file is still there; what is left of the new one is of no use.
        let _ = fs::remove_file(&temporary);
        failed(error)
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    const HASH: &str = "$6$kwXXnbibvmLh2G6b$D1JwjQPQM9K3QC+DCPrGGyWV90wx/ukZ1oo6cZUPkWkq9FXlU0o08rpLBogy+yd77UZAzRAklB5eUW8L//i7KA==";

    fn read(content: &[u8]) -> Result<PasswordFile, String> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("passwords");
        fs::write(&path, content).unwrap();
        PasswordFile::read(&path)
            .map_err(|error| error.to_string().replace(directory.path().to_str().unwrap(), ""))
    }

    #[test]
    fn users_stand_between_comments_and_empty_lines() {
        let file = read(format!("# ours\n\nalice:{HASH}\r\nböb smith:{HASH}\n").as_bytes()).unwrap();
        assert_eq!(file.len(), 2);
        assert!(file.user("alice").unwrap().1.verify(b"secret"));
        assert!(file.user("böb smith").is_some() && file.user("Alice").is_none());
        assert!(file.stand_in(u64::MAX).is_some());
    }

    #[test]
    fn a_file_that_is_not_whole_and_right_is_refused() {
        let good = format!("alice:{HASH}\n");
        for (content, problem) in [
            ("", "/passwords: names no user"),
            ("# nobody yet\n", "/passwords: names no user"),
            (good.trim_end(), "/passwords:1: the last line does not end: the file is half written"),
            (&format!("{good}bob\n"), "/passwords:2: is not of the form user:hash"),
            (&format!("{good}{good}"), "/passwords:2: the user \"alice\" is there already"),
            (&format!("{good}:{HASH}\n"), "/passwords:2: the user name is empty"),
            (&good[..40], "/passwords:1: the last line does not end: the file is half written"),
            (
                &format!("$operator:{HASH}\n"),
                "/passwords:1: the user name \"$operator\" begins with $, which is kept for the broker itself",
            ),
            (&format!("{}\n", &good[..40]), "/passwords:1: the hash of \"alice\" is not what $6$ begins"),
            (
                "bob:plain\n",
                "/passwords:1: the hash of \"bob\" begins with none of $argon2id$, $7$ and $6$; `vaux passwd` makes one",
            ),
        ] {
            assert_eq!(read(content.as_bytes()).err().as_deref(), Some(problem));
        }
        assert_eq!(read(b"a:b\n\xff\n").err().as_deref(), Some("/passwords:2: is not UTF-8 text"));
        let absent = PasswordFile::read(Path::new("/absent")).unwrap_err().to_string();
        assert!(absent.starts_with("/absent: cannot be read: "), "{absent}");
        let directory = PasswordFile::read(Path::new("/")).unwrap_err().to_string();
        assert_eq!(directory, "/: cannot be read: it is not a regular file");
    }

    #[test]
    fn changing_a_user_leaves_the_rest_as_it_is() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("passwords");
        let content = || fs::read_to_string(&path).unwrap();
        let credentials = Credentials { hash: PasswordHash::parse(HASH).ok(), scram: None };
        set_password(&path, "alice", &credentials, false).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(content(), format!("alice:{HASH}\n"));

        fs::write(&path, format!("# ours\nalice:{HASH}\n\nbob:{HASH}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        let new = Credentials::new(b"new", true);
        set_password(&path, "alice", &new, false).unwrap();
        assert_eq!(content(), format!("# ours\n{}\nbob:{HASH}\n", new.lines("alice")));
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);

        assert_eq!(remove_user(&path, "carol"), Ok(false));
        assert_eq!(remove_user(&path, "bob"), Ok(true));
        assert_eq!(content(), format!("# ours\n{}\n", new.lines("alice")));
        set_password(&path, "carol", &new, true).unwrap();
        assert_eq!(content(), new.lines("carol"));
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1, "nothing else is left behind");
    }

    #[test]
    fn what_is_no_password_file_is_not_overwritten() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("letter");
        fs::write(&path, "Dear Bob\n").unwrap();
        let credentials = Credentials { hash: PasswordHash::parse(HASH).ok(), scram: None };
        assert!(
            set_password(&path, "alice", &credentials, false).is_err()
                && remove_user(&path, "alice").is_err()
        );
        assert!(set_password(&path, "$operator", &credentials, false).is_err());
        assert_eq!(fs::read_to_string(&path).unwrap(), "Dear Bob\n");
    }
}
