//! Opening the store that the configuration asks for, with one end for each worker.

use std::sync::Arc;
use std::thread::JoinHandle;

use super::{Recovered, StartError};
use crate::config::{Config, StoreEngine};
use crate::retained::{Kept, Retained, Source};
use crate::shard::{Mail, Mailbox};
use crate::store::disk::{COMPANY, DiskOptions, DiskStore, StoreError, Wake};
use crate::store::{Contents, MemoryStore, Store, StoredSession};

/// The ends of the store, and what it held.
pub(super) struct Stores {
    pub(super) mailboxes: Arc<[Arc<Mailbox>]>,
    pub(super) handles: Vec<Box<dyn Store>>,
    pub(super) thread: Option<JoinHandle<()>>,
    pub(super) sessions: Vec<StoredSession>,
    pub(super) retained: Arc<Retained>,
    pub(super) last_sid: u64,
    pub(super) last_mid: u64,
    pub(super) recovered: Recovered,
}

impl Stores {
    /// Opens the store and reads it.
    pub(super) fn open(config: &Config, mailboxes: Arc<[Arc<Mailbox>]>) -> Result<Stores, StartError> {
        match config.store.engine {
            StoreEngine::Memory => Ok(Stores::memory(mailboxes)),
            StoreEngine::Disk => Stores::disk(config, mailboxes),
        }
    }

    fn memory(mailboxes: Arc<[Arc<Mailbox>]>) -> Stores {
        let handles = mailboxes.iter().map(|_| Box::new(MemoryStore) as Box<dyn Store>).collect();
        Stores {
            mailboxes,
            handles,
            thread: None,
            sessions: Vec::new(),
            retained: Arc::default(),
            last_sid: 0,
            last_mid: 0,
            recovered: Recovered::default(),
        }
    }

    fn disk(config: &Config, mailboxes: Arc<[Arc<Mailbox>]>) -> Result<Stores, StartError> {
        let failed = |problem: String| StartError::Store { data_dir: config.data_dir.clone(), problem };
        let Some(data_dir) = &config.data_dir else {
            return Err(failed("the engine \"disk\" needs a data directory".to_owned()));
        };
        let problem = |error: StoreError| failed(error.to_string());
        let mut store = DiskStore::open(data_dir).map_err(problem)?;
        let contents = std::mem::take(&mut store.contents);
        let damage = std::mem::take(&mut store.damage);
        let recovered = Recovered {
            sessions: contents.sessions.len(),
            messages: contents
                .sessions
                .iter()
                .map(|session| session.deliveries.len() + session.waiting.len())
                .sum(),
            retained: contents.retained.len(),
            damage,
        };
        let Contents { sessions, retained: messages, last_sid, last_mid } = contents;
        let retained = Arc::new(Retained::default());
        for Kept { message, source } in messages {
            let source = source.map(|source| at_known_listener(config, source));
            // There is no limit on what was let in before.
            let _ = retained.set(message, source.as_deref(), usize::MAX, usize::MAX);
        }
        let options = DiskOptions {
            durability: config.store.durability,
            interval: config.store.interval,
            company: COMPANY,
            max_bytes: config.limits.max_store_bytes as u64,
        };
        let wakes = mailboxes
            .iter()
            .map(Arc::clone)
            .map(|mailbox| -> Wake { Arc::new(move || mailbox.post(Mail::Stored)) });
        let (handles, thread) =
            store.start(options, Arc::clone(&retained), wakes.collect()).map_err(problem)?;
        let handles = handles.into_iter().map(|handle| Box::new(handle) as Box<dyn Store>).collect();
        Ok(Stores {
            mailboxes,
            handles,
            thread: Some(thread),
            sessions,
            retained,
            last_sid,
            last_mid,
            recovered,
        })
    }
}

/// The same publisher. A listener that is gone grants nothing, but who came by it is somebody all the same: what all
/// listeners grant him, he still may.
fn at_known_listener(config: &Config, source: Arc<Source>) -> Arc<Source> {
    let is_there = |name: &str| config.listeners.iter().any(|listener| listener.name == name);
    match &source.listener {
        Some(name) if !is_there(name) => Arc::new(Source { listener: None, ..Source::clone(&source) }),
        _ => source,
    }
}
