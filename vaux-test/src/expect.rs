//! Whether what arrived is what a flow wants.

use vaux_mqtt::frame::Frame;
use vaux_mqtt::packet::PacketType;
use vaux_mqtt::{Packet, Sender, Version};

use crate::compose::Scope;
use crate::flow::{HexPart, PacketText, Pattern, Value};
use crate::observe;

/// A packet that a broker sent, understood.
#[derive(Debug)]
pub(crate) struct Observed {
    pub(crate) packet_type: PacketType,
    pub(crate) fields: Vec<(String, Value)>,
}

impl Observed {
    /// Reads a whole packet.
    pub(crate) fn read(bytes: &[u8], version: Version) -> Result<Observed, String> {
        let frame = Frame::split(bytes)
            .map_err(|error| error.to_string())?
            .ok_or_else(|| "the packet is not whole".to_owned())?;
        let packet = Packet::decode(&frame, version, Sender::Server).map_err(|error| error.to_string())?;
        let fields = observe::fields(&packet, version);
        Ok(Observed { packet_type: packet.packet_type(), fields })
    }

    /// The packet on one line.
    pub(crate) fn line(&self) -> String {
        observe::line(self.packet_type, &self.fields)
    }
}

/// Compares a packet with what is wanted, and remembers the variables that are new.
///
/// # Errors
///
/// The first difference, in words. Then no variable was set.
pub(crate) fn packet(wanted: &PacketText, observed: &Observed, scope: &mut Scope) -> Result<(), String> {
    if wanted.packet_type != observed.packet_type {
        return Err(format!("it is no {}", wanted.packet_type.name()));
    }
    let mut captured = Vec::new();
    for (name, pattern) in merged(&wanted.fields) {
        let value = observed.fields.iter().find(|(field, _)| *field == name).map(|(_, value)| value);
        if let Some(capture) = field(&name, &pattern, value, scope)? {
            captured.push(capture);
        }
    }
    scope.variables.extend(captured);
    Ok(())
}

/// User properties stand in several fields of a flow and are one value of a packet.
fn merged(fields: &[(String, Pattern)]) -> Vec<(String, Pattern)> {
    let mut merged: Vec<(String, Pattern)> = Vec::new();
    for (name, pattern) in fields {
        if let Pattern::Is(Value::Texts(more)) = pattern {
            let earlier = merged.iter_mut().find_map(|(earlier, pattern)| match pattern {
                Pattern::Is(Value::Texts(texts)) if earlier == name => Some(texts),
                _ => None,
            });
            if let Some(texts) = earlier {
                texts.extend(more.iter().cloned());
                continue;
            }
        }
        merged.push((name.clone(), pattern.clone()));
    }
    merged
}

fn field(
    name: &str,
    pattern: &Pattern,
    value: Option<&Value>,
    scope: &Scope,
) -> Result<Option<(String, Value)>, String> {
    let Some(value) = value else {
        let may_be_missing = matches!(pattern, Pattern::Absent | Pattern::IfThere(_));
        return if may_be_missing { Ok(None) } else { Err(format!("it has no {name}")) };
    };
    let differs = |wanted: &str| Err(format!("{name} is {}, not {wanted}", observe::shown(name, value)));
    let number = match value {
        Value::Number(number) => *number,
        _ => u64::MAX,
    };
    match pattern {
        Pattern::Absent => differs("absent"),
        Pattern::IfThere(pattern) => self::field(name, pattern, Some(value), scope),
        Pattern::Is(wanted) => {
            let wanted = scope.expand(wanted);
            if wanted == *value { Ok(None) } else { differs(&observe::shown(name, &wanted)) }
        }
        Pattern::OneOf(numbers) if numbers.contains(&number) => Ok(None),
        Pattern::OneOf(_) => differs("one of those wanted"),
        Pattern::Range(low, high) if (low..=high).contains(&&number) => Ok(None),
        Pattern::Range(low, high) => differs(&format!("{low} to {high}")),
        Pattern::Variable(variable) => match scope.variables.get(variable) {
            Some(wanted) if wanted == value => Ok(None),
            Some(wanted) => differs(&format!("${variable}, which is {}", observe::shown(name, wanted))),
            None => Ok(Some((variable.clone(), value.clone()))),
        },
    }
}

