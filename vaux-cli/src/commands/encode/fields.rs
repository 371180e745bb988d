//! Bytes from the fields of a packet. Every byte stands in one of them, so that also what can be written in more ways
//! than one comes out as it was.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value as Json;
use vaux_mqtt::property::PropertyId;

/// The largest packet: what fields promise beyond it is not believed.
const MAX_PACKET_BYTES: usize = 268_435_460;

/// The bytes of fields, `None` when they do not join.
pub(super) fn bytes(fields: &Json) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut first_at = None;
    for field in fields.as_array()? {
        let at = usize::try_from(field.get("at")?.as_u64()?).ok()?;
        let len = usize::try_from(field.get("len")?.as_u64()?).ok()?;
        if at.checked_sub(*first_at.get_or_insert(at))? != bytes.len() || len > MAX_PACKET_BYTES {
            return None;
        }
        let before = bytes.len();
        push(&mut bytes, field, len)?;
        if bytes.len() - before != len {
            return None;
        }
    }
    Some(bytes)
}

fn push(bytes: &mut Vec<u8>, field: &Json, len: usize) -> Option<()> {
    let name = field.get("name")?.as_str()?;
    let property = PropertyId::ALL.iter().find(|id| id.name() == name);
    match field.get("value") {
        Some(Json::Number(number)) => {
            let number = number.as_u64()?;
            match property {
                None if matches!(name, "remaining length" | "properties" | "will properties") => {
                    push_varint(bytes, number, len)
                }
                None => push_number(bytes, number, len),
                Some(id) => {
                    bytes.push(*id as u8);
                    let len = len.checked_sub(1)?;
                    match id {
                        PropertyId::SubscriptionIdentifier => push_varint(bytes, number, len),
                        _ => push_number(bytes, number, len),
                    }
                }
            }
        }
        Some(Json::Array(pair)) => {
            let [name, value] = pair.as_slice() else { return None };
            bytes.push(PropertyId::UserProperty as u8);
            push_with_length(bytes, name.as_str()?.as_bytes())?;
            push_with_length(bytes, value.as_str()?.as_bytes())
        }
        Some(Json::String(text)) => push_data(bytes, text.as_bytes(), property, len),
        Some(_) => None,
        None => {
            let encoded = field.get("value_base64").and_then(Json::as_str).unwrap_or_default();
            push_data(bytes, &STANDARD.decode(encoded).ok()?, property, len)
        }
    }
}

/// Text or binary data: with a length in front, as a property, or as all there is.
fn push_data(bytes: &mut Vec<u8>, data: &[u8], property: Option<&PropertyId>, len: usize) -> Option<()> {
    if let Some(id) = property {
        bytes.push(*id as u8);
        return push_with_length(bytes, data);
    }
    if len == data.len() {
        bytes.extend_from_slice(data);
        return Some(());
    }
    push_with_length(bytes, data)
}

fn push_with_length(bytes: &mut Vec<u8>, data: &[u8]) -> Option<()> {
    bytes.extend_from_slice(&u16::try_from(data.len()).ok()?.to_be_bytes());
    bytes.extend_from_slice(data);
    Some(())
}

fn push_number(bytes: &mut Vec<u8>, number: u64, len: usize) -> Option<()> {
    let start = 8usize.checked_sub(len)?;
    bytes.extend_from_slice(&number.to_be_bytes()[start..]);
    Some(())
}

/// A number of seven bits a byte, in as many bytes as it had.
fn push_varint(bytes: &mut Vec<u8>, mut number: u64, len: usize) -> Option<()> {
    for index in 0..len.min(5) {
        let more = if index + 1 < len { 0x80 } else { 0 };
        bytes.push((number & 0x7f) as u8 | more);
        number >>= 7;
    }
    (number == 0).then_some(())
}
