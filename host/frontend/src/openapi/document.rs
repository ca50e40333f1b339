//! The document (OpenAPI 3.1) about what one caller may call.

use std::collections::BTreeMap;

use muster_core::dispatch::Listed;
use muster_core::oauth::{Settings, scope_in_words};
use serde_json::{Map, Value, json};

use super::operation::{self, LISTING};
use super::schema::{Components, reference};
use crate::http::problem::KINDS;

/// The version of OpenAPI it is written in.
const OPENAPI: &str = "3.1.0";
const ABOUT: &str = "\
Every command you may call, as a `POST` with a JSON object; commands that change nothing take a `GET` as well. Without a \
version in the address, the latest form of a command answers; `/vN` asks for the highest form at or below N. Failures are \
problem details (RFC 9457) with a stable `code`. This document is about the caller who asked for it: another one may see \
another.";

/// Writes the document.
pub(super) fn document(listed: &[Listed], settings: &Settings) -> Value {
    let mut components = Components::default();
    components.add("Problem", problem());
    components.add("Listing", listing());
    let mut paths = Map::from_iter([("/api".to_owned(), operation::list())]);
    let mut tags: BTreeMap<&str, Value> = BTreeMap::from([(LISTING, json!({ "name": LISTING }))]);
    for versions in listed.chunk_by(|one, other| one.registered.command.name == other.registered.command.name) {
        for (index, one) in versions.iter().enumerate() {
            let command = &one.registered.command;
            tags.extend(command.tags.iter().map(|tag| (tag.as_str(), json!({ "name": tag.as_str() }))));
            let shared = operation::Shared::new(&mut components, command);
            // The latest one comes first.
            if index == 0 {
                paths.insert(format!("/api/{}", command.name), operation::path(one, &shared, None));
            }
            let at = format!("/api/{}/v{}", command.name, command.version);
            paths.insert(at, operation::path(one, &shared, Some(command.version)));
        }
    }
    let tags: Vec<Value> = tags.into_values().collect();
    json!({
        "openapi": OPENAPI,
        "info": { "title": "Muster", "version": env!("CARGO_PKG_VERSION"), "description": ABOUT },
        "servers": [{ "url": "/" }],
        "tags": tags,
        "paths": paths,
        "components": {
            "schemas": components.into_json(),
            "responses": responses(),
            "headers": headers(),
            "securitySchemes": security_schemes(listed, settings),
        },
    })
}

fn problem() -> Value {
    let text = |about: &str| json!({ "type": "string", "description": about });
    json!({
        "type": "object",
        "description": "The error (RFC 9457).",
        "required": ["type", "title", "status", "detail", "instance", "code"],
        "properties": {
            "type": { "type": "string", "format": "uri", "description": "The kind of problem; ends in its code." },
            "title": text("What kind of failure this is."),
            "status": { "type": "integer", "description": "The status of the answer." },
            "detail": text("What went wrong this time."),
            "instance": text("The request's id, as in `X-Request-Id`."),
            "code": text("The stable name of this kind of failure."),
            "errors": {
                "type": "array",
                "description": "Invalid arguments.",
                "items": {
                    "type": "object",
                    "required": ["pointer", "detail"],
                    "properties": {
                        "pointer": text("Where, as a JSON Pointer (RFC 6901) into the arguments; empty for the whole."),
                        "detail": text("What is wrong there."),
                    },
                },
            },
        },
    })
}

fn listing() -> Value {
    let text = json!({ "type": "string" });
    let texts = json!({ "type": "array", "items": text });
    json!({
        "type": "object",
        "required": ["commands"],
        "properties": { "commands": { "type": "array", "items": {
            "type": "object",
            "required": ["name", "href", "summary", "tags", "audience", "effects", "versions", "only_where", "origin"],
            "properties": {
                "name": text, "href": text, "summary": text, "tags": texts, "audience": text, "effects": texts,
                "versions": { "type": "array", "items": { "type": "integer" } },
                "only_where": texts,
                "deprecated": { "type": ["string", "null"] },
                "origin": text,
            },
        } } },
    })
}