/// Compares bytes with what is wanted.
///
/// # Errors
///
/// The first difference, in words.
pub(crate) fn hex(wanted: &[HexPart], bytes: &[u8], scope: &Scope) -> Result<(), String> {
    let mut at = 0;
    for part in wanted {
        match part {
            HexPart::AnyByte if at < bytes.len() => at += 1,
            HexPart::AnyByte => return Err(format!("it ends at byte {at}")),
            HexPart::Bytes(part) => {
                for wanted in scope.expand_bytes(part) {
                    match bytes.get(at) {
                        Some(&byte) if byte == wanted => at += 1,
                        Some(byte) => return Err(format!("byte {at} is {byte:02x}, not {wanted:02x}")),
                        None => return Err(format!("it ends at byte {at}")),
                    }
                }
            }
        }
    }
    if at < bytes.len() { Err(format!("it goes on after byte {at}")) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::{Action, Flow, Wanted};

    fn compare(step: &str, bytes: &[u8], scope: &mut Scope) -> Result<(), String> {
        let flow = Flow::parse("test", &format!("name: test\nversions: 5\nc< {step}")).expect("it is right");
        let Action::Expect(expectation) = &flow.steps[0].action else { panic!("it is an expectation") };
        match &expectation.wanted[0] {
            Wanted::Packet(wanted) => {
                packet(wanted, &Observed::read(bytes, Version::V5).expect("it is valid"), scope)
            }
            Wanted::Hex(wanted) => hex(wanted, bytes, scope),
            Wanted::Close => panic!("it is a packet"),
        }
    }

    fn scope() -> Scope {
        Scope::new("abcd1234".to_owned())
    }

    /// QoS 1, id 10, user properties a:b and c:d, payload "x".
    const PUBLISH: &[u8] = b"\x32\x16\x00\x01t\x00\x0a\x0e\x26\x00\x01a\x00\x01b\x26\x00\x01c\x00\x01dxy";

    #[test]
    fn fields_that_are_not_named_may_be_anything() {
        assert_eq!(compare(r#"PUBLISH qos=1 payload="xy""#, PUBLISH, &mut scope()), Ok(()));
        assert_eq!(compare("PUBLISH", PUBLISH, &mut scope()), Ok(()));
        assert_eq!(compare("PUBLISH topic_alias=1? id=1..10?", PUBLISH, &mut scope()), Ok(()));
    }

    #[test]
    fn a_difference_is_named() {
        let wrong = |step| compare(step, PUBLISH, &mut scope()).expect_err("it differs");
        assert_eq!(wrong("PUBLISH qos=2"), "qos is 1, not 2");
        assert_eq!(wrong("PUBLISH qos=0|2"), "qos is 1, not one of those wanted");
        assert_eq!(wrong("PUBLISH id=1..9"), "id is 10, not 1 to 9");
        assert_eq!(wrong("PUBLISH topic_alias=1"), "it has no topic_alias");
        assert_eq!(wrong("PUBLISH id=9?"), "id is 10, not 9");
        assert_eq!(wrong("PUBLISH id=none"), "id is 10, not absent");
        assert_eq!(wrong("PUBACK"), "it is no PUBACK");
        assert_eq!(wrong("PUBLISH topic=\"{id}\""), "topic is \"t\", not \"abcd1234\"");
    }

    #[test]
    fn user_properties_are_compared_whole_and_in_order() {
        let compare = |step| compare(step, PUBLISH, &mut scope()).is_ok();
        assert!(compare(r#"PUBLISH user_property="a:b" user_property="c:d""#));
        assert!(!compare(r#"PUBLISH user_property="c:d" user_property="a:b""#));
        assert!(!compare(r#"PUBLISH user_property="a:b""#));
    }

    #[test]
    fn a_variable_is_set_once_and_compared_afterwards() {
        let mut scope = scope();
        assert_eq!(compare("PUBLISH id=$m", PUBLISH, &mut scope), Ok(()));
        assert_eq!(compare("PUBACK id=$m", &[0x40, 2, 0, 10], &mut scope), Ok(()));
        assert_eq!(
            compare("PUBACK id=$m", &[0x40, 2, 0, 11], &mut scope),
            Err("id is 11, not $m, which is 10".to_owned())
        );
    }

    #[test]
    fn a_failed_comparison_sets_no_variable() {
        let mut scope = scope();
        compare("PUBLISH id=$m qos=2", PUBLISH, &mut scope).expect_err("the qos differs");
        assert!(scope.variables.is_empty());
    }

    #[test]
    fn bytes_are_compared_whole() {
        let puback = [0x40, 2, 0, 10];
        assert_eq!(compare("hex 40 02 00 ..", &puback, &mut scope()), Ok(()));
        assert_eq!(compare("hex 40 03 00 ..", &puback, &mut scope()), Err("byte 1 is 02, not 03".to_owned()));
        assert_eq!(compare("hex 40 02 00", &puback, &mut scope()), Err("it goes on after byte 3".to_owned()));
        assert_eq!(
            compare("hex 40020000 ..", &[0x40, 2, 0, 0], &mut scope()),
            Err("it ends at byte 4".to_owned())
        );
    }
}
