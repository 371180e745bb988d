//! The records of many submissions, boiled down to what is written in one transaction.
//!
//! A message that was delivered and acknowledged within one batch is never written at all.

use std::sync::LazyLock;

use hashbrown::{HashMap, HashSet};
use rusqlite::{Connection, params};
use vaux_mqtt::PacketId;

use super::load::Garbage;
use super::progress::Numbers;
use super::rows::{flags, identifiers_to_bytes, restored, stored, user_of, write_kept, write_message};
use super::schema::{DELIVERY, MESSAGE, RECEIVED, RELEASING, RETAINED, SESSION, SUBSCRIPTION, Table, WILL};
use crate::message::Message;
use crate::retained::{Kept, Retained};
use crate::rights::Grants;
use crate::session::{Delivery, Will};
use crate::store::{Record, SessionRecord};

/// What is written together.
#[derive(Debug, Default)]
pub(super) struct Batch {
    /// Changes of sessions and subscriptions, in their order.
    rare: Vec<Record>,
    deliveries: HashMap<(u64, u64), Change>,
    /// Exchanges that await PUBCOMP, by session and packet identifier: whether there is one now.
    releasing: HashMap<(u64, PacketId), bool>,
    /// The same for messages that await PUBREL.
    received: HashMap<(u64, PacketId), bool>,
    retained: HashSet<Box<str>>,
    records: usize,
    /// The highest numbers that the records speak of.
    last_sid: u64,
    last_mid: u64,
}

/// What became of a delivery.
#[derive(Debug)]
enum Change {
    Put(Delivery, Option<PacketId>),
    Sent(PacketId),
    Gone,
}

static PUT_MESSAGE: LazyLock<String> = LazyLock::new(|| MESSAGE.insert("INSERT OR IGNORE"));
static PUT_DELIVERY: LazyLock<String> = LazyLock::new(|| DELIVERY.insert("INSERT OR IGNORE"));
static PUT_RETAINED: LazyLock<String> = LazyLock::new(|| RETAINED.insert("REPLACE"));

const UPDATE_SESSION: &str = "UPDATE session SET expiry_ms = ?2, ends_at = ?3, is_connected = 0, \
    sum = row_sum(sid, mount, client_id, user, ?2, ?3, 0, grants) WHERE sid = ?1";
const UPDATE_WILL: &str = "UPDATE will SET due_at = ?2, \
    sum = row_sum(sid, topic, properties, payload, flags, delay_s, expiry_s, ?2) WHERE sid = ?1";
const UPDATE_DELIVERY: &str = "UPDATE delivery SET packet_id = ?3, \
    sum = row_sum(sid, mid, flags, ?3, identifiers, share_name, share_filter) WHERE sid = ?1 AND mid = ?2";

/// How many deliveries of a stored message there are, when there are several: most have one.
pub(super) type References = HashMap<u64, u32>;

/// What happens to messages in one transaction.
#[derive(Debug, Default)]
struct Fates {
    /// Those that are known to be stored.
    stored: HashSet<u64>,
    /// Those that lost their last delivery. They go at the end, if none comes meanwhile.
    unreferenced: HashSet<u64>,
}

impl Batch {
    /// How many records it was made of.
    pub(super) fn len(&self) -> usize {
        self.records
    }

    /// Raises the highest numbers to what is in the batch.
    pub(super) fn count_into(&self, numbers: &mut Numbers) {
        numbers.last_sid = numbers.last_sid.max(self.last_sid);
        numbers.last_mid = numbers.last_mid.max(self.last_mid);
    }

    pub(super) fn add(&mut self, record: Record) {
        self.records += 1;
        match record {
            Record::Delivery { sid, delivery, packet_id } => {
                self.last_mid = self.last_mid.max(delivery.message.mid);
                self.deliveries.insert((sid, delivery.message.mid), Change::Put(delivery, packet_id));
            }
            Record::Sent { sid, mid, packet_id } => match self.deliveries.get_mut(&(sid, mid)) {
                Some(Change::Put(_, sent)) => *sent = Some(packet_id),
                Some(Change::Gone) => {}
                Some(Change::Sent(sent)) => *sent = packet_id,
                None => {
                    self.deliveries.insert((sid, mid), Change::Sent(packet_id));
                }
            },
            Record::Arrived { sid, mid, packet_id } => {
                self.deliveries.insert((sid, mid), Change::Gone);
                self.releasing.insert((sid, packet_id), true);
            }
            Record::Completed { sid, packet_id } => {
                self.releasing.insert((sid, packet_id), false);
            }
            Record::Delivered { sid, mid } => {
                self.deliveries.insert((sid, mid), Change::Gone);
            }
            Record::Received { sid, packet_id } => {
                self.received.insert((sid, packet_id), true);
            }
            Record::Released { sid, packet_id } => {
                self.received.insert((sid, packet_id), false);
            }
            Record::Retained { topic } => {
                self.retained.insert(topic);
            }
            Record::SessionEnded { sid } => {
                self.deliveries.retain(|(owner, _), _| *owner != sid);
                self.releasing.retain(|(owner, _), _| *owner != sid);
                self.received.retain(|(owner, _), _| *owner != sid);
                self.rare.push(record);
            }
            Record::Session(ref session) => {
                self.last_sid = self.last_sid.max(session.sid);
                self.rare.push(record);
            }
            Record::Absent { .. }
            | Record::WillGone { .. }
            | Record::Subscribed { .. }
            | Record::Unsubscribed { .. } => self.rare.push(record),
        }
    }

