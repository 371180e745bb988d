//! What the kernel has written down about a process: processor time, resident memory, and what it wrote.
//!
//! The benchmark believes these numbers rather than a clock, because they do not grow while something else runs on
//! the machine.

use std::fs;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use crate::Outcome;

/// The processor time of each thread of a process, by thread identifier.
///
/// The scheduler counts nanoseconds. User and system time are one number; what the kernel does for a socket in the
/// name of the thread that called it is in there. A thread that has ended is counted no more.
///
/// # Errors
///
/// The process is gone, or this kernel keeps no scheduler statistics.
pub(crate) fn thread_times(process: u32) -> Outcome<Vec<(u32, Duration)>> {
    let tasks = PathBuf::from(format!("/proc/{process}/task"));
    let mut times = Vec::new();
    let unreadable = |error: io::Error| format!("cannot read {}: {error}", tasks.display());
    for task in fs::read_dir(&tasks).map_err(unreadable)? {
        let task = task.map_err(unreadable)?;
        let Some(thread) = task.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        // A thread may end between the listing and the reading.
        let Ok(statistics) = fs::read_to_string(task.path().join("schedstat")) else { continue };
        times.push((
            thread,
            first_number(&statistics).map(Duration::from_nanos).ok_or("schedstat holds no number")?,
        ));
    }
    if times.is_empty() {
        return Err(format!("no thread of process {process} has scheduler statistics").into());
    }
    Ok(times)
}

/// The processor time of all threads of a process together.
///
/// # Errors
///
/// As [`thread_times`].
pub(crate) fn processor_time(process: u32) -> Outcome<Duration> {
    Ok(thread_times(process)?.into_iter().map(|(_, time)| time).sum())
}

/// Resident memory of a process in bytes. What the kernel holds for its sockets is not in there.
///
/// # Errors
///
/// The process is gone.
pub(crate) fn resident_bytes(process: u32) -> Outcome<u64> {
    let path = format!("/proc/{process}/status");
    let status = fs::read_to_string(&path).map_err(|error| format!("cannot read {path}: {error}"))?;
    let kibibytes = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).and_then(first_number);
    Ok(kibibytes.ok_or_else(|| format!("{path} does not say VmRSS"))? * 1024)
}

/// Bytes that a process caused to be written to a disk. The kernel counts whole pages, when they are dirtied; files in
/// memory and what the file system writes for itself are not in there.
///
/// # Errors
///
/// The process is gone or another user's, or this kernel keeps no such account.
pub(crate) fn written_bytes(process: u32) -> Outcome<u64> {
    let path = format!("/proc/{process}/io");
    let io = fs::read_to_string(&path).map_err(|error| format!("cannot read {path}: {error}"))?;
    let bytes = io.lines().find_map(|line| line.strip_prefix("write_bytes:")).and_then(first_number);
    bytes.ok_or_else(|| format!("{path} does not say write_bytes").into())
}

fn first_number(text: &str) -> Option<u64> {
    text.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn work_shows_in_the_time_of_this_process() {
        let before = processor_time(std::process::id()).unwrap();
        let mut sum = 0_u64;
        // Until the account has moved: the kernel brings it up to date at its ticks.
        while processor_time(std::process::id()).unwrap() <= before {
            sum = sum.wrapping_add((0..10_000_u64).map(std::hint::black_box).sum());
        }
        assert!(sum > 0);
    }

    #[test]
    fn memory_in_use_is_resident() {
        let memory = std::hint::black_box(vec![1_u8; 32 << 20]);
        assert!(resident_bytes(std::process::id()).unwrap() > memory.len() as u64);
    }

    #[test]
    fn what_is_written_never_becomes_less() {
        let before = written_bytes(std::process::id()).unwrap();
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&[1; 1 << 20]).unwrap();
        file.sync_all().unwrap();
        let grown = written_bytes(std::process::id()).unwrap() - before;
        // A folder for scratch files may be in memory.
        assert!(grown == 0 || grown >= 1 << 20, "{grown}");
    }

    #[test]
    fn a_process_that_does_not_exist_is_an_error() {
        assert!(processor_time(u32::MAX).is_err());
        assert!(resident_bytes(u32::MAX).is_err());
        assert!(written_bytes(u32::MAX).is_err());
    }
}
