//! Reading everything when the broker starts.
//!
//! Every row with contents carries a checksum. What cannot be read is left out and reported: the rest is good.

use std::collections::BTreeMap;

use hashbrown::HashMap;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, Row};
use vaux_mqtt::PacketId;
use vaux_mqtt::packet::SubscriptionOptions;
use vaux_mqtt::topic::TopicFilter;

use super::batch::References;
use super::progress::Numbers;
use super::rows::{
    Damaged, Manner, check_sum, may_wait, message_size, qos_and_retain, read_grants, read_manner,
    read_message, read_source, restored,
};
use super::schema::{
    DELIVERY, MESSAGE, PROGRESS, RECEIVED, RELEASING, RETAINED, SESSION, SUBSCRIPTION, Table, WILL,
};
use crate::message::Message;
use crate::retained::Kept;
use crate::rights::Grants;
use crate::session::{Identity, SessionKey, SessionSubscription, Will};
use crate::store::{Contents, SessionRecord, StoredSession, Waiting};
use crate::time::Time;

/// What was found.
#[derive(Debug, Default)]
pub(super) struct Loaded {
    pub(super) contents: Contents,
    /// How many deliveries of a message there are, when there are several.
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

/// How much is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Extent {
    /// Messages that wait to be sent stay where they are.
    WithoutQueues,
    /// Everything.
    Whole,
}

struct Loader<'a> {
    connection: &'a Connection,
    extent: Extent,
    /// Messages by number.
    messages: HashMap<u64, Found>,
    /// Deliveries that cannot wait.
    pressing: Vec<Pressing>,
    sessions: BTreeMap<u64, StoredSession>,
    loaded: Loaded,
}

/// What is known of a message that deliveries speak of.
#[derive(Debug, Default)]
struct Found {
    deliveries: u32,
    /// Its size, 0 until it was found.
    size_bytes: u32,
    /// Whether some delivery wants to have it in memory.
    is_wanted: bool,
    /// The message, if so.
    message: Option<Message>,
}

/// A delivery that is to be in memory with its message.
#[derive(Debug)]
struct Pressing {
    sid: u64,
    mid: u64,
    packet_id: Option<PacketId>,
    manner: Manner,
}

/// Reads all tables.
pub(super) fn load(connection: &Connection, extent: Extent) -> Loaded {
    let mut loader = Loader {
        connection,
        extent,
        messages: HashMap::new(),
        pressing: Vec::new(),
        sessions: BTreeMap::new(),
        loaded: Loaded::default(),
    };
    loader.numbers();
    loader.sessions();
    loader.wills();
    loader.subscriptions();
    loader.deliveries();
    loader.messages();
    loader.match_deliveries();
    loader.packet_ids(&RELEASING);
    loader.packet_ids(&RECEIVED);
    loader.retained();
    let Loader { sessions, messages, mut loaded, .. } = loader;
    let numbers = &mut loaded.numbers;
    numbers.last_sid = numbers.last_sid.max(sessions.keys().next_back().copied().unwrap_or(0));
    (loaded.contents.last_sid, loaded.contents.last_mid) = (numbers.last_sid, numbers.last_mid);
    loaded.contents.sessions = sessions.into_values().collect();
    let several = messages.iter().filter(|(_, found)| found.deliveries > 1);
    loaded.references.extend(several.map(|(mid, found)| (*mid, found.deliveries)));
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
            let session = read_session(row)?;
            let stored = StoredSession {
                session,
                subscriptions: Vec::new(),
                deliveries: Vec::new(),
                waiting: Vec::new(),
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
                let mount = stored.session.key.mount.clone();
                stored.subscriptions.push(SessionSubscription::new(filter, &mount, options, identifier));
            }
            Ok(())
        });
    }

    /// What deliveries there are. Of those that may wait nothing more has to be known.
    fn deliveries(&mut self) {
        self.each(&DELIVERY, |loader, row| {
            let number = |index| row.get(index).map(restored).map_err(|_| Damaged);
            let (sid, mid) = (number(0)?, number(1)?);
            let may_wait = loader.extent == Extent::WithoutQueues && may_wait(row);
            let found = loader.messages.entry(mid).or_default();
            found.deliveries += 1;
            found.is_wanted |= !may_wait;
            let Some(stored) = loader.owner(sid) else { return Ok(()) };
            if may_wait {
                stored.waiting.push(Waiting { mid, size_bytes: 0 });
            } else {
                let packet_id = row.get::<_, Option<u16>>(3).map_err(|_| Damaged)?.and_then(PacketId::new);
                let manner = read_manner(row)?;
                loader.pressing.push(Pressing { sid, mid, packet_id, manner });
            }
            Ok(())
        });
    }

    fn messages(&mut self) {
        self.each(&MESSAGE, |loader, row| {
            let mid = row.get(0).map(restored).map_err(|_| Damaged)?;
            loader.see_mid(mid);
            let Some(found) = loader.messages.get_mut(&mid) else {
                loader.loaded.garbage.mids.push(mid);
                return Ok(());
            };
            if found.is_wanted {
                found.message = Some(read_message(row)?);
            }
            found.size_bytes = u32::try_from(message_size(row)?).map_err(|_| Damaged)?;
            Ok(())
        });
    }

    /// Brings deliveries and messages together.
    fn match_deliveries(&mut self) {
        let mut missing = 0;
        for stored in self.sessions.values_mut() {
            stored.waiting.retain_mut(|waiting| {
                let found = self.messages.get(&waiting.mid);
                waiting.size_bytes = found.map_or(0, |found| found.size_bytes as usize);
                missing += u64::from(waiting.size_bytes == 0);
                waiting.size_bytes > 0
            });
        }
        for Pressing { sid, mid, packet_id, manner } in std::mem::take(&mut self.pressing) {
            let message = self.messages.get(&mid).and_then(|found| found.message.clone());
            match (message, self.sessions.get_mut(&sid)) {
                (Some(message), Some(stored)) => stored.deliveries.push((manner.of(message), packet_id)),
                _ => missing += 1,
            }
        }
        if missing > 0 {
            self.loaded.damage.entry(DELIVERY.name).or_default().rows += missing;
        }
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
            let retained = &mut loader.loaded.contents.retained;
            let source = read_source(row, retained.last().and_then(|last| last.source.as_ref()))?;
            retained.push(Kept { message, source });
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

fn read_session(row: &Row<'_>) -> Result<SessionRecord, Damaged> {
    let grants = read_grants(row, 7)?;
    read_session_with(row, grants).map_err(|_| Damaged)
}

fn read_session_with(row: &Row<'_>, grants: Option<Grants>) -> rusqlite::Result<SessionRecord> {
    let (mount, client_id): (String, String) = (row.get(1)?, row.get(2)?);
    let user: Option<String> = row.get(3)?;
    Ok(SessionRecord {
        sid: restored(row.get(0)?),
        key: SessionKey { mount: mount.as_str().into(), client_id: client_id.into() },
        identity: user.map_or(Identity::Anonymous, |name| Identity::User(name.into())),
        grants,
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
