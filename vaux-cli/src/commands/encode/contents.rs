//! Bytes from what a packet says: its type, its topic, its properties and so on, under the names that `decode` gives.

use serde_json::{Map, Value as Json};
use vaux_mqtt::packet::{
    Ack, Auth, ConnAck, Connect, Disconnect, Filters, Packet, PacketId, PacketType, Publish, RetainHandling,
    SubAck, Subscribe, Subscription, SubscriptionOptions, Subscriptions, UnsubAck, Unsubscribe, Will,
};
use vaux_mqtt::property::PropertyBuffer;
use vaux_mqtt::{QoS, ReasonCode, Version};

use crate::input::json;
use crate::input::payload::MAX_PAYLOAD_BYTES;

type Object = Map<String, Json>;

/// The packet in `version`, as short as it can be written.
pub(super) fn encode(object: &Json, version: Version) -> Result<Vec<u8>, String> {
    let object = object.as_object().ok_or("it is no object")?;
    let name = object.get("type").and_then(Json::as_str).ok_or("the type is missing, such as \"PUBLISH\"")?;
    let properties = properties(object, version)?;
    let properties = properties.list();
    match name {
        "CONNECT" => connect(object, version, &|connect| finish(&Packet::Connect(connect), version)),
        "CONNACK" => finish(
            &Packet::ConnAck(ConnAck {
                session_present: flag(object, "session_present")?,
                reason: reason(object)?,
                properties,
            }),
            version,
        ),
        "PUBLISH" => publish(object, version),
        "PUBACK" | "PUBREC" | "PUBREL" | "PUBCOMP" => {
            let ack = Ack { packet_id: packet_id(object)?, reason: reason(object)?, properties };
            let packet = match name {
                "PUBACK" => Packet::PubAck(ack),
                "PUBREC" => Packet::PubRec(ack),
                "PUBREL" => Packet::PubRel(ack),
                _ => Packet::PubComp(ack),
            };
            finish(&packet, version)
        }
        "SUBSCRIBE" => subscribe(object, version),
        "SUBACK" => {
            let codes = reason_codes(object)?;
            let packet_id = packet_id(object)?;
            let suback = SubAck { packet_id, properties, reason_codes: &codes };
            finish(&Packet::SubAck(suback), version)
        }
        "UNSUBSCRIBE" => {
            let filters = list(object, "filters")?.iter().map(|filter| text("filters", filter));
            let filters = filters.collect::<Result<Vec<_>, _>>()?;
            let filters = Filters::from_slice(&filters);
            let packet_id = packet_id(object)?;
            finish(&Packet::Unsubscribe(Unsubscribe { packet_id, properties, filters }), version)
        }
        "UNSUBACK" => {
            let codes = if version.has_properties() { reason_codes(object)? } else { Vec::new() };
            let packet_id = packet_id(object)?;
            let unsuback = UnsubAck { packet_id, properties, reason_codes: &codes };
            finish(&Packet::UnsubAck(unsuback), version)
        }
        "PINGREQ" => finish(&Packet::PingReq, version),
        "PINGRESP" => finish(&Packet::PingResp, version),
        "DISCONNECT" => {
            let reason = reason(object)?;
            finish(&Packet::Disconnect(Disconnect { reason, properties }), version)
        }
        "AUTH" => finish(&Packet::Auth(Auth { reason: reason(object)?, properties }), version),
        _ => Err(format!("there is no packet of type {name:?}")),
    }
}

fn finish(packet: &Packet<'_>, version: Version) -> Result<Vec<u8>, String> {
    if packet.packet_type() == PacketType::Auth && !version.has_properties() {
        return Err("AUTH needs version 5".to_owned());
    }
    let mut bytes = Vec::with_capacity(packet.encoded_len(version));
    packet.encode(version, &mut bytes);
    Ok(bytes)
}

