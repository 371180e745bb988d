//! Passwords that are not on the command line.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

/// The longest password that the protocol can carry.
const MAX_PASSWORD_BYTES: u64 = 65_535;

/// Asks at the terminal, without showing what is typed.
pub(super) fn ask(user_name: Option<&str>, host: &str) -> io::Result<Vec<u8>> {
    let prompt = match user_name {
        Some(user_name) => format!("Password of {user_name} at {host}: "),
        None => format!("Password at {host}: "),
    };
    rpassword::prompt_password(prompt).map(String::into_bytes)
}

/// The first line of a file.
pub(super) fn read(path: &Path) -> io::Result<Vec<u8>> {
    first_line(File::open(path)?)
}

/// The first line of what is read. It may be a byte longer than a password can be, for its user to refuse.
pub(crate) fn first_line(from: impl Read) -> io::Result<Vec<u8>> {
    let mut line = Vec::new();
    BufReader::new(from.take(MAX_PASSWORD_BYTES + 3)).read_until(b'\n', &mut line)?;
    if line.last() == Some(&b'\n') {
        line.pop();
    }
    if line.last() == Some(&b'\r') {
        line.pop();
    }
    Ok(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_of_a_file_is_the_password() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("password");
        for (content, password) in
            [(&b"pw"[..], &b"pw"[..]), (b"pw\n", b"pw"), (b" p w \r\nmore\n", b" p w "), (b"", b"")]
        {
            std::fs::write(&path, content).unwrap();
            assert_eq!(read(&path).unwrap(), password);
        }
    }
}
