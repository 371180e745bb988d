//! The thread that reads parts of long queues while the writer goes on writing.
//!
//! The writer hands a request over when it has written everything that was submitted before it, so that the reader
//! finds what is asked for.

use std::path::Path;
use std::sync::mpsc::Receiver;
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::{CachedStatement, Connection, OptionalExtension as _, Row};

use super::rows::{Damaged, check_sum, read_delivery, read_message, stored};
use super::schema::{self, DELIVERY, MESSAGE};
use super::{StoreError, Wake, set_aside};
use crate::session::Delivery;
use crate::store::{Page, PageRequest};

/// A request of a worker.
#[derive(Debug)]
pub(super) struct Wanted {
    pub(super) worker: usize,
    pub(super) request: PageRequest,
}

/// What was read, for each worker.
pub(super) type Pages = Arc<[Mutex<Vec<Page>>]>;

pub(super) struct Reader {
    connection: Connection,
    pages: Pages,
    wakes: Vec<Wake>,
}

impl Reader {
    pub(super) fn new(path: &Path, pages: Pages, wakes: Vec<Wake>) -> Result<Reader, StoreError> {
        Ok(Reader { connection: schema::open_as_it_is(path)?, pages, wakes })
    }

    /// Reads until the writer has ended.
    pub(super) fn run(self, wanted: &Receiver<Wanted>) {
        while let Ok(Wanted { worker, request }) = wanted.recv() {
            let sid = request.sid;
            match self.read(request) {
                Ok(page) => {
                    self.pages[worker].lock().unwrap_or_else(PoisonError::into_inner).push(page);
                    (self.wakes[worker])();
                }
                // Without an answer the queue stands still, and nothing of it is lost.
                Err(error) => tracing::error!(%error, sid, "the queue of a session cannot be read"),
            }
        }
    }

    fn read(&self, request: PageRequest) -> rusqlite::Result<Page> {
        let PageRequest { sid, mids } = request;
        let mut delivery = self.connection.prepare_cached(&DELIVERY.select_one())?;
        let mut message = self.connection.prepare_cached(&MESSAGE.select_one())?;
        let mut deliveries = Vec::with_capacity(mids.len());
        for mid in mids {
            let read = match read_one(&mut delivery, &mut message, sid, mid) {
                Err(error) if set_aside::is_damage(&error) => None,
                read => read?,
            };
            if read.is_none() {
                tracing::error!(sid, mid, "a queued message cannot be read");
            }
            deliveries.push((mid, read));
        }
        Ok(Page { sid, deliveries })
    }
}

/// Reads one message of a queue; `None` when it is damaged or not there.
fn read_one(
    delivery: &mut CachedStatement<'_>,
    message: &mut CachedStatement<'_>,
    sid: u64,
    mid: u64,
) -> rusqlite::Result<Option<Delivery>> {
    let checked = |row: &Row<'_>| Ok(check_sum(row).and_then(|()| read_message(row)));
    let Some(Ok(message)) = message.query_row([stored(mid)], checked).optional()? else { return Ok(None) };
    let read = |row: &Row<'_>| -> rusqlite::Result<Result<Delivery, Damaged>> {
        Ok(check_sum(row).and_then(|()| read_delivery(row, message)))
    };
    let delivery = delivery.query_row([stored(sid), stored(mid)], read).optional()?;
    Ok(delivery.and_then(Result::ok))
}
