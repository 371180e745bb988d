//! Reading everything when the broker starts.
//!
//! Every row with contents carries a checksum. What cannot be read is left out and reported: the rest is good.

use std::collections::BTreeMap;
use std::sync::Arc;

use hashbrown::HashMap;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, Row};
use vaux_mqtt::PacketId;
use vaux_mqtt::packet::SubscriptionOptions;
use vaux_mqtt::topic::TopicFilter;

use super::batch::References;
use super::progress::Numbers;
use super::rows::{Damaged, check_sum, qos_and_retain, read_delivery, read_message, restored};
use super::schema::{
    DELIVERY, MESSAGE, PROGRESS, RECEIVED, RELEASING, RETAINED, SESSION, SUBSCRIPTION, Table, WILL,
};
use crate::message::Message;
use crate::session::{Identity, SessionKey, SessionSubscription, Will};
use crate::store::{Contents, SessionRecord, StoredSession};
use crate::time::Time;

/// What was found.
#[derive(Debug, Default)]
pub(super) struct Loaded {
    pub(super) contents: Contents,
    /// How many deliveries of each message there are.
    pub(super) references: References,
    /// Rows that nothing refers to: what a session left that ended in the middle of a delivery to it.
    pub(super) garbage: Garbage,
    /// How far the store has come.
    pub(super) numbers: Numbers,
    /// What could not be read, by table.
    pub(super) damage: BTreeMap<&'static str, Damage>,
}

/// What could not be read of a table.
#[derive(Debug, Default)]
pub(super) struct Damage {
    /// How many rows do not check.
    pub(super) rows: u64,
    /// The first of them, by their keys.
    pub(super) examples: Vec<String>,
    /// Why nobody knows what else there was: parts of the file cannot be read.
    pub(super) gap: Option<String>,
}

/// So many damaged rows are named; the others are counted.
const EXAMPLES: usize = 20;

/// Rows to be deleted.
#[derive(Debug, Default)]
pub(super) struct Garbage {
    pub(super) sids: Vec<u64>,
    pub(super) mids: Vec<u64>,
}

struct Loader<'a> {
    connection: &'a Connection,
    sessions: BTreeMap<u64, StoredSession>,
    loaded: Loaded,
}

/// Reads all tables.
pub(super) fn load(connection: &Connection) -> Loaded {
    let mut loader = Loader { connection, sessions: BTreeMap::new(), loaded: Loaded::default() };
    loader.numbers();
    loader.sessions();
    loader.wills();
    loader.subscriptions();
    let mut messages = loader.messages();
    loader.deliveries(&messages);
    loader.packet_ids(&RELEASING);
    loader.packet_ids(&RECEIVED);
    loader.retained();
    let Loader { sessions, mut loaded, .. } = loader;
    let numbers = &mut loaded.numbers;
    numbers.last_sid = numbers.last_sid.max(sessions.keys().next_back().copied().unwrap_or(0));
    (loaded.contents.last_sid, loaded.contents.last_mid) = (numbers.last_sid, numbers.last_mid);
    loaded.contents.sessions = sessions.into_values().collect();
    messages.retain(|mid, _| !loaded.references.contains_key(mid));
    loaded.garbage.mids.extend(messages.keys());
    loaded.garbage.sids.sort_unstable();
    loaded.garbage.sids.dedup();
    loaded
}

