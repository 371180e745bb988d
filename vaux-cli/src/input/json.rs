//! JSON lines that this program wrote, read again: bytes and properties in the dress that `output::json` gives them.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value as Json};
use vaux_client::{Property, PropertyBuffer};
use vaux_mqtt::property::PropertyId;

use crate::output::json::property_name;

/// The bytes under `name`, or in base64 under `{name}_base64`.
pub(crate) fn bytes(object: &Map<String, Json>, name: &str) -> Result<Option<Vec<u8>>, String> {
    let encoded_name = format!("{name}_base64");
    match (object.get(name), object.get(&encoded_name)) {
        (Some(_), Some(_)) => Err(format!("it has both {name} and {encoded_name}")),
        (None | Some(Json::Null), None) => Ok(None),
        (Some(Json::String(text)), None) => Ok(Some(text.clone().into_bytes())),
        (None, Some(Json::String(text))) => {
            let decoded = STANDARD.decode(text);
            decoded.map(Some).map_err(|error| format!("{encoded_name} is no base64: {error}"))
        }
        (Some(_), None) => Err(format!("{name} is no string")),
        (None, Some(_)) => Err(format!("{encoded_name} is no string")),
    }
}

/// Properties such as `[["content-type", "text/plain"], ["user-property", "unit", "°C"]]`.
pub(crate) fn properties(list: &Json) -> Result<PropertyBuffer, String> {
    let mut properties = PropertyBuffer::new();
    for property in list.as_array().ok_or("the properties are no array")? {
        match property.as_array().map(Vec::as_slice) {
            Some([Json::String(name), value]) => push_property(&mut properties, name, value)?,
            Some([Json::String(id), Json::String(name), Json::String(value)])
                if *id == property_name(PropertyId::UserProperty) =>
            {
                push(&mut properties, Property::UserProperty(name, value))?;
            }
            _ => return Err(format!("{property} is no property")),
        }
    }
    Ok(properties)
}

/// Adds a property by its name.
pub(crate) fn push_property(properties: &mut PropertyBuffer, name: &str, value: &Json) -> Result<(), String> {
    let id = PropertyId::ALL.iter().find(|id| property_name(**id) == name);
    let id = *id.ok_or_else(|| format!("there is no property {name}"))?;
    let data;
    let wrong = || format!("{value} is no value of the property {name}");
    let text = || value.as_str().ok_or_else(wrong);
    let byte = || number(value).ok_or_else(wrong);
    let two_bytes = || number(value).ok_or_else(wrong);
    let four_bytes = || number(value).ok_or_else(wrong);
    let property = match id {
        PropertyId::PayloadFormatIndicator => Property::PayloadFormatIndicator(byte()?),
        PropertyId::MessageExpiryInterval => Property::MessageExpiryInterval(four_bytes()?),
        PropertyId::ContentType => Property::ContentType(text()?),
        PropertyId::ResponseTopic => Property::ResponseTopic(text()?),
        PropertyId::CorrelationData => {
            data = binary(value).ok_or_else(wrong)?;
            Property::CorrelationData(&data)
        }
        PropertyId::SubscriptionIdentifier => Property::SubscriptionIdentifier(four_bytes()?),
        PropertyId::SessionExpiryInterval => Property::SessionExpiryInterval(four_bytes()?),
        PropertyId::AssignedClientIdentifier => Property::AssignedClientIdentifier(text()?),
        PropertyId::ServerKeepAlive => Property::ServerKeepAlive(two_bytes()?),
        PropertyId::AuthenticationMethod => Property::AuthenticationMethod(text()?),
        PropertyId::AuthenticationData => {
            data = binary(value).ok_or_else(wrong)?;
            Property::AuthenticationData(&data)
        }
        PropertyId::RequestProblemInformation => Property::RequestProblemInformation(byte()?),
        PropertyId::WillDelayInterval => Property::WillDelayInterval(four_bytes()?),
        PropertyId::RequestResponseInformation => Property::RequestResponseInformation(byte()?),
        PropertyId::ResponseInformation => Property::ResponseInformation(text()?),
        PropertyId::ServerReference => Property::ServerReference(text()?),
        PropertyId::ReasonString => Property::ReasonString(text()?),
        PropertyId::ReceiveMaximum => Property::ReceiveMaximum(two_bytes()?),
        PropertyId::TopicAliasMaximum => Property::TopicAliasMaximum(two_bytes()?),
        PropertyId::TopicAlias => Property::TopicAlias(two_bytes()?),
        PropertyId::MaximumQos => Property::MaximumQos(byte()?),
        PropertyId::RetainAvailable => Property::RetainAvailable(byte()?),
        PropertyId::MaximumPacketSize => Property::MaximumPacketSize(four_bytes()?),
        PropertyId::WildcardSubscriptionAvailable => Property::WildcardSubscriptionAvailable(byte()?),
        PropertyId::SubscriptionIdentifierAvailable => Property::SubscriptionIdentifierAvailable(byte()?),
        PropertyId::SharedSubscriptionAvailable => Property::SharedSubscriptionAvailable(byte()?),
        // A user property has a name and a value.
        _ => return Err(wrong()),
    };
    push(properties, property)
}

fn push(properties: &mut PropertyBuffer, property: Property<'_>) -> Result<(), String> {
    properties.push(property).map_err(|error| error.rule().text().to_owned())
}

fn number<T: TryFrom<u64>>(value: &Json) -> Option<T> {
    T::try_from(value.as_u64()?).ok()
}

/// A string, or `{"base64": …}`.
fn binary(value: &Json) -> Option<Vec<u8>> {
    match value {
        Json::String(text) => Some(text.clone().into_bytes()),
        Json::Object(object) => STANDARD.decode(object.get("base64")?.as_str()?).ok(),
        _ => None,
    }
}
