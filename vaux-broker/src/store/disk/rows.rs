//! How values become columns, and back.

use std::sync::Arc;

use rusqlite::types::ValueRef;
use rusqlite::{Row, Statement, params};
use vaux_mqtt::QoS;

use crate::message::{Content, Message};
use crate::retained::{Kept, Source};
use crate::rights::Grants;
use crate::router::interest::GroupKey;
use crate::session::{Delivery, Identifiers, Identity, SessionKey};
use crate::time::Time;

/// A row that is not what was written.
#[derive(Debug)]
pub(super) struct Damaged;

/// A number as SQLite stores it: "never" and "for ever" become -1.
pub(super) fn stored(number: u64) -> i64 {
    number as i64
}

/// The number that was stored.
pub(super) fn restored(number: i64) -> u64 {
    number as u64
}

pub(super) fn flags(qos: QoS, retain: bool) -> u8 {
    qos.bits() | u8::from(retain) << 2
}

pub(super) fn qos_and_retain(flags: u8) -> Result<(QoS, bool), Damaged> {
    Ok((QoS::from_bits(flags & 3).ok_or(Damaged)?, flags & 4 != 0))
}

/// The checksum of a row: over its columns, each with its kind and length, so that none can pass for another.
pub(super) fn row_sum<'a>(columns: impl Iterator<Item = ValueRef<'a>>) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    for column in columns {
        match column {
            ValueRef::Null => hasher.update(&[0]),
            ValueRef::Integer(number) => {
                hasher.update(&[1]);
                hasher.update(&number.to_le_bytes());
            }
            ValueRef::Real(number) => {
                hasher.update(&[2]);
                hasher.update(&number.to_le_bytes());
            }
            ValueRef::Text(bytes) | ValueRef::Blob(bytes) => {
                let kind = if matches!(column, ValueRef::Text(_)) { 3 } else { 4 };
                hasher.update(&[kind]);
                hasher.update(&(bytes.len() as u64).to_le_bytes());
                hasher.update(bytes);
            }
        }
    }
    hasher.finalize()
}

/// Checks a row against its sum, which is the last column.
pub(super) fn check_sum(row: &Row<'_>) -> Result<(), Damaged> {
    let last = row.as_ref().column_count() - 1;
    let value = |index| row.get_ref(index).unwrap_or(ValueRef::Null);
    match row.get::<_, u32>(last) {
        Ok(sum) if sum == row_sum((0..last).map(value)) => Ok(()),
        _ => Err(Damaged),
    }
}

/// Writes a message.
pub(super) fn write_message(statement: &mut Statement<'_>, message: &Message) -> rusqlite::Result<usize> {
    let content = message.content();
    statement.execute(params![
        stored(message.mid),
        stored(content.publisher),
        flags(content.qos, content.retain),
        stored(content.expires_at.0),
        content.topic,
        content.properties,
        content.payload
    ])
}

/// Writes a retained message, and who published it.
pub(super) fn write_kept(statement: &mut Statement<'_>, kept: &Kept) -> rusqlite::Result<usize> {
    let content = kept.message.content();
    let source = kept.source.as_deref();
    statement.execute(params![
        stored(kept.message.mid),
        stored(content.publisher),
        flags(content.qos, content.retain),
        stored(content.expires_at.0),
        content.topic,
        content.properties,
        content.payload,
        source.map(|source| &*source.key.client_id),
        source.map(|source| &*source.key.mount),
        source.and_then(|source| user_of(&source.identity)),
        source.and_then(|source| source.listener.as_deref()),
        source.and_then(|source| source.grants.as_ref()).map(Grants::to_text)
    ])
}

/// A user as it is stored: none for an anonymous client.
pub(super) fn user_of(identity: &Identity) -> Option<&str> {
    match identity {
        Identity::Anonymous => None,
        Identity::User(name) => Some(name),
    }
}

/// Reads who published a retained message. `last` is who published the one before: often the same.
pub(super) fn read_source(row: &Row<'_>, last: Option<&Arc<Source>>) -> Result<Option<Arc<Source>>, Damaged> {
    let text = |index| match row.get_ref(index) {
        Ok(ValueRef::Null) => Ok(None),
        Ok(value) => value.as_str().map(Some).map_err(|_| Damaged),
        Err(_) => Err(Damaged),
    };
    let Some(client_id) = text(7)? else { return Ok(None) };
    let mount = text(8)?.ok_or(Damaged)?;
    let (user, listener) = (text(9)?, text(10)?);
    let is_same = |last: &&Arc<Source>| {
        let key = (&*last.key.client_id, &*last.key.mount);
        key == (client_id, mount) && user_of(&last.identity) == user && last.listener.as_deref() == listener
    };
    let grants = read_grants(row, 11)?;
    if let Some(last) = last.filter(is_same).filter(|last| last.grants == grants) {
        return Ok(Some(Arc::clone(last)));
    }
    Ok(Some(Arc::new(Source {
        key: SessionKey { mount: mount.into(), client_id: client_id.into() },
        identity: user.map_or(Identity::Anonymous, |name| Identity::User(name.into())),
        listener: listener.map(Into::into),
        grants,
    })))
}

