//! The fields of a list of properties.

use alloc::format;

use super::count;
use super::walker::Walker;
use crate::property::PropertyId;

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
    match id {
        PropertyId::PayloadFormatIndicator => {
            let value = walker.number(name, start, 1)?;
            let meaning = match value {
                0 => ", bytes",
                1 => ", UTF-8",
                _ => "",
            };
            walker.set_text(format!("{name} {value}{meaning}"));
        }
        PropertyId::RequestProblemInformation
        | PropertyId::RequestResponseInformation
        | PropertyId::MaximumQos
        | PropertyId::RetainAvailable
        | PropertyId::WildcardSubscriptionAvailable
        | PropertyId::SubscriptionIdentifierAvailable
        | PropertyId::SharedSubscriptionAvailable => {
            walker.number(name, start, 1)?;
        }
        PropertyId::ReceiveMaximum | PropertyId::TopicAliasMaximum | PropertyId::TopicAlias => {
            walker.number(name, start, 2)?;
        }
        PropertyId::ServerKeepAlive => {
            let value = walker.number(name, start, 2)?;
            walker.set_text(format!("{name} {value} s"));
        }
        PropertyId::MessageExpiryInterval | PropertyId::WillDelayInterval => {
            let value = walker.number(name, start, 4)?;
            walker.set_text(format!("{name} {value} s"));
        }
        PropertyId::SessionExpiryInterval => {
            let value = walker.number(name, start, 4)?;
            let meaning = if value == u32::MAX { ", never" } else { "" };
            walker.set_text(format!("{name} {value} s{meaning}"));
        }
        PropertyId::MaximumPacketSize => {
            let value = walker.number(name, start, 4)?;
            walker.set_text(format!("{name} {}", count(value as usize, "byte")));
        }
        PropertyId::SubscriptionIdentifier => {
            walker.varint(name, start)?;
        }
        PropertyId::ContentType
        | PropertyId::ResponseTopic
        | PropertyId::AssignedClientIdentifier
        | PropertyId::AuthenticationMethod
        | PropertyId::ResponseInformation
        | PropertyId::ServerReference
        | PropertyId::ReasonString => {
            walker.string(name, start)?;
        }
        PropertyId::CorrelationData | PropertyId::AuthenticationData => {
            walker.binary(name, start)?;
        }
        PropertyId::UserProperty => walker.pair(name, start)?,
    }
    Some(())
}