    /// An exchange with QoS 2 that is under way: one that awaits PUBCOMP, or one that awaits PUBREL.
    pub(super) fn add_exchange(&mut self, sid: u64, packet_id: PacketId, is_releasing: bool) {
        let set = if is_releasing { &mut self.releasing } else { &mut self.received };
        set.insert((sid, packet_id), true);
    }

    /// Writes everything. `references` follows what the tables hold, so that a message goes with its last delivery.
    pub(super) fn write(
        self,
        connection: &Connection,
        references: &mut References,
        tree: &Retained,
    ) -> rusqlite::Result<()> {
        let mut fates = Fates::default();
        for record in &self.rare {
            write_rare(connection, record, references, &mut fates)?;
        }
        for ((sid, mid), change) in &self.deliveries {
            write_delivery(connection, (*sid, *mid), change, references, &mut fates)?;
        }
        write_set(connection, &RELEASING, &self.releasing)?;
        write_set(connection, &RECEIVED, &self.received)?;
        for mid in fates.unreferenced {
            connection.prepare_cached("DELETE FROM message WHERE mid = ?")?.execute([stored(mid)])?;
        }
        for topic in &self.retained {
            write_retained(connection, topic, tree.kept(topic))?;
        }
        Ok(())
    }
}

fn write_rare(
    connection: &Connection,
    record: &Record,
    references: &mut References,
    fates: &mut Fates,
) -> rusqlite::Result<()> {
    match record {
        Record::Session(session) => write_session(connection, session)?,
        Record::Absent { sid, expiry_ms, ends_at, will_due_at } => {
            let sid = stored(*sid);
            connection.prepare_cached(UPDATE_SESSION)?.execute(params![
                sid,
                stored(*expiry_ms),
                stored(ends_at.0)
            ])?;
            connection.prepare_cached(UPDATE_WILL)?.execute(params![sid, stored(will_due_at.0)])?;
        }
        Record::WillGone { sid } => delete_of(connection, "will", *sid)?,
        Record::SessionEnded { sid } => end_session(connection, *sid, references, fates)?,
        Record::Subscribed { sid, subscription } => {
            connection.prepare_cached(&SUBSCRIPTION.insert("REPLACE"))?.execute(params![
                stored(*sid),
                subscription.text,
                subscription.options.bits(),
                subscription.identifier
            ])?;
        }
        Record::Unsubscribed { sid, filter } => {
            connection
                .prepare_cached("DELETE FROM subscription WHERE sid = ? AND filter = ?")?
                .execute(params![stored(*sid), filter])?;
        }
        _ => unreachable!("only records of sessions and subscriptions are kept in their order"),
    }
    Ok(())
}

fn write_session(connection: &Connection, session: &SessionRecord) -> rusqlite::Result<()> {
    connection.prepare_cached(&SESSION.insert("REPLACE"))?.execute(params![
        stored(session.sid),
        &*session.key.mount,
        &*session.key.client_id,
        user_of(&session.identity),
        stored(session.expiry_ms),
        stored(session.ends_at.0),
        session.is_connected,
        session.grants.as_ref().map(Grants::to_text)
    ])?;
    match &session.will {
        Some(will) => write_will(connection, session.sid, will),
        None => delete_of(connection, "will", session.sid),
    }
}

fn write_will(connection: &Connection, sid: u64, will: &Will) -> rusqlite::Result<()> {
    connection.prepare_cached(&WILL.insert("REPLACE"))?.execute(params![
        stored(sid),
        will.topic,
        will.properties,
        will.payload,
        flags(will.qos, will.retain),
        will.delay_s,
        will.expiry_s,
        stored(will.due_at.0)
    ])?;
    Ok(())
}

fn end_session(
    connection: &Connection,
    sid: u64,
    references: &mut References,
    fates: &mut Fates,
) -> rusqlite::Result<()> {
    let mut select = connection.prepare_cached("SELECT mid FROM delivery WHERE sid = ?")?;
    let mids = select.query_map([stored(sid)], |row| row.get::<_, i64>(0))?;
    for mid in mids {
        release(restored(mid?), references, fates);
    }
    for table in ["session", "will", "subscription", "delivery", "releasing", "received"] {
        delete_of(connection, table, sid)?;
    }
    Ok(())
}

