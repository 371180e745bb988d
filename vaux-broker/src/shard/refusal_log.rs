//! Lines in the log about clients that are not let in. Their number is limited: a flood of connections must not become a
//! flood of lines.

use crate::peer::Peer;
use crate::rate::TokenBucket;
use crate::time::Time;

/// Writes so many lines a second, and then how many it left out.
#[derive(Debug, Default)]
pub(super) struct RefusalLog {
    bucket: Option<TokenBucket>,
    left_out: u64,
}

const LINES_PER_SECOND: u64 = 5;

impl RefusalLog {
    pub(super) fn write(&mut self, now: Time, peer: Peer, text: &str) {
        let bucket = self.bucket.get_or_insert_with(|| TokenBucket::new(now, LINES_PER_SECOND));
        if !bucket.take(now, LINES_PER_SECOND) {
            self.left_out += 1;
            return;
        }
        match std::mem::take(&mut self.left_out) {
            0 => tracing::info!(%peer, "refused: {text}"),
            left_out => tracing::info!(%peer, left_out, "refused: {text}"),
        }
    }
}
