//! What the service is told of a client.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;

use crate::core::ConnectRequest;

/// The body of a request. What the client did not say is null.
#[derive(Serialize)]
struct Question<'a> {
    client_id: &'a str,
    username: Option<&'a str>,
    password: Option<&'a str>,
    /// A password that is no UTF-8 text.
    #[serde(skip_serializing_if = "Option::is_none")]
    password_base64: Option<String>,
    /// `address:port`, or `unix`.
    peer: String,
    listener: &'a str,
    certificate_common_name: Option<&'a str>,
}

/// The body of the request about a client.
pub(super) fn of(request: &ConnectRequest) -> Vec<u8> {
    let password = request.password.as_deref();
    let text = password.map(std::str::from_utf8);
    let question = Question {
        client_id: &request.client_id,
        username: request.user_name.as_deref(),
        password: text.and_then(Result::ok),
        password_base64: match text {
            Some(Err(_)) => password.map(|bytes| STANDARD.encode(bytes)),
            _ => None,
        },
        peer: request.peer.to_string(),
        listener: &request.listener.name,
        certificate_common_name: request.certificate_common_name.as_deref(),
    };
    serde_json::to_vec(&question).expect("texts have a form in JSON")
}
