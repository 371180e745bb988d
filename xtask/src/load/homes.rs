//! Finding out from outside which thread of a broker serves a client.
//!
//! Brokers do not say it, and which thread it is may be decided by a hash with a random key. But the kernel says how
//! much each thread has worked: the thread that works while one client alone sends pings is that client's home.

use std::io::{ErrorKind, Read, Write};
use std::time::Duration;

use vaux_mqtt::packet::PINGREQ;

use crate::{Outcome, account};

/// Pings in one burst. Their answers fit the socket's buffers, so that writing all before reading cannot block.
const PINGS: usize = 4096;

/// Bursts until one thread must stand out.
const MAX_BURSTS: usize = 50;

/// The thread's work must stand this far above all other threads' together, and this far above nothing.
const TIMES_THE_REST: u32 = 4;
const LEAST_WORK: Duration = Duration::from_millis(1);

/// The thread of `process` that serves this connection.
///
/// # Errors
///
/// No thread stands out, or the connection has ended.
pub(super) fn home(stream: &mut (impl Read + Write), process: u32) -> Outcome<u32> {
    let before = account::thread_times(process)?;
    for _ in 0..MAX_BURSTS {
        ping(stream)?;
        let mut work: Vec<(Duration, u32)> = Vec::new();
        for (thread, time) in account::thread_times(process)? {
            let earlier =
                before.iter().find(|(known, _)| *known == thread).map_or(Duration::ZERO, |(_, time)| *time);
            work.push((time.saturating_sub(earlier), thread));
        }
        work.sort_unstable();
        let Some((most, thread)) = work.pop() else { continue };
        let rest: Duration = work.iter().map(|(work, _)| *work).sum();
        if most >= LEAST_WORK && most >= rest * TIMES_THE_REST {
            return Ok(thread);
        }
    }
    Err("cannot tell which thread of the broker serves a client".into())
}

fn ping(stream: &mut (impl Read + Write)) -> Outcome {
    stream.write_all(&PINGREQ.repeat(PINGS))?;
    // A PINGRESP is as long as a PINGREQ.
    let mut answers = vec![0; PINGREQ.len() * PINGS];
    stream.read_exact(&mut answers).map_err(|error| match error.kind() {
        ErrorKind::UnexpectedEof => "the broker closed the connection of a client that pinged".to_owned(),
        _ => format!("pings are not answered: {error}"),
    })?;
    Ok(())
}
