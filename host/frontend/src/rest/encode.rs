//! From results to HTTP responses.

use axum::http::header::{CONTENT_DISPOSITION, LINK};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::Response;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use muster_core::caller::RequestId;
use muster_core::dispatch::{Listed, Outcome};
use muster_core::name::Tag;
use serde_json::{Map, Value, json};

use super::decode::Wanted;
use crate::http::problem::{inert, response};

const COMMAND_VERSION: HeaderName = HeaderName::from_static("x-command-version");
const JSON: HeaderValue = HeaderValue::from_static("application/json");
pub(super) const EVENTS: HeaderValue = HeaderValue::from_static("text/event-stream");

/// A result, in the form the client asked for.
pub(super) fn result(outcome: Outcome, wanted: Wanted, request_id: &RequestId) -> Response {
    let raw = match wanted {
        Wanted::Json | Wanted::Events => None,
        Wanted::Raw(kind) => {
            let bytes = outcome.value.as_str().and_then(|text| STANDARD.decode(text).ok());
            bytes.zip(HeaderValue::from_str(&kind).ok())
        }
    };
    match raw {
        Some((bytes, kind)) => {
            // The type is what a plugin's author chose, and may be one that browsers run scripts in.
            let mut response = inert(response(StatusCode::OK, kind, bytes, request_id));
            response.headers_mut().insert(CONTENT_DISPOSITION, HeaderValue::from_static("attachment"));
            response
        }
        None => response(StatusCode::OK, JSON, outcome.text, request_id),
    }
}

/// Says where the list goes on (RFC 8288): the same address, with these arguments in the query. Only read-only commands have
/// such results, so it answers `GET`.
pub(super) fn link_to_next(response: &mut Response, path: &str, arguments: &Map<String, Value>) {
    let mut query = form_urlencoded::Serializer::new(String::new());
    for (name, value) in arguments {
        for item in value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice) {
            if let Some(text) = item.as_str() {
                query.append_pair(name, text);
            } else if !item.is_null() {
                query.append_pair(name, &item.to_string());
            }
        }
    }
    // Encoded, it has no character that would end the address or the header.
    if let Ok(link) = HeaderValue::from_str(&format!("<{path}?{}>; rel=\"next\"", query.finish())) {
        response.headers_mut().insert(LINK, link);
    }
}

/// The answer, with the version of the command that gives it.
pub(super) fn of_version(mut response: Response, version: u32) -> Response {
    response.headers_mut().insert(COMMAND_VERSION, version.into());
    response
}

/// What the caller may call, one entry for each name with all its versions.
pub(super) fn listing(commands: &[Listed], request_id: &RequestId) -> Response {
    let name = |listed: &Listed| listed.registered.command.name.clone();
    let mut entries: Vec<Value> = Vec::new();
    for versions in commands.chunk_by(|one, other| name(one) == name(other)) {
        let Some(listed) = versions.first() else { continue };
        let latest = &listed.registered.command;
        entries.push(json!({
            "name": latest.name.as_str(),
            "href": format!("/api/{}", latest.name),
            "summary": latest.summary,
            "tags": latest.tags.iter().map(Tag::as_str).collect::<Vec<_>>(),
            "audience": latest.audience.as_str(),
            "effects": latest.effects.names(),
            "versions": versions.iter().rev().map(|listed| listed.registered.command.version).collect::<Vec<_>>(),
            "only_where": listed.only_where,
            "deprecated": latest.deprecated,
            "origin": latest.origin.to_string(),
        }));
    }
    response(StatusCode::OK, JSON, json!({ "commands": entries }).to_string(), request_id)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whatever type a plugin's author chose, a browser runs nothing of it and gives it no origin.
    #[test]
    fn bytes_of_a_plugin_are_never_a_page_of_this_host() {
        let id = RequestId::from_random(1);
        for kind in [
            "text/html",
            "text/html; charset=utf-8",
            "image/svg+xml",
            "application/xhtml+xml",
            "text/xml",
            "application/pdf",
            "text/javascript",
            "multipart/x-mixed-replace",
            "image/png",
            "application/octet-stream",
        ] {
            let value = json!(STANDARD.encode("<script>alert(1)</script>"));
            let outcome = Outcome { text: value.to_string(), value, next: None };
            let answer = result(outcome, Wanted::Raw(kind.to_owned()), &id);
            let header = |name: &str| answer.headers().get(name).map_or("", |value| value.to_str().unwrap());
            assert_eq!(header("content-type"), kind);
            assert!(header("content-security-policy").starts_with("sandbox; default-src 'none'"), "{kind}");
            assert_eq!(header("x-content-type-options"), "nosniff", "{kind}");
            assert_eq!(header("content-disposition"), "attachment", "{kind}");
            assert_eq!(header("cross-origin-resource-policy"), "same-origin", "{kind}");
        }
    }
}
