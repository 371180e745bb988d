//! What can be asked: one table, which requests are matched against and `docs/openapi.json` is checked against.

use hyper::Method;

/// One method of one path.
#[derive(Debug)]
pub(super) struct Route {
    pub(super) method: Method,
    /// `{name}` stands for any one segment.
    pub(super) path: &'static str,
    /// What the path and the query may hold.
    pub(super) parameters: &'static [Parameter],
    pub(super) action: Action,
}

/// What is done for a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    Health,
    Readiness,
    Metrics,
    OpenApi,
    Config,
    /// This command of the control protocol, whose members are the parameters.
    Command(&'static str),
    /// The same, with the members in the body.
    CommandInBody(&'static str),
}

/// A parameter of the path or the query.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Parameter {
    /// Also the name of the member of the request.
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    pub(super) is_required: bool,
}

/// What a parameter is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Number,
}

const fn text(name: &'static str) -> Parameter {
    Parameter { name, kind: Kind::Text, is_required: false }
}

const fn required(name: &'static str) -> Parameter {
    Parameter { name, kind: Kind::Text, is_required: true }
}

const fn number(name: &'static str) -> Parameter {
    Parameter { name, kind: Kind::Number, is_required: false }
}

const fn get(path: &'static str, parameters: &'static [Parameter], action: Action) -> Route {
    Route { method: Method::GET, path, parameters, action }
}

const fn post(path: &'static str, command: &'static str) -> Route {
    Route { method: Method::POST, path, parameters: &[], action: Action::CommandInBody(command) }
}

const fn delete(path: &'static str, parameters: &'static [Parameter], command: &'static str) -> Route {
    Route { method: Method::DELETE, path, parameters, action: Action::Command(command) }
}

const ONE_SESSION: &[Parameter] = &[required("client_id"), text("mount")];

/// All routes.
pub(super) static ROUTES: [Route; 15] = [
    get("/healthz", &[], Action::Health),
    get("/readyz", &[], Action::Readiness),
    get("/metrics", &[], Action::Metrics),
    get("/api/v1/openapi.json", &[], Action::OpenApi),
    get("/api/v1/config", &[], Action::Config),
    get("/api/v1/sessions", &[number("limit"), text("cursor")], Action::Command("sessions")),
    get("/api/v1/sessions/{client_id}", ONE_SESSION, Action::Command("session")),
    delete("/api/v1/sessions/{client_id}", ONE_SESSION, "delete_session"),
    get(
        "/api/v1/subscriptions",
        &[number("limit"), text("cursor"), text("client_id"), text("mount")],
        Action::Command("subscriptions"),
    ),
    get("/api/v1/retained", &[number("limit"), text("cursor"), text("filter")], Action::Command("retained")),
    delete("/api/v1/retained", &[required("topic")], "delete_retained"),
    post("/api/v1/publish", "publish"),
    post("/api/v1/kick", "kick"),
    post("/api/v1/trace", "trace"),
    get("/api/v1/why", &[text("client_id"), text("topic"), number("last")], Action::Command("why")),
];

/// What a request asks for.
#[derive(Debug)]
pub(super) enum Found<'r> {
    /// This, with the segment that stands for the name in braces, as it came.
    Route(&'static Route, Option<&'r str>),
    /// The path is known, but not with this method.
    OtherMethods(Vec<Method>),
    Nothing,
}

/// Finds the route of a request. Whoever may GET may also ask for the head alone.
pub(super) fn find<'r>(method: &Method, path: &'r str) -> Found<'r> {
    let method = if *method == Method::HEAD { &Method::GET } else { method };
    let matching: Vec<_> =
        ROUTES.iter().filter_map(|route| matches(route.path, path).map(|name| (route, name))).collect();
    // Of two routes that fit, the one without a name says it more exactly.
    let exact =
        matching.iter().filter(|(route, _)| route.method == *method).min_by_key(|(_, name)| name.is_some());
    match exact {
        Some((route, name)) => Found::Route(route, *name),
        None if matching.is_empty() => Found::Nothing,
        None => Found::OtherMethods(matching.iter().map(|(route, _)| route.method.clone()).collect()),
    }
}

/// Whether the path is one of `pattern`, and what stands for the name in braces.
fn matches<'r>(pattern: &str, path: &'r str) -> Option<Option<&'r str>> {
    let mut named = None;
    let (mut wanted, mut found) = (pattern.split('/'), path.split('/'));
    loop {
        match (wanted.next(), found.next()) {
            (None, None) => return Some(named),
            (Some(name), Some(segment)) if name.starts_with('{') && !segment.is_empty() => {
                named = Some(segment)
            }
            (Some(name), Some(segment)) if name == segment => {}
            _ => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(method: Method, path: &str) -> String {
        match find(&method, path) {
            Found::Route(route, None) => format!("{:?}", route.action),
            Found::Route(route, Some(name)) => format!("{:?} of {name}", route.action),
            Found::OtherMethods(methods) => format!("{methods:?}"),
            Found::Nothing => "nothing".to_owned(),
        }
    }

    #[test]
    fn a_path_and_a_method_make_a_route() {
        assert_eq!(found(Method::GET, "/healthz"), "Health");
        assert_eq!(found(Method::HEAD, "/metrics"), "Metrics");
        assert_eq!(found(Method::GET, "/api/v1/sessions"), "Command(\"sessions\")");
        assert_eq!(found(Method::GET, "/api/v1/sessions/a%2Fb"), "Command(\"session\") of a%2Fb");
        assert_eq!(found(Method::DELETE, "/api/v1/sessions/a"), "Command(\"delete_session\") of a");
        assert_eq!(found(Method::POST, "/api/v1/kick"), "CommandInBody(\"kick\")");
    }

    #[test]
    fn other_methods_are_told_and_other_paths_unknown() {
        assert_eq!(found(Method::POST, "/metrics"), "[GET]");
        assert_eq!(found(Method::PUT, "/api/v1/sessions/a"), "[GET, DELETE]");
        for path in [
            "",
            "/",
            "*",
            "/metrics/",
            "//metrics",
            "/Metrics",
            "/api/v1",
            "/api/v1/sessions/",
            "/api/v1/sessions/a/b",
            "/api/v2/kick",
        ] {
            assert_eq!(found(Method::GET, path), "nothing", "{path}");
        }
    }
}
