//! Whether `docs/openapi.json` and the table of routes say the same.

use std::collections::BTreeSet;

use serde_json::Value;

use super::super::respond::OPENAPI;
use super::super::routes::{Action, Kind, ROUTES, Route};

fn document() -> Value {
    serde_json::from_str(OPENAPI).unwrap()
}

fn operation<'d>(document: &'d Value, route: &Route) -> &'d Value {
    &document["paths"][route.path][route.method.as_str().to_lowercase()]
}

#[test]
fn every_route_is_described_and_nothing_else() {
    let document = document();
    let described: BTreeSet<_> = document["paths"]
        .as_object()
        .unwrap()
        .iter()
        .flat_map(|(path, methods)| {
            methods.as_object().unwrap().keys().map(move |method| format!("{} {path}", method.to_uppercase()))
        })
        .collect();
    let routes: BTreeSet<_> = ROUTES.iter().map(|route| format!("{} {}", route.method, route.path)).collect();
    assert_eq!(described, routes);
    assert_eq!(routes.len(), ROUTES.len());
}

#[test]
fn parameters_are_those_of_the_route() {
    let document = document();
    for route in &ROUTES {
        let operation = operation(&document, route);
        let none = Vec::new();
        let described: Vec<_> = operation["parameters"]
            .as_array()
            .unwrap_or(&none)
            .iter()
            .map(|parameter| {
                let name = parameter["name"].as_str().unwrap();
                let is_in_path = route.path.contains(&format!("{{{name}}}"));
                assert_eq!(parameter["in"] == "path", is_in_path, "{} {name}", route.path);
                let kind = if parameter["schema"]["type"] == "integer" { Kind::Number } else { Kind::Text };
                (name, kind, parameter["required"] == true)
            })
            .collect();
        let known: Vec<_> =
            route.parameters.iter().map(|one| (one.name, one.kind, one.is_required)).collect();
        assert_eq!(described, known, "{} {}", route.method, route.path);
    }
}

#[test]
fn commands_tokens_and_bodies_are_those_of_the_route() {
    let document = document();
    for route in &ROUTES {
        let operation = operation(&document, route);
        let wants_token = operation["security"][0]["token"].is_array();
        assert_eq!(wants_token, route.path.starts_with("/api/"), "{}", route.path);
        assert_eq!(operation["responses"]["401"].is_object(), wants_token, "{}", route.path);
        assert_eq!(operation["requestBody"].is_object(), matches!(route.action, Action::CommandInBody(_)));
        if let Action::Command(command) | Action::CommandInBody(command) = route.action {
            assert_eq!(operation["operationId"], command);
        }
    }
}

#[test]
fn references_lead_somewhere() {
    fn follow(document: &Value, part: &Value) {
        match part {
            Value::Object(members) => members.iter().for_each(|(name, member)| match member.as_str() {
                Some(reference) if name == "$ref" => {
                    let target = document.pointer(reference.strip_prefix('#').unwrap());
                    assert!(target.is_some(), "{reference}");
                }
                _ => follow(document, member),
            }),
            Value::Array(elements) => elements.iter().for_each(|element| follow(document, element)),
            _ => {}
        }
    }
    let document = document();
    follow(&document, &document);
}
