//! The token that requests to the API present.

use std::fmt;
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::config::HttpConfig;
use crate::operator::{MIN_TOKEN_LEN, is_same};

/// What the operator wrote into the token file. It is never printed.
#[derive(Clone)]
pub(crate) struct Token(Arc<[u8]>);

/// A token file that cannot be used.
#[derive(Debug)]
pub struct TokenError {
    /// The file.
    pub path: PathBuf,
    /// What is wrong with it.
    pub problem: String,
}

/// Longer ones are a wrong file.
const MAX_BYTES: u64 = 4096;

impl Token {
    /// The token of the API, if there is to be one.
    ///
    /// # Errors
    ///
    /// The file cannot be used.
    pub(crate) fn configured(config: &HttpConfig) -> Result<Option<Token>, TokenError> {
        config.token_file.as_deref().map(Token::read).transpose()
    }

    /// Reads the file: one word, with blanks and line ends around it. Whether that is all that was to be written, nothing
    /// tells: many ways to write one, such as secrets of Kubernetes, put no line end behind it. Part of a token keeps out
    /// those who have the whole one, and is as hard to guess as the shortest that is taken.
    ///
    /// # Errors
    ///
    /// The file cannot be read, or holds something else.
    pub(super) fn read(path: &Path) -> Result<Token, TokenError> {
        let failed = |problem: &str| TokenError { path: path.to_owned(), problem: problem.to_owned() };
        let mut bytes = Vec::new();
        File::open(path)
            .and_then(|file| file.take(MAX_BYTES + 1).read_to_end(&mut bytes))
            .map_err(|error| failed(&error.to_string()))?;
        if bytes.len() as u64 > MAX_BYTES {
            return Err(failed("is too long for a token"));
        }
        match bytes.trim_ascii() {
            [] => Err(failed("is empty")),
            short if short.len() < MIN_TOKEN_LEN => {
                Err(failed(&format!("holds less than {MIN_TOKEN_LEN} characters")))
            }
            token if token.iter().all(u8::is_ascii_graphic) => Ok(Token(token.into())),
            _ => Err(failed("holds more than one word of ASCII characters")),
        }
    }

    /// Whether a request presents this token. How long that takes says nothing of where the two differ.
    pub(super) fn is(&self, presented: &[u8]) -> bool {
        is_same(presented, &self.0)
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

impl fmt::Display for TokenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "token file {}: {}", self.path.display(), self.problem)
    }
}

impl std::error::Error for TokenError {}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(contents: &[u8]) -> Result<Token, String> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), contents).unwrap();
        Token::read(file.path()).map_err(|error| error.problem)
    }

    #[test]
    fn a_token_is_one_word() {
        let token = read(b"  s3cret/+=s3cret/+=\r\n").unwrap();
        assert!(token.is(b"s3cret/+=s3cret/+="));
        for other in [
            &b""[..],
            b"s3cret/+=s3cret/+",
            b"s3cret/+=s3cret/+=x",
            b"S3cret/+=s3cret/+=",
            b"s3cret/+=s3cret/+=\n",
        ] {
            assert!(!token.is(other));
        }
        assert!(!format!("{token:?}").contains("s3cret"));
    }

    #[test]
    fn what_is_no_token_is_refused() {
        for nothing in [&b""[..], b" \n\t\r\n"] {
            assert_eq!(read(nothing).unwrap_err(), "is empty");
        }
        for several in [
            &b"one and more words"[..],
            b"one and\nmore lines",
            b"t\xc3\xb6ken-t\xc3\xb6ken-t\xc3\xb6ken",
            b"nul\0nul\0nul\0nul\0nul",
        ] {
            assert_eq!(read(several).unwrap_err(), "holds more than one word of ASCII characters");
        }
        assert_eq!(read(&[b'x'; 15]).unwrap_err(), "holds less than 16 characters");
        read(&[b'x'; 16]).unwrap();
        read(&[b'x'; 4096]).unwrap();
        assert_eq!(read(&[b'x'; 4097]).unwrap_err(), "is too long for a token");
        let error = Token::read(Path::new("/nowhere/token")).unwrap_err();
        assert!(error.to_string().starts_with("token file /nowhere/token: No such file"), "{error}");
        assert!(Token::read(Path::new("/")).is_err());
    }
}
