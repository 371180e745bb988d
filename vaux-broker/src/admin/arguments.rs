//! From path, query and body to a request of the control protocol.
//!
//! Only the form is looked at here: which values a command takes is decided by who carries it out.

use percent_encoding::percent_decode_str;
use serde_json::{Map, Value};

use super::routes::{Kind, Parameter};

/// The request for `command` with the parameters of path and query as its members. `segment` is what the path has in
/// the place of the first parameter.
///
/// # Errors
///
/// What is wrong, in a sentence.
pub(super) fn from_parameters(
    command: &str,
    parameters: &[Parameter],
    segment: Option<&str>,
    query: Option<&str>,
) -> Result<Value, String> {
    let mut members = Map::new();
    let mut in_query = parameters;
    if let (Some(segment), Some((first, others))) = (segment, parameters.split_first()) {
        let decoded = percent_decode_str(segment).decode_utf8();
        let decoded = decoded.map_err(|_| format!("{} is not UTF-8", first.name))?;
        members.insert(first.name.to_owned(), decoded.into());
        in_query = others;
    }
    for (name, text) in form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
        let Some(parameter) = in_query.iter().find(|parameter| parameter.name == name) else {
            return Err(format!("{command} knows no parameter {name:?}"));
        };
        let value = match parameter.kind {
            Kind::Text => text.into(),
            Kind::Number => {
                let number = text.parse::<u64>();
                number.map_err(|_| format!("{name} must be a whole number, not {text:?}"))?.into()
            }
        };
        if members.insert(name.to_string(), value).is_some() {
            return Err(format!("{name} is given twice"));
        }
    }
    if let Some(missing) = parameters.iter().find(|one| one.is_required && !members.contains_key(one.name)) {
        return Err(format!("{command} needs the parameter {}", missing.name));
    }
    Ok(request(command, members))
}

/// The request for `command` with the members of the object in the body.
///
/// # Errors
///
/// What is wrong, in a sentence.
pub(super) fn from_body(command: &str, body: &[u8]) -> Result<Value, String> {
    match serde_json::from_slice(body) {
        Ok(Value::Object(members)) if members.contains_key("command") => {
            Err("the path says what the command is; the body has no member \"command\"".to_owned())
        }
        Ok(Value::Object(members)) => Ok(request(command, members)),
        Ok(_) => Err("the body must be a JSON object".to_owned()),
        Err(error) => Err(format!("the body is not JSON: {error}")),
    }
}

fn request(command: &str, mut members: Map<String, Value>) -> Value {
    members.insert("command".to_owned(), command.into());
    Value::Object(members)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const PARAMETERS: &[Parameter] = &[
        Parameter { name: "client_id", kind: Kind::Text, is_required: true },
        Parameter { name: "last", kind: Kind::Number, is_required: false },
    ];

    #[test]
    fn parameters_become_members() {
        let request = from_parameters("why", PARAMETERS, Some("a%2F%C3%B6+"), Some("last=7"));
        assert_eq!(request, Ok(json!({"command": "why", "client_id": "a/ö+", "last": 7})));
        let request = from_parameters("why", PARAMETERS, None, Some("client_id=a%20b+c%2B&"));
        assert_eq!(request, Ok(json!({"command": "why", "client_id": "a b c+"})));
    }

    #[test]
    fn parameters_that_make_no_request_are_told() {
        let wrong = |segment: Option<&str>, query: &str| {
            from_parameters("why", PARAMETERS, segment, Some(query)).unwrap_err()
        };
        assert_eq!(wrong(None, "last=7"), "why needs the parameter client_id");
        assert_eq!(wrong(Some("a"), "client_id=b"), "why knows no parameter \"client_id\"");
        assert_eq!(wrong(Some("a"), "last=7&last=7"), "last is given twice");
        assert_eq!(wrong(Some("a"), "limit=1"), "why knows no parameter \"limit\"");
        assert_eq!(wrong(Some("%ff"), ""), "client_id is not UTF-8");
        for number in ["", "-1", "1.5", "x", "99999999999999999999"] {
            let error = wrong(Some("a"), &format!("last={number}"));
            assert_eq!(error, format!("last must be a whole number, not {number:?}"));
        }
    }

    #[test]
    fn a_body_is_an_object_without_a_command() {
        assert_eq!(
            from_body("kick", br#"{"client_id":"a"}"#),
            Ok(json!({"command": "kick", "client_id": "a"}))
        );
        for (body, problem) in [
            (&br#"{"command":"publish"}"#[..], "the path says what"),
            (b"[]", "must be a JSON object"),
            (b"", "is not JSON"),
            (b"{\"a\":\"\xff\"}", "is not JSON"),
            (&b"[".repeat(1000), "is not JSON"),
        ] {
            let error = from_body("kick", body).unwrap_err();
            assert!(error.contains(problem), "{error}");
        }
    }
}