/// Reads what somebody may do. Without it he would have the rights of all.
pub(super) fn read_grants(row: &Row<'_>, index: usize) -> Result<Option<Grants>, Damaged> {
    let text: Option<String> = row.get(index).map_err(|_| Damaged)?;
    text.map(|text| Grants::from_text(&text).ok_or(Damaged)).transpose()
}

/// Reads a message.
pub(super) fn read_message(row: &Row<'_>) -> Result<Message, Damaged> {
    let number = |index| row.get::<_, i64>(index).map_err(|_| Damaged);
    let topic = row.get_ref(4).ok().and_then(|topic| topic.as_str().ok()).ok_or(Damaged)?;
    let bytes = |index| row.get_ref(index).ok().and_then(|value| value.as_blob().ok()).ok_or(Damaged);
    let (qos, retain) = qos_and_retain(row.get(2).map_err(|_| Damaged)?)?;
    let content = Content {
        publisher: restored(number(1)?),
        qos,
        retain,
        expires_at: Time(restored(number(3)?)),
        topic,
        properties: bytes(5)?,
        payload: bytes(6)?,
    };
    Ok(Message::new(restored(number(0)?), &content))
}

/// What a message counts against limits of bytes, without reading more of it than that.
pub(super) fn message_size(row: &Row<'_>) -> Result<usize, Damaged> {
    let len = |index| match row.get_ref(index) {
        Ok(ValueRef::Text(bytes) | ValueRef::Blob(bytes)) => Ok(bytes.len()),
        _ => Err(Damaged),
    };
    Ok(Message::size_bytes_with(len(4)? + len(5)? + len(6)?))
}

/// Subscription identifiers as bytes, `None` for none.
pub(super) fn identifiers_to_bytes(identifiers: &Identifiers) -> Option<Vec<u8>> {
    let bytes = || identifiers.as_slice().iter().flat_map(|identifier| identifier.to_le_bytes()).collect();
    (!identifiers.is_empty()).then(bytes)
}

/// Whether a session may wait for a message without having it in memory: it was not sent, and is of no shared
/// subscription. Wants the row of a delivery.
pub(super) fn may_wait(row: &Row<'_>) -> bool {
    [3, 5].into_iter().all(|index| matches!(row.get_ref(index), Ok(ValueRef::Null)))
}

/// Reads how a message is delivered.
pub(super) fn read_delivery(row: &Row<'_>, message: Message) -> Result<Delivery, Damaged> {
    Ok(read_manner(row)?.of(message))
}

/// How a message is delivered, apart from the message.
#[derive(Debug)]
pub(super) struct Manner {
    qos: QoS,
    retain: bool,
    identifiers: Identifiers,
    group: Option<Arc<GroupKey>>,
}

impl Manner {
    pub(super) fn of(self, message: Message) -> Delivery {
        let Manner { qos, retain, identifiers, group } = self;
        Delivery { message, qos, retain, identifiers, group }
    }
}

/// Reads how a message is delivered, apart from the message.
pub(super) fn read_manner(row: &Row<'_>) -> Result<Manner, Damaged> {
    let (qos, retain) = qos_and_retain(row.get(2).map_err(|_| Damaged)?)?;
    let bytes: Option<Vec<u8>> = row.get(4).map_err(|_| Damaged)?;
    let (chunks, rest) = bytes.as_deref().unwrap_or_default().as_chunks::<4>();
    if !rest.is_empty() {
        return Err(Damaged);
    }
    let share: (Option<String>, Option<String>) =
        (row.get(5).map_err(|_| Damaged)?, row.get(6).map_err(|_| Damaged)?);
    let group = match share {
        (Some(name), Some(filter)) => {
            Some(Arc::new(GroupKey { share_name: name.into(), filter: filter.into() }))
        }
        _ => None,
    };
    let identifiers = Identifiers::new(chunks.iter().map(|chunk| u32::from_le_bytes(*chunk)));
    Ok(Manner { qos, retain, identifiers, group })
}
