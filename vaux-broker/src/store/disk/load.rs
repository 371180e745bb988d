//! Reading everything when the broker starts.
//!
//! Every row with contents carries a checksum. What cannot be read is left out and reported: the rest is good.

use std::collections::BTreeMap;
use std::sync::Arc;

use hashbrown::HashMap;
use rusqlite::{Connection, Row};
use vaux_mqtt::PacketId;
use vaux_mqtt::packet::SubscriptionOptions;
use vaux_mqtt::topic::TopicFilter;

use super::batch::References;
use super::rows::{
    DELIVERY_COLUMNS, Damaged, MESSAGE_COLUMNS, checksum, qos_and_retain, read_delivery, read_message,
    restored,
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
    /// What could not be read, by table.
    pub(super) damage: BTreeMap<&'static str, u64>,
}

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
    loader.sessions();
    loader.wills();
    loader.subscriptions();
    let mut messages = loader.messages();
    loader.deliveries(&messages);
    for table in ["releasing", "received"] {
        loader.packet_ids(table);
    }
    loader.retained();
    let Loader { sessions, mut loaded, .. } = loader;
    loaded.contents.last_sid = sessions.keys().next_back().copied().unwrap_or(0);
    loaded.contents.sessions = sessions.into_values().collect();
    messages.retain(|mid, _| !loaded.references.contains_key(mid));
    loaded.garbage.mids.extend(messages.keys());
    loaded.garbage.sids.sort_unstable();
    loaded.garbage.sids.dedup();
    loaded
}

impl Loader<'_> {
    /// Calls `read` with each row of a query, and counts what cannot be read.
    fn each(
        &mut self,
        table: &'static str,
        columns: &str,
        mut read: impl FnMut(&mut Self, &Row<'_>) -> Result<(), Damaged>,
    ) {
        let connection = self.connection;
        let mut damaged = 0;
        let mut run = || -> rusqlite::Result<()> {
            let mut statement = connection.prepare(&format!("SELECT {columns} FROM {table}"))?;
            let mut rows = statement.query([])?;
            while let Some(row) = rows.next()? {
                if read(self, row).is_err() {
                    damaged += 1;
                }
            }
            Ok(())
        };
        let result = run();
        if let Err(error) = result {
            tracing::error!(table, %error, "the store cannot be read to its end");
            damaged += 1;
        }
        if damaged > 0 {
            *self.loaded.damage.entry(table).or_default() += damaged;
        }
    }

    fn sessions(&mut self) {
        let columns = "sid, mount, client_id, user, expiry_ms, ends_at, is_connected";
        self.each("session", columns, |loader, row| {
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
        let columns = "sid, topic, properties, payload, flags, delay_s, expiry_s, due_at, sum";
        self.each("will", columns, |loader, row| {
            let (sid, will) = read_will(row)?;
            if let Some(stored) = loader.owner(sid) {
                stored.session.will = Some(Box::new(will));
            }
            Ok(())
        });
    }

    fn subscriptions(&mut self) {
        self.each("subscription", "sid, filter, options, identifier", |loader, row| {
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
        self.each("message", MESSAGE_COLUMNS, |loader, row| {
            let message = read_message(row)?;
            loader.loaded.contents.last_mid = loader.loaded.contents.last_mid.max(message.mid);
            messages.insert(message.mid, message);
            Ok(())
        });
        messages
    }

    fn deliveries(&mut self, messages: &HashMap<u64, Arc<Message>>) {
        self.each("delivery", DELIVERY_COLUMNS, |loader, row| {
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

    fn packet_ids(&mut self, table: &'static str) {
        self.each(table, "sid, packet_id", |loader, row| {
            let sid = row.get(0).map(restored).map_err(|_| Damaged)?;
            let packet_id = row.get(1).ok().and_then(PacketId::new).ok_or(Damaged)?;
            if let Some(stored) = loader.owner(sid) {
                let ids = if table == "received" { &mut stored.received } else { &mut stored.releasing };
                ids.push(packet_id);
            }
            Ok(())
        });
    }

    fn retained(&mut self) {
        self.each("retained", MESSAGE_COLUMNS, |loader, row| {
            let message = read_message(row)?;
            loader.loaded.contents.last_mid = loader.loaded.contents.last_mid.max(message.mid);
            loader.loaded.contents.retained.push(message);
            Ok(())
        });
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
    let numbers = [sid, flags, delay_s, expiry_s.map_or(-1, i64::from)];
    if i64::from(checksum(&numbers, &[topic.as_bytes(), &properties, &payload])) != number(8)? {
        return Err(Damaged);
    }
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
