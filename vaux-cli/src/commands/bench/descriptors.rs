//! Each connection needs a file descriptor, of which a process may have so many.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::cli_error::CliError;

/// What the program needs besides connections: standard streams, the runtime, files.
const OTHERS: u64 = 32;

/// Raises the limit of descriptors so far that there is one for each client.
pub(super) fn make_room(clients: usize) -> Result<(), CliError> {
    let needed = clients as u64 + OTHERS;
    let limit = getrlimit(Resource::Nofile);
    if limit.current.is_none_or(|current| current >= needed) {
        return Ok(());
    }
    // As far as may be, since others on this machine did not set it so low for our sake.
    let may_be = limit.maximum.is_none_or(|maximum| maximum >= needed);
    if may_be && setrlimit(Resource::Nofile, Rlimit { current: Some(needed), ..limit }).is_ok() {
        return Ok(());
    }
    let most = limit.maximum.or(limit.current).unwrap_or_default();
    Err(CliError::usage_with_hint(
        format!(
            "{clients} connections need {needed} file descriptors, of which this process may have {most}"
        ),
        "`ulimit -n` in a shell of root raises the limit, or LimitNOFILE= of a systemd unit",
    ))
}