/// Deletes the rows of a session from a table.
fn delete_of(connection: &Connection, table: &str, sid: u64) -> rusqlite::Result<()> {
    connection.prepare_cached(&format!("DELETE FROM {table} WHERE sid = ?"))?.execute([stored(sid)])?;
    Ok(())
}

fn write_delivery(
    connection: &Connection,
    (sid, mid): (u64, u64),
    change: &Change,
    references: &mut References,
    fates: &mut Fates,
) -> rusqlite::Result<()> {
    match change {
        Change::Put(delivery, packet_id) => {
            let is_new = put_delivery(connection, sid, delivery, *packet_id)?;
            if is_new {
                add_reference(connection, &delivery.message, references, fates)?;
            }
        }
        Change::Sent(packet_id) => {
            connection.prepare_cached(UPDATE_DELIVERY)?.execute(params![
                stored(sid),
                stored(mid),
                packet_id.value()
            ])?;
        }
        Change::Gone => {
            let deleted = connection
                .prepare_cached("DELETE FROM delivery WHERE sid = ? AND mid = ?")?
                .execute(params![stored(sid), stored(mid)])?;
            if deleted > 0 {
                release(mid, references, fates);
            }
        }
    }
    Ok(())
}

/// Writes a delivery. False when there was one already, which it replaces.
fn put_delivery(
    connection: &Connection,
    sid: u64,
    delivery: &Delivery,
    packet_id: Option<PacketId>,
) -> rusqlite::Result<bool> {
    let group = delivery.group.as_ref();
    let values = params![
        stored(sid),
        stored(delivery.message.mid),
        flags(delivery.qos, delivery.retain),
        packet_id.map(PacketId::value),
        identifiers_to_bytes(&delivery.identifiers),
        group.map(|group| &*group.share_name),
        group.map(|group| &*group.filter)
    ];
    let inserted = connection.prepare_cached(&PUT_DELIVERY)?.execute(values)?;
    if inserted == 0 {
        connection.prepare_cached(&DELIVERY.insert("REPLACE"))?.execute(values)?;
    }
    Ok(inserted > 0)
}

/// One more delivery of a message, which is stored if it is the first.
fn add_reference(
    connection: &Connection,
    message: &Message,
    references: &mut References,
    fates: &mut Fates,
) -> rusqlite::Result<()> {
    let mid = message.mid;
    if fates.unreferenced.remove(&mid) {
        return Ok(());
    }
    let is_first = fates.stored.insert(mid)
        && write_message(&mut *connection.prepare_cached(&PUT_MESSAGE)?, message)? > 0;
    if !is_first {
        *references.entry(mid).or_insert(1) += 1;
    }
    Ok(())
}

/// One delivery of a message less.
fn release(mid: u64, references: &mut References, fates: &mut Fates) {
    let Some(count) = references.get_mut(&mid) else {
        fates.unreferenced.insert(mid);
        return;
    };
    *count -= 1;
    if *count == 1 {
        references.remove(&mid);
    }
}

fn write_set(
    connection: &Connection,
    table: &Table,
    set: &HashMap<(u64, PacketId), bool>,
) -> rusqlite::Result<()> {
    let insert = table.insert("INSERT OR IGNORE");
    let delete = format!("DELETE FROM {} WHERE sid = ? AND packet_id = ?", table.name);
    for ((sid, packet_id), is_there) in set {
        let statement = if *is_there { &insert } else { &delete };
        connection.prepare_cached(statement)?.execute(params![stored(*sid), packet_id.value()])?;
    }
    Ok(())
}

fn write_retained(connection: &Connection, topic: &str, kept: Option<Kept>) -> rusqlite::Result<()> {
    match kept {
        Some(kept) => write_kept(&mut *connection.prepare_cached(&PUT_RETAINED)?, &kept)?,
        None => connection.prepare_cached("DELETE FROM retained WHERE topic = ?")?.execute([topic])?,
    };
    Ok(())
}

/// Deletes what nothing refers to.
pub(super) fn delete_garbage(connection: &Connection, garbage: &Garbage) -> rusqlite::Result<()> {
    if garbage.sids.is_empty() && garbage.mids.is_empty() {
        return Ok(());
    }
    connection.execute_batch("BEGIN IMMEDIATE")?;
    for &sid in &garbage.sids {
        for table in ["will", "subscription", "delivery", "releasing", "received"] {
            delete_of(connection, table, sid)?;
        }
    }
    for &mid in &garbage.mids {
        connection.prepare_cached("DELETE FROM message WHERE mid = ?")?.execute([stored(mid)])?;
    }
    connection.execute_batch("COMMIT")
}