fn connect(
    object: &Object,
    version: Version,
    finish: &dyn Fn(Connect<'_>) -> Result<Vec<u8>, String>,
) -> Result<Vec<u8>, String> {
    let properties = properties(object, version)?;
    let password = bytes(object, "password")?;
    if password.is_none() && object.contains_key("password") {
        return Err("the password is hidden: vaux decode --secrets shows it".to_owned());
    }
    let will = object.get("will").map(|will| will.as_object().ok_or("the will is no object")).transpose()?;
    let will_properties = will.map_or(Ok(PropertyBuffer::new()), |will| self::properties(will, version))?;
    let will_payload = will.map_or(Ok(None), |will| bytes(will, "payload"))?.unwrap_or_default();
    let will = will.map(|will| {
        Ok::<_, String>(Will {
            qos: qos(will)?,
            retain: flag(will, "retain")?,
            properties: will_properties.list(),
            topic: text("topic", will.get("topic").ok_or("the topic of the will is missing")?)?,
            payload: &will_payload,
        })
    });
    finish(Connect {
        clean_start: flag(object, "clean_start")?,
        keep_alive: number(object, "keep_alive")?.unwrap_or_default(),
        properties: properties.list(),
        will: will.transpose()?,
        user_name: object.get("user_name").map(|name| text("user_name", name)).transpose()?,
        password: password.as_deref(),
        ..Connect::new(version, object.get("client_id").map_or(Ok(""), |id| text("client_id", id))?)
    })
}

fn publish(object: &Object, version: Version) -> Result<Vec<u8>, String> {
    let properties = properties(object, version)?;
    let payload = json::bytes(object, "payload")?.unwrap_or_default();
    if payload.len() > MAX_PAYLOAD_BYTES {
        return Err("the payload is longer than a packet can be".to_owned());
    }
    let qos = qos(object)?;
    let publish = Publish {
        dup: flag(object, "dup")?,
        qos,
        retain: flag(object, "retain")?,
        packet_id: if qos == QoS::AtMostOnce { None } else { Some(packet_id(object)?) },
        properties: properties.list(),
        payload: &payload,
        ..Publish::new(text("topic", object.get("topic").ok_or("the topic is missing")?)?)
    };
    finish(&Packet::Publish(publish), version)
}

fn subscribe(object: &Object, version: Version) -> Result<Vec<u8>, String> {
    let properties = properties(object, version)?;
    let subscriptions = list(object, "subscriptions")?.iter().map(subscription);
    let subscriptions = subscriptions.collect::<Result<Vec<_>, _>>()?;
    let subscriptions = Subscriptions::from_slice(&subscriptions);
    let packet_id = packet_id(object)?;
    finish(&Packet::Subscribe(Subscribe { packet_id, properties: properties.list(), subscriptions }), version)
}

fn subscription(value: &Json) -> Result<Subscription<'_>, String> {
    let object = value.as_object().ok_or("a subscription is no object")?;
    let filter = text("filter", object.get("filter").ok_or("a subscription has no filter")?)?;
    let mut options = SubscriptionOptions::with_qos(qos(object)?);
    options.no_local = flag(object, "no_local")?;
    options.retain_as_published = flag(object, "retain_as_published")?;
    options.retain_handling = match number::<u8>(object, "retain_handling")? {
        None | Some(0) => RetainHandling::Send,
        Some(1) => RetainHandling::SendIfNew,
        Some(2) => RetainHandling::DoNotSend,
        Some(_) => return Err("retain_handling is none of 0, 1 and 2".to_owned()),
    };
    Ok(Subscription { filter, options })
}

fn properties(object: &Object, version: Version) -> Result<PropertyBuffer, String> {
    match object.get("properties") {
        None => Ok(PropertyBuffer::new()),
        Some(list) if version.has_properties() => json::properties(list),
        Some(_) => Err("properties need version 5".to_owned()),
    }
}

fn packet_id(object: &Object) -> Result<PacketId, String> {
    let value = number(object, "packet_id")?.ok_or("packet_id is missing")?;
    PacketId::new(value).ok_or_else(|| "packet_id must not be 0".to_owned())
}

fn reason(object: &Object) -> Result<ReasonCode, String> {
    let code = number(object, "reason_code")?.unwrap_or_default();
    ReasonCode::from_u8(code).ok_or_else(|| format!("there is no reason code {code}"))
}

fn reason_codes(object: &Object) -> Result<Vec<u8>, String> {
    let code = |value: &Json| value.as_u64().and_then(|code| u8::try_from(code).ok());
    let codes = list(object, "reason_codes")?.iter().map(code).collect::<Option<Vec<_>>>();
    codes.ok_or_else(|| "a reason code is no number from 0 to 255".to_owned())
}

fn qos(object: &Object) -> Result<QoS, String> {
    let bits = number::<u8>(object, "qos")?.unwrap_or_default();
    let qos = Some(bits).filter(|&bits| bits <= 2).and_then(QoS::from_bits);
    qos.ok_or_else(|| "qos is none of 0, 1 and 2".to_owned())
}

fn flag(object: &Object, name: &str) -> Result<bool, String> {
    let flag = object.get(name).map_or(Some(false), Json::as_bool);
    flag.ok_or_else(|| format!("{name} is neither true nor false"))
}

fn number<T: TryFrom<u64>>(object: &Object, name: &str) -> Result<Option<T>, String> {
    let number = |value: &Json| value.as_u64().and_then(|number| T::try_from(number).ok());
    let number =
        object.get(name).map(|value| number(value).ok_or_else(|| format!("{name} cannot be {value}")));
    number.transpose()
}

fn list<'a>(object: &'a Object, name: &str) -> Result<&'a [Json], String> {
    let list = object.get(name).and_then(Json::as_array);
    list.map(Vec::as_slice).ok_or_else(|| format!("{name} is no array"))
}

/// Text that a length of two bytes can stand in front of.
fn text<'a>(name: &str, value: &'a Json) -> Result<&'a str, String> {
    let text = value.as_str().ok_or_else(|| format!("{name} is no string"))?;
    if text.len() > usize::from(u16::MAX) {
        return Err(format!("{name} is longer than 65535 bytes"));
    }
    Ok(text)
}

/// Bytes that a length of two bytes can stand in front of.
fn bytes(object: &Object, name: &str) -> Result<Option<Vec<u8>>, String> {
    let bytes = json::bytes(object, name)?;
    if bytes.as_ref().is_some_and(|bytes| bytes.len() > usize::from(u16::MAX)) {
        return Err(format!("{name} is longer than 65535 bytes"));
    }
    Ok(bytes)
}
