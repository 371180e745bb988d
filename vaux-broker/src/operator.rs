//! The operator: whoever can read `operator.token` in the data directory, and connects from this machine.
//!
//! The token is made at the first start. It is the password of the user [`OPERATOR`], who may read all that the broker
//! tells about itself and ask for more. From other machines nobody is that user, whatever he knows.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::Arc;

use subtle::ConstantTimeEq as _;
use vaux_mqtt::ReasonCode;

use crate::authenticate::Authenticate;
use crate::core::{ConnectRequest, Refusal, Step};
use crate::session::{Identity, OPERATOR};
use crate::shard::{Reply, StepReply};
use crate::tls;

/// The file, in the data directory.
pub const FILE: &str = "operator.token";

/// How many bytes of randomness a token holds.
const TOKEN_BYTES: usize = 32;
/// Shorter tokens, which somebody may have written by hand, are refused.
pub(crate) const MIN_TOKEN_LEN: usize = 16;

/// The token in a data directory. It is made when there is none.
///
/// # Errors
///
/// The file cannot be read or made, or holds no token.
pub(crate) fn token(data_dir: &Path) -> io::Result<Box<[u8]>> {
    let path = data_dir.join(FILE);
    let text = match fs::read_to_string(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => make(&path)?,
        text => text?,
    };
    let token = text.trim_end();
    if token.len() < MIN_TOKEN_LEN {
        return Err(io::Error::other("it holds no token; remove it, and the next start makes a new one"));
    }
    Ok(token.as_bytes().into())
}

/// Writes a new token beside its place first: neither a start that is interrupted nor a power cut leaves part of one.
fn make(path: &Path) -> io::Result<String> {
    let mut random = [0; TOKEN_BYTES];
    let filled = tls::provider().secure_random.fill(&mut random);
    filled.map_err(|_| io::Error::other("the system gave no random numbers"))?;
    let token: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
    let partial = path.with_extension("part");
    // One that was left over may be readable by others.
    match fs::remove_file(&partial) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().create_new(true).write(true).mode(0o600).open(&partial)?;
    file.write_all(token.as_bytes())?;
    file.write_all(b"\n")?;
    file.sync_all()?;
    fs::rename(&partial, path)?;
    path.parent().map_or(Ok(()), |directory| File::open(directory)?.sync_all())?;
    Ok(token)
}

/// Knows the operator, and asks another about everybody else.
#[derive(Debug)]
pub(crate) struct OperatorOr {
    pub(crate) token: Box<[u8]>,
    pub(crate) others: Arc<dyn Authenticate>,
}

impl Authenticate for OperatorOr {
    fn authenticate(&self, request: Box<ConnectRequest>, reply: Reply) {
        if request.user_name.as_deref() != Some(OPERATOR) {
            return self.others.authenticate(request, reply);
        }
        let password = request.password.as_deref().unwrap_or_default();
        let is_here = request.peer.is_local();
        let verdict = match is_here && is_same(password, &self.token) {
            true => Ok(Identity::User(OPERATOR.into()).into()),
            false => Err(Refusal::new(
                ReasonCode::BadUserNameOrPassword,
                "the operator connects from this machine, with the token of the data directory",
            )),
        };
        reply.send(request, verdict);
    }

    fn still_holds(&self, listener: &str, identity: &Identity, proof: u64) -> bool {
        self.others.still_holds(listener, identity, proof)
    }

    fn exchange(&self, step: Box<Step>, reply: StepReply) {
        self.others.exchange(step, reply);
    }
}

/// Compares in a time that does not depend on where the first difference is.
pub(crate) fn is_same(given: &[u8], wanted: &[u8]) -> bool {
    given.ct_eq(wanted).into()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_token_is_made_once_for_the_owner_only() {
        let directory = tempfile::tempdir().unwrap();
        let first = token(directory.path()).unwrap();
        assert_eq!(first.len(), 2 * TOKEN_BYTES);
        assert_eq!(token(directory.path()).unwrap(), first);
        let mode = fs::metadata(directory.path().join(FILE)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let other = tempfile::tempdir().unwrap();
        assert_ne!(token(other.path()).unwrap(), first);
    }

    #[test]
    fn what_an_interrupted_start_left_is_neither_used_nor_readable_by_others() {
        let directory = tempfile::tempdir().unwrap();
        let partial = directory.path().join(FILE).with_extension("part");
        fs::write(&partial, "0123456789abcdef").unwrap();
        fs::set_permissions(&partial, fs::Permissions::from_mode(0o644)).unwrap();
        assert_eq!(token(directory.path()).unwrap().len(), 2 * TOKEN_BYTES);
        let mode = fs::metadata(directory.path().join(FILE)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert!(!partial.exists());
    }

    #[test]
    fn an_empty_file_is_no_token() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join(FILE), "\n").unwrap();
        assert!(token(directory.path()).unwrap_err().to_string().contains("no token"));
    }

    #[test]
    fn only_the_same_bytes_are_the_same() {
        assert!(is_same(b"abc", b"abc"));
        assert!(!is_same(b"ab", b"abc"));
        assert!(!is_same(b"abd", b"abc"));
    }
}
