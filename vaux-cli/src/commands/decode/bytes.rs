//! Inputs that are packets, one after the other.

use std::io::{self, Write};

use super::stream::{Fit, Stream};
use super::{Teller, Told, offset_width};

/// Explains the packets of `bytes`.
pub(super) fn explain(bytes: &[u8], teller: &mut Teller<'_, impl Write>) -> io::Result<()> {
    let start = teller.args.offset.unwrap_or_default().min(bytes.len());
    let stream = Stream::new(bytes, start, teller.args.protocol_version.version());
    let fit = stream.fit();
    for found in stream {
        let told = Told {
            at: found.at as u64,
            bytes: &bytes[found.at..found.at + found.explained.len],
            explained: &found.explained,
            version_from: found.version_from,
            offset_width: offset_width(bytes.len() as u64),
            captured: None,
        };
        if !teller.tell(told)? {
            break;
        }
    }
    let cut = (teller.totals.truncated > 0).then_some("the last packet is cut short");
    let fit = fit.map(|fit| format!("version: {}", Fit::words(fit)));
    teller.tell_totals(bytes.len() as u64, cut, fit.as_deref())
}