/// The answers without a result, by status.
fn responses() -> Value {
    let each = KINDS.iter().map(|kind| {
        if kind.codes.is_empty() {
            return (kind.status.to_string(), json!({ "description": kind.about }));
        }
        let mut schema = reference("Problem");
        // A component that is refused brings a code of its own, which is no part of this list.
        if let (Some(schema), false) = (schema.as_object_mut(), kind.status == 422) {
            schema.insert("properties".to_owned(), json!({ "code": { "enum": kind.codes } }));
        }
        let mut headers = Map::from_iter([header("X-Request-Id")]);
        headers.extend(match kind.status {
            401 => vec![header("WWW-Authenticate")],
            405 => vec![header("Allow")],
            429 => vec![header("Retry-After"), header("RateLimit-Policy"), header("RateLimit")],
            503 => vec![header("Retry-After")],
            _ => vec![],
        });
        let codes: Vec<String> = kind.codes.iter().map(|code| format!("`{code}`")).collect();
        let response = json!({
            "description": format!("{}: {}", kind.about, codes.join(", ")),
            "headers": headers,
            "content": { "application/problem+json": { "schema": schema } },
        });
        (kind.status.to_string(), response)
    });
    Value::Object(each.collect())
}

/// A header of an answer, by reference.
pub(super) fn header(name: &str) -> (String, Value) {
    (name.to_owned(), json!({ "$ref": format!("#/components/headers/{name}") }))
}

fn headers() -> Value {
    let each = [
        ("X-Request-Id", "Names the request, here and in the host's log. A trusted proxy can bring its own.", "string"),
        ("X-Command-Version", "The version of the command that was called.", "integer"),
        ("RateLimit-Policy", "The rate limits of this call, if there are any.", "string"),
        ("RateLimit", "The state of these rate limits for the caller.", "string"),
        ("Retry-After", "Seconds to wait before a retry.", "integer"),
        ("WWW-Authenticate", "Accepted credentials, and the address of the authorization server (RFC 9728).", "string"),
        ("Allow", "The allowed methods.", "string"),
    ];
    let header = |(name, about, kind): (&str, &str, &str)| {
        (name.to_owned(), json!({ "description": about, "schema": { "type": kind } }))
    };
    Value::Object(each.map(header).into_iter().collect())
}

/// What can be presented, each on its own. What scopes are about is said in words of the listed commands alone: others are
/// no business of the reader's.
fn security_schemes(listed: &[Listed], settings: &Settings) -> Value {
    let commands = || listed.iter().map(|one| &one.registered.command);
    let words = |scope: &str| (scope.to_owned(), scope_in_words(scope, commands()).words.into());
    let scopes: Map<String, Value> = settings.scopes().into_iter().map(words).collect();
    let issuer = &settings.issuer;
    let (authorize, token) = (format!("{issuer}/oauth/authorize"), format!("{issuer}/oauth/token"));
    let mut flows = Map::from_iter([
        (
            "authorizationCode".to_owned(),
            json!({ "authorizationUrl": authorize, "tokenUrl": token, "refreshUrl": token, "scopes": scopes }),
        ),
        ("clientCredentials".to_owned(), json!({ "tokenUrl": token, "scopes": scopes })),
    ]);
    if settings.password_grant {
        flows.insert("password".to_owned(), json!({ "tokenUrl": token, "refreshUrl": token, "scopes": scopes }));
    }
    json!({
        "basic": { "type": "http", "scheme": "basic", "description": "An account `user@host` and its password." },
        "bearer": { "type": "http", "scheme": "bearer", "description": "An access token, or an API key." },
        "oauth": {
            "type": "oauth2",
            "description": format!("Its metadata (RFC 8414): {issuer}/.well-known/oauth-authorization-server"),
            "flows": flows,
        },
    })
}
