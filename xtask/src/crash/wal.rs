//! Taking the last commits out of a write-ahead log of SQLite: how the checker is shown a store that lies.
//!
//! <https://www.sqlite.org/fileformat2.html#the_write_ahead_log>: a header of 32 bytes, then frames, each with a header
//! of 24 bytes and a page. A frame whose salts are not the header's is left over from before. A frame that says how
//! large the database is ends a commit.

use std::fs::OpenOptions;
use std::io::Read;
use std::path::Path;

use crate::Outcome;

const HEADER_BYTES: usize = 32;
const FRAME_HEADER_BYTES: usize = 24;

/// Cuts the log in front of its last `count` commits, and says how many bytes went. 0: no commit is in the log, or there
/// is no log, as after an end in good order.
///
/// # Errors
///
/// The log cannot be read or cut.
pub(super) fn drop_last_commits(path: &Path, count: usize) -> Outcome<u64> {
    let unusable = |error| format!("cannot cut {}: {error}", path.display());
    if !path.exists() {
        return Ok(0);
    }
    let mut file = OpenOptions::new().read(true).write(true).open(path).map_err(unusable)?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).map_err(unusable)?;
    let commits = commit_ends(&bytes);
    let Some(&end) = commits.last() else { return Ok(0) };
    let start = commits.iter().rev().nth(count).copied().unwrap_or(HEADER_BYTES);
    file.set_len(start as u64).map_err(unusable)?;
    Ok((end - start) as u64)
}

/// Where each commit ends.
fn commit_ends(bytes: &[u8]) -> Vec<usize> {
    let mut ends = Vec::new();
    let (Some(page_bytes), Some(salts)) = (number(bytes, 8), bytes.get(16..24)) else { return ends };
    let frame_bytes = FRAME_HEADER_BYTES + page_bytes as usize;
    let frames = bytes[HEADER_BYTES.min(bytes.len())..].chunks_exact(frame_bytes);
    for (index, frame) in frames.enumerate().take_while(|(_, frame)| &frame[8..16] == salts) {
        if number(frame, 4) != Some(0) {
            ends.push(HEADER_BYTES + (index + 1) * frame_bytes);
        }
    }
    ends
}

fn number(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|bytes| u32::from_be_bytes(*bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE_BYTES: usize = 512;

    fn log(frames: &[(u32, u8)]) -> Vec<u8> {
        let mut bytes = vec![0; HEADER_BYTES];
        bytes[8..12].copy_from_slice(&(PAGE_BYTES as u32).to_be_bytes());
        bytes[16..24].fill(7);
        for (database_pages, salt) in frames {
            let mut frame = vec![0; FRAME_HEADER_BYTES + PAGE_BYTES];
            frame[4..8].copy_from_slice(&database_pages.to_be_bytes());
            frame[8..16].fill(*salt);
            bytes.extend(frame);
        }
        bytes
    }

    #[test]
    fn the_last_commit_goes_with_all_its_frames_and_what_is_left_over_behind_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        // Two commits, the second of two frames; then one that did not end, and one from before.
        let frames = [(9, 7), (0, 7), (9, 7), (0, 7), (9, 6)];
        std::fs::write(&path, log(&frames)).unwrap();
        assert_eq!(drop_last_commits(&path, 1).unwrap(), 2 * (FRAME_HEADER_BYTES + PAGE_BYTES) as u64);
        assert_eq!(std::fs::read(&path).unwrap(), log(&frames[..1]));
        assert!(drop_last_commits(&path, 1).unwrap() > 0);
        assert_eq!(drop_last_commits(&path, 1).unwrap(), 0);
        assert_eq!(drop_last_commits(&folder.path().join("none"), 1).unwrap(), 0);
    }
}
