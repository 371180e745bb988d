//! How values become columns, and back.

use std::sync::Arc;

use rusqlite::{Row, Statement, params};
use vaux_mqtt::QoS;

use crate::message::{Content, Message};
use crate::router::interest::GroupKey;
use crate::session::{Delivery, Identifiers};
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

/// A checksum over parts of a row, each with its length, so that none can move into the next.
pub(super) fn checksum(numbers: &[i64], parts: &[&[u8]]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    numbers.iter().for_each(|number| hasher.update(&number.to_le_bytes()));
    for part in parts {
        hasher.update(&(part.len() as u64).to_le_bytes());
        hasher.update(part);
    }
    hasher.finalize()
}

/// Writes a message. The first column is its number; for a retained one, its topic comes first and the number second.
pub(super) fn write_message(statement: &mut Statement<'_>, message: &Message) -> rusqlite::Result<usize> {
    let content = message.content();
    let (mid, publisher) = (stored(message.mid), stored(content.publisher));
    let (flags, expires_at) = (flags(content.qos, content.retain), stored(content.expires_at.0));
    let sum = checksum(
        &[mid, publisher, i64::from(flags), expires_at],
        &[content.topic.as_bytes(), content.properties, content.payload],
    );
    statement.execute(params![
        mid,
        publisher,
        flags,
        expires_at,
        content.topic,
        content.properties,
        content.payload,
        sum
    ])
}

/// The columns of a message, in the order in which [`read_message`] wants them.
pub(super) const MESSAGE_COLUMNS: &str = "mid, publisher, flags, expires_at, topic, properties, payload, sum";

/// Reads a message and checks its sum.
pub(super) fn read_message(row: &Row<'_>) -> Result<Arc<Message>, Damaged> {
    let number = |index| row.get::<_, i64>(index).map_err(|_| Damaged);
    let (mid, publisher, flags, expires_at) = (number(0)?, number(1)?, number(2)?, number(3)?);
    let topic = row.get_ref(4).ok().and_then(|topic| topic.as_str().ok()).ok_or(Damaged)?;
    let bytes = |index| row.get_ref(index).ok().and_then(|value| value.as_blob().ok()).ok_or(Damaged);
    let (properties, payload) = (bytes(5)?, bytes(6)?);
    let parts = [topic.as_bytes(), properties, payload];
    if i64::from(checksum(&[mid, publisher, flags, expires_at], &parts)) != number(7)? {
        return Err(Damaged);
    }
    let (qos, retain) = qos_and_retain(u8::try_from(flags).map_err(|_| Damaged)?)?;
    let content = Content {
        publisher: restored(publisher),
        qos,
        retain,
        expires_at: Time(restored(expires_at)),
        topic,
        properties,
        payload,
    };
    Ok(Arc::new(Message::new(restored(mid), &content)))
}

/// Subscription identifiers as bytes, `None` for none.
pub(super) fn identifiers_to_bytes(identifiers: &Identifiers) -> Option<Vec<u8>> {
    let bytes = || identifiers.as_slice().iter().flat_map(|identifier| identifier.to_le_bytes()).collect();
    (!identifiers.is_empty()).then(bytes)
}

/// The columns of a delivery, in the order in which [`read_delivery`] wants them.
pub(super) const DELIVERY_COLUMNS: &str = "sid, mid, flags, packet_id, identifiers, share_name, share_filter";

/// Reads how a message is delivered.
pub(super) fn read_delivery(row: &Row<'_>, message: Arc<Message>) -> Result<Delivery, Damaged> {
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
    Ok(Delivery { message, qos, retain, identifiers, group })
}
