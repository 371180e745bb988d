//! What every JSON line has in common: JSON without loss.
//!
//! Bytes that are UTF-8 stand in a string under their name; bytes that are not stand in base64 under their name with
//! `_base64` behind it. Properties are arrays in their order, so that none is lost and none changes places.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value as Json, json};
use vaux_mqtt::property::{Properties, Property, PropertyId};

/// The fields of a JSON object, in their order.
pub(crate) type Object = Map<String, Json>;

/// Sets `name` to the bytes, or `{name}_base64` when they are not UTF-8.
pub(crate) fn set_bytes(object: &mut Object, name: &str, bytes: &[u8]) {
    match str::from_utf8(bytes) {
        Ok(text) => object.insert(name.to_owned(), text.into()),
        Err(_) => object.insert(format!("{name}_base64"), STANDARD.encode(bytes).into()),
    };
}

/// Properties as `[["content-type", "text/plain"], ["user-property", "unit", "°C"]]`. Binary data that is not UTF-8 is
/// `{"base64": …}`; authentication data is `null` unless `secrets`.
pub(crate) fn properties(properties: &Properties<'_>, secrets: bool) -> Json {
    properties.iter().map(|property| pair(&property, secrets)).collect()
}

/// The name of a property as people write it, such as `session-expiry-interval`.
pub(crate) fn property_name(id: PropertyId) -> String {
    id.name().replace(' ', "-")
}

fn pair(property: &Property<'_>, secrets: bool) -> Json {
    let name = property_name(property.id());
    match *property {
        Property::UserProperty(key, value) => json!([name, key, value]),
        Property::AuthenticationData(_) if !secrets => json!([name, null]),
        _ => json!([name, property_value(property)]),
    }
}

/// The value of a property; of a user property, name and value.
pub(crate) fn property_value(property: &Property<'_>) -> Json {
    match *property {
        Property::PayloadFormatIndicator(value)
        | Property::RequestProblemInformation(value)
        | Property::RequestResponseInformation(value)
        | Property::MaximumQos(value)
        | Property::RetainAvailable(value)
        | Property::WildcardSubscriptionAvailable(value)
        | Property::SubscriptionIdentifierAvailable(value)
        | Property::SharedSubscriptionAvailable(value) => value.into(),
        Property::ServerKeepAlive(value)
        | Property::ReceiveMaximum(value)
        | Property::TopicAliasMaximum(value)
        | Property::TopicAlias(value) => value.into(),
        Property::MessageExpiryInterval(value)
        | Property::SessionExpiryInterval(value)
        | Property::WillDelayInterval(value)
        | Property::MaximumPacketSize(value)
        | Property::SubscriptionIdentifier(value) => value.into(),
        Property::ContentType(value)
        | Property::ResponseTopic(value)
        | Property::AssignedClientIdentifier(value)
        | Property::AuthenticationMethod(value)
        | Property::ResponseInformation(value)
        | Property::ServerReference(value)
        | Property::ReasonString(value) => value.into(),
        Property::CorrelationData(value) | Property::AuthenticationData(value) => bytes(value),
        Property::UserProperty(key, value) => json!([key, value]),
        // A property that this program does not know yet is at least named.
        _ => Json::Null,
    }
}

/// Bytes that have no name of their own.
fn bytes(value: &[u8]) -> Json {
    str::from_utf8(value).map_or_else(|_| json!({ "base64": STANDARD.encode(value) }), Json::from)
}
