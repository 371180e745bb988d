//! The fields of a list of properties.

use alloc::format;

use super::count;
use super::walker::Walker;
use crate::property::{Form, PropertyId};

/// Reads the property length, as a field of the given name, and the properties behind it.
pub(super) fn walk(walker: &mut Walker<'_>, name: &'static str) -> Option<()> {
    let len = walker.varint(name, walker.at())? as usize;
    walker.set_text(format!("{name}, {}", count(len, "byte")));
    walker.nest(len, |walker| {
        while let Some(byte) = walker.peek() {
            // All identifiers are below 128: a byte above is the beginning of none.
            let id = PropertyId::from_u32(u32::from(byte))?;
            property(walker, id)?;
        }
        Some(())
    });
    Some(())
}

fn property(walker: &mut Walker<'_>, id: PropertyId) -> Option<()> {
    let (name, start) = (id.name(), walker.at());
    walker.pass(1);
    match id.form() {
        Form::Fixed(size) => {
            let value = walker.number(name, start, size)?;
            walker.set_text(format!("{name} {value}{}", unit_or_meaning(id, value)));
        }
        Form::Varint => {
            walker.varint(name, start)?;
        }
        Form::Text => {
            walker.string(name, start)?;
        }
        Form::Binary => {
            walker.binary(name, start)?;
        }
        Form::Pair => walker.pair(name, start)?,
    }
    Some(())
}

/// What is to be said behind the number.
fn unit_or_meaning(id: PropertyId, value: u32) -> &'static str {
    match (id, value) {
        (PropertyId::PayloadFormatIndicator, 0) => ", bytes",
        (PropertyId::PayloadFormatIndicator, 1) => ", UTF-8",
        (PropertyId::SessionExpiryInterval, u32::MAX) => " s, never",
        (
            PropertyId::SessionExpiryInterval
            | PropertyId::MessageExpiryInterval
            | PropertyId::WillDelayInterval
            | PropertyId::ServerKeepAlive,
            _,
        ) => " s",
        (PropertyId::MaximumPacketSize, _) => " bytes",
        _ => "",
    }
}
