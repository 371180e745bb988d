//! One request: whether it may be made, what it asks, and the answer.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use hyper::body::Body;
use hyper::header::AUTHORIZATION;
use hyper::{Request, StatusCode};
use serde_json::Value;
use tokio::time::timeout;

use super::hosts::Stranger;
use super::reply::{self, JSON, Reply, TEXT, TOML};
use super::routes::{self, Action, Found};
use super::{Answer, Desk, Terms, arguments, metrics};
use crate::core::Totals;
use crate::store::StoreState;

/// The description of the API.
pub(super) const OPENAPI: &str = include_str!("../../../docs/openapi.json");

/// A broker that takes longer to answer is in trouble.
const PATIENCE: Duration = Duration::from_secs(10);

/// Answers a request.
pub(super) async fn respond<B>(desk: Arc<Desk>, request: Request<B>) -> Reply
where
    B: Body,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let terms = desk.terms();
    if let Err(refusal) = admit(&terms, &request) {
        return *refusal;
    }
    let (route, segment) = match routes::find(request.method(), request.uri().path()) {
        Found::Route(route, segment) => (route, segment.map(str::to_owned)),
        Found::OtherMethods(methods) => return reply::other_methods(&methods),
        Found::Nothing => return reply::not_found(),
    };
    match route.action {
        Action::Health => reply::reply(StatusCode::OK, TEXT, "ok\n"),
        Action::Readiness => readiness(&desk).await,
        Action::Metrics => match totals(&desk).await {
            Some(totals) => reply::reply(StatusCode::OK, metrics::CONTENT_TYPE, metrics::render(&totals)),
            None => reply::unavailable(NO_ANSWER),
        },
        Action::OpenApi => reply::reply(StatusCode::OK, JSON, OPENAPI),
        Action::Config => reply::reply(StatusCode::OK, TOML, (desk.console.config)()),
        Action::Command(command) => {
            let query = request.uri().query();
            let request = arguments::from_parameters(command, route.parameters, segment.as_deref(), query);
            control(&desk, request).await
        }
        Action::CommandInBody(_) if request.uri().query().is_some() => {
            reply::malformed("what is asked for stands in the body, not in the query")
        }
        Action::CommandInBody(command) => match read(request.into_body(), terms.max_body_bytes).await {
            Ok(body) => control(&desk, arguments::from_body(command, &body)).await,
            Err(refusal) => *refusal,
        },
    }
}

/// Whether the request may be made at all. What there is of the API is told to nobody else.
fn admit<B>(terms: &Terms, request: &Request<B>) -> Result<(), Box<Reply>> {
    let forbidden = |text| Box::new(reply::refused(StatusCode::FORBIDDEN, "not-authorized", text));
    terms.hosts.check(request).map_err(|stranger| match stranger {
        Stranger::Unclear => Box::new(reply::malformed("the request has to name one host")),
        Stranger::Host => {
            forbidden("this is another host; [http] allowed_hosts lists further names of this one")
        }
        Stranger::Origin => forbidden("pages of other hosts may not ask"),
    })?;
    let path = request.uri().path();
    if path != "/api" && !path.starts_with("/api/") {
        return Ok(());
    }
    match &terms.token {
        None => Err(Box::new(reply::not_found())),
        Some(token) if presented(request).is_some_and(|presented| token.is(presented)) => Ok(()),
        Some(_) => Err(Box::new(reply::no_token())),
    }
}

/// The token of `Authorization: Bearer …`.
fn presented<B>(request: &Request<B>) -> Option<&[u8]> {
    let value = request.headers().get(AUTHORIZATION)?.as_bytes();
    let (scheme, token) = value.split_at_checked(b"Bearer ".len())?;
    scheme.eq_ignore_ascii_case(b"Bearer ").then(|| token.trim_ascii())
}

async fn readiness(desk: &Desk) -> Reply {
    let not_ready = |reason: &str| reply::reply(StatusCode::SERVICE_UNAVAILABLE, TEXT, format!("{reason}\n"));
    if desk.is_ending.load(Ordering::Relaxed) {
        return not_ready("the broker is shutting down");
    }
    match totals(desk).await {
        None => not_ready(NO_ANSWER),
        Some(totals) if totals.measures.store_state == StoreState::Failed => {
            not_ready("the store failed: nothing is kept until the broker is started again")
        }
        Some(_) => reply::reply(StatusCode::OK, TEXT, "ready\n"),
    }
}

async fn totals(desk: &Desk) -> Option<Totals> {
    in_time((desk.console.totals)()).await.flatten()
}

async fn control(desk: &Desk, request: Result<Value, String>) -> Reply {
    match request {
        Ok(request) => match in_time((desk.console.control)(&request)).await {
            Some(answer) if !answer.is_null() => reply::answered(&answer),
            _ => reply::unavailable(NO_ANSWER),
        },
        Err(problem) => reply::malformed(&problem),
    }
}

async fn in_time<T>(answer: Answer<T>) -> Option<T> {
    timeout(PATIENCE, answer).await.ok()
}

/// Reads a body that is not larger than it may be.
async fn read<B>(body: B, max_bytes: usize) -> Result<hyper::body::Bytes, Box<Reply>>
where
    B: Body,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    match Limited::new(body, max_bytes).collect().await {
        Ok(body) => Ok(body.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => {
            let text = "the body is larger than limits.max_packet_size";
            Err(Box::new(reply::refused(StatusCode::PAYLOAD_TOO_LARGE, "too-large", text)))
        }
        Err(_) => Err(Box::new(reply::malformed("the body cannot be read"))),
    }
}

const NO_ANSWER: &str = "the workers of the broker do not answer";