impl Loader<'_> {
    /// Calls `read` with each row of a table, and counts what cannot be read. Where the file is damaged in the middle,
    /// what stands behind is read from the end.
    fn each(&mut self, table: &Table, mut read: impl FnMut(&mut Self, &Row<'_>) -> Result<(), Damaged>) {
        let connection = self.connection;
        let mut damage = Damage::default();
        let mut run = |is_backwards| -> rusqlite::Result<()> {
            let mut statement = connection.prepare(&table.select(is_backwards))?;
            let mut rows = statement.query([])?;
            while let Some(row) = rows.next()? {
                if check_sum(row).and_then(|()| read(self, row)).is_err() {
                    damage.rows += 1;
                    if damage.examples.len() < EXAMPLES {
                        damage.examples.push(describe(table, row));
                    }
                }
            }
            Ok(())
        };
        let result = run(false);
        if let Err(error) = &result {
            // It stops at the same place. Rows that come twice are the same row twice.
            let _ = run(true);
            damage.gap = Some(error.to_string());
        }
        if damage.rows > 0 || damage.gap.is_some() {
            self.loaded.damage.insert(table.name, damage);
        }
    }

    fn numbers(&mut self) {
        self.each(&PROGRESS, |loader, row| {
            loader.loaded.numbers = Numbers::read(row)?;
            Ok(())
        });
    }

    fn sessions(&mut self) {
        self.each(&SESSION, |loader, row| {
            let session = read_session(row).map_err(|_| Damaged)?;
            let stored = StoredSession {
                session,
                subscriptions: Vec::new(),
                deliveries: Vec::new(),
                releasing: Vec::new(),
                received: Vec::new(),
            };
            loader.sessions.insert(stored.session.sid, stored);
            Ok(())
        });
    }

    fn wills(&mut self) {
        self.each(&WILL, |loader, row| {
            let (sid, will) = read_will(row)?;
            if let Some(stored) = loader.owner(sid) {
                stored.session.will = Some(Box::new(will));
            }
            Ok(())
        });
    }

    fn subscriptions(&mut self) {
        self.each(&SUBSCRIPTION, |loader, row| {
            let sid = row.get(0).map(restored).map_err(|_| Damaged)?;
            let filter: String = row.get(1).map_err(|_| Damaged)?;
            let options = row.get(2).ok().and_then(SubscriptionOptions::from_bits).ok_or(Damaged)?;
            let identifier = row.get(3).map_err(|_| Damaged)?;
            let filter = TopicFilter::new(&filter).map_err(|_| Damaged)?;
            if let Some(stored) = loader.owner(sid) {
                let mount = Arc::clone(&stored.session.key.mount);
                stored.subscriptions.push(SessionSubscription::new(filter, &mount, options, identifier));
            }
            Ok(())
        });
    }

    fn messages(&mut self) -> HashMap<u64, Arc<Message>> {
        let mut messages = HashMap::new();
        self.each(&MESSAGE, |loader, row| {
            let message = read_message(row)?;
            loader.see_mid(message.mid);
            messages.insert(message.mid, message);
            Ok(())
        });
        messages
    }

    fn deliveries(&mut self, messages: &HashMap<u64, Arc<Message>>) {
        self.each(&DELIVERY, |loader, row| {
            let number = |index| row.get(index).map(restored).map_err(|_| Damaged);
            let (sid, mid) = (number(0)?, number(1)?);
            let message = messages.get(&mid).ok_or(Damaged)?;
            let packet_id = row.get::<_, Option<u16>>(3).map_err(|_| Damaged)?.and_then(PacketId::new);
            let delivery = read_delivery(row, Arc::clone(message))?;
            *loader.loaded.references.entry(mid).or_default() += 1;
            if let Some(stored) = loader.owner(sid) {
                stored.deliveries.push((delivery, packet_id));
            }
            Ok(())
        });
    }

    fn packet_ids(&mut self, table: &Table) {
        self.each(table, |loader, row| {
            let sid = row.get(0).map(restored).map_err(|_| Damaged)?;
            let packet_id = row.get(1).ok().and_then(PacketId::new).ok_or(Damaged)?;
            if let Some(stored) = loader.owner(sid) {
                let ids =
                    if table.name == RECEIVED.name { &mut stored.received } else { &mut stored.releasing };
                ids.push(packet_id);
            }
            Ok(())
        });
    }

    fn retained(&mut self) {
        self.each(&RETAINED, |loader, row| {
            let message = read_message(row)?;
            loader.see_mid(message.mid);
            loader.loaded.contents.retained.push(message);
            Ok(())
        });
    }

    fn see_mid(&mut self, mid: u64) {
        self.loaded.numbers.last_mid = self.loaded.numbers.last_mid.max(mid);
    }

    /// The session that a row belongs to. Rows of others are garbage.
    fn owner(&mut self, sid: u64) -> Option<&mut StoredSession> {
        let owner = self.sessions.get_mut(&sid);
        if owner.is_none() {
            self.loaded.garbage.sids.push(sid);
        }
        owner
    }
}

/// Names a row by its first columns, which are its key in most tables.
fn describe(table: &Table, row: &Row<'_>) -> String {
    let column = |index| match row.get_ref(index) {
        Ok(ValueRef::Integer(number)) => number.to_string(),
        Ok(ValueRef::Text(text)) => String::from_utf8_lossy(text).escape_debug().to_string(),
        _ => "?".to_owned(),
    };
    match table.name {
        "delivery" | "subscription" | "releasing" | "received" => format!("{} {}", column(0), column(1)),
        "retained" => column(4),
        _ => column(0),
    }
}

fn read_session(row: &Row<'_>) -> rusqlite::Result<SessionRecord> {
    let text = |index| row.get::<_, String>(index).map(Arc::from);
    let user: Option<String> = row.get(3)?;
    Ok(SessionRecord {
        sid: restored(row.get(0)?),
        key: SessionKey { mount: text(1)?, client_id: text(2)? },
        identity: user.map_or(Identity::Anonymous, |name| Identity::User(name.into())),
        expiry_ms: restored(row.get(4)?),
        ends_at: Time(restored(row.get(5)?)),
        is_connected: row.get(6)?,
        will: None,
    })
}

fn read_will(row: &Row<'_>) -> Result<(u64, Will), Damaged> {
    let number = |index| row.get::<_, i64>(index).map_err(|_| Damaged);
    let topic: String = row.get(1).map_err(|_| Damaged)?;
    let bytes = |index| row.get::<_, Vec<u8>>(index).map_err(|_| Damaged);
    let (properties, payload) = (bytes(2)?, bytes(3)?);
    let (sid, flags, delay_s) = (number(0)?, number(4)?, number(5)?);
    let expiry_s: Option<u32> = row.get(6).map_err(|_| Damaged)?;
    let (qos, retain) = qos_and_retain(u8::try_from(flags).map_err(|_| Damaged)?)?;
    let will = Will {
        topic: topic.into(),
        properties,
        payload,
        qos,
        retain,
        delay_s: u32::try_from(delay_s).map_err(|_| Damaged)?,
        expiry_s,
        due_at: Time(restored(number(7)?)),
    };
    Ok((restored(sid), will))
}
