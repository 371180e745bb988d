//! What goes back: a status, a type, and a body.

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::{
    ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue, WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS,
};
use hyper::{Method, Response, StatusCode};
use serde_json::{Value, json};

pub(super) type Reply = Response<Full<Bytes>>;

pub(super) const JSON: &str = "application/json";
pub(super) const TEXT: &str = "text/plain; charset=utf-8";
pub(super) const TOML: &str = "application/toml";

/// A body of this type. It is true now, and nobody shall keep it.
pub(super) fn reply(status: StatusCode, content_type: &'static str, body: impl Into<Bytes>) -> Reply {
    let mut reply = Response::new(Full::new(body.into()));
    *reply.status_mut() = status;
    let headers = reply.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    reply
}

/// What the broker answered to a request of the control protocol.
pub(super) fn answered(answer: &Value) -> Reply {
    let status = match (answer["ok"].as_bool(), answer["error"].as_str()) {
        (Some(true), _) => StatusCode::OK,
        (_, Some("malformed")) => StatusCode::BAD_REQUEST,
        (_, Some("not-found")) => StatusCode::NOT_FOUND,
        (_, Some("not-authorized")) => StatusCode::FORBIDDEN,
        (_, Some("quota-exceeded")) => StatusCode::INSUFFICIENT_STORAGE,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    };
    reply(status, JSON, answer.to_string())
}

/// A refusal that did not come from the broker but looks like it.
pub(super) fn refused(status: StatusCode, error: &str, text: &str) -> Reply {
    reply(status, JSON, json!({"ok": false, "error": error, "text": text}).to_string())
}

pub(super) fn malformed(text: &str) -> Reply {
    refused(StatusCode::BAD_REQUEST, "malformed", text)
}

pub(super) fn not_found() -> Reply {
    refused(StatusCode::NOT_FOUND, "not-found", "there is nothing here")
}

pub(super) fn unavailable(text: &str) -> Reply {
    refused(StatusCode::SERVICE_UNAVAILABLE, "unavailable", text)
}

pub(super) fn no_token() -> Reply {
    let text = "present the token of [http] token_file: \"Authorization: Bearer …\"";
    with(refused(StatusCode::UNAUTHORIZED, "not-authorized", text), WWW_AUTHENTICATE, "Bearer")
}

pub(super) fn other_methods(methods: &[Method]) -> Reply {
    let mut names: Vec<&str> = methods.iter().map(Method::as_str).collect();
    if methods.contains(&Method::GET) {
        names.push("HEAD");
    }
    let text = "there is nothing to do here with this method";
    let reply = refused(StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed", text);
    with(reply, ALLOW, &names.join(", "))
}

fn with(mut reply: Reply, name: HeaderName, value: &str) -> Reply {
    reply.headers_mut().insert(name, HeaderValue::from_str(value).expect("these are words of ASCII"));
    reply
}
