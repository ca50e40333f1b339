//! From results and failures to HTTP responses. A failure is a problem details object (RFC 9457) whose `type` ends in
//! the failure's stable code.

use axum::body::Body;
use axum::http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::Response;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use muster_core::caller::RequestId;
use muster_core::dispatch::{Listed, Outcome};
use muster_core::error::CallError;
use muster_core::name::Tag;
use muster_core::rate::Standing;
use serde_json::{Value, json};

use super::decode::Wanted;
use super::status;
use crate::authorization::BASIC_CHALLENGE;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const COMMAND_VERSION: HeaderName = HeaderName::from_static("x-command-version");
const NO_SNIFF: (HeaderName, HeaderValue) =
    (HeaderName::from_static("x-content-type-options"), HeaderValue::from_static("nosniff"));
const JSON: HeaderValue = HeaderValue::from_static("application/json");
const PROBLEM: HeaderValue = HeaderValue::from_static("application/problem+json");

/// Why a request got no result.
#[derive(Debug)]
pub enum Refusal {
    /// The call failed.
    Call(CallError),
    /// Nothing is at this address.
    NoRoute,
    /// The method means nothing here.
    Method {
        /// What does.
        allow: &'static str,
    },
    /// The body is of a type that cannot be JSON.
    MediaType,
    /// The client takes no JSON.
    NotAcceptable,
    /// The body came too slowly.
    SlowBody,
}

impl From<CallError> for Refusal {
    fn from(error: CallError) -> Self {
        Self::Call(error)
    }
}

impl Refusal {
    fn parts(&self) -> (StatusCode, &'static str, &'static str, String) {
        let own = |status, code, title, detail: &str| (status, code, title, detail.to_owned());
        match self {
            Self::Call(error) => (status(error), error.code(), error.title(), error.detail()),
            Self::NoRoute => own(
                StatusCode::NOT_FOUND,
                "no-such-address",
                "Nothing is here",
                "commands are at /api/COMMAND and /api/COMMAND/vN; GET /api lists them",
            ),
            Self::Method { allow } => (
                StatusCode::METHOD_NOT_ALLOWED,
                "method-not-allowed",
                "The method is not allowed here",
                format!("use one of {allow}"),
            ),
            Self::MediaType => own(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "unsupported-media-type",
                "The body's type is not supported",
                "send a JSON object as application/json",
            ),
            Self::NotAcceptable => own(
                StatusCode::NOT_ACCEPTABLE,
                "not-acceptable",
                "No acceptable form of the result",
                "results are application/json; let Accept allow that",
            ),
            Self::SlowBody => own(
                StatusCode::REQUEST_TIMEOUT,
                "slow-request",
                "The request came too slowly",
                "the whole body must arrive within the time a call may take",
            ),
        }
    }
}

fn response(status: StatusCode, kind: HeaderValue, body: impl Into<Body>, request_id: &RequestId) -> Response {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, kind);
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    let (name, value) = NO_SNIFF;
    headers.insert(name, value);
    // A request id is visible ASCII by construction.
    if let Ok(id) = HeaderValue::from_str(request_id.as_str()) {
        headers.insert(REQUEST_ID, id);
    }
    response
}

/// A result, in the form the client asked for.
pub(super) fn result(outcome: Outcome, wanted: Wanted, version: u32, request_id: &RequestId) -> Response {
    let raw = match wanted {
        Wanted::Json => None,
        Wanted::Raw(kind) => {
            let bytes = outcome.value.as_str().and_then(|text| STANDARD.decode(text).ok());
            bytes.zip(HeaderValue::from_str(&kind).ok())
        }
    };
    let mut response = match raw {
        Some((bytes, kind)) => response(StatusCode::OK, kind, bytes, request_id),
        None => response(StatusCode::OK, JSON, outcome.text, request_id),
    };
    response.headers_mut().insert(COMMAND_VERSION, version.into());
    response
}

/// Says where the caller stands with rate limits (draft-ietf-httpapi-ratelimit-headers-10): calls a full bucket holds
/// and the seconds it takes to fill, calls left and the seconds until there is one more.
pub(super) fn standings(response: &mut Response, rates: &[Standing]) {
    let list = |item: &dyn Fn(&Standing) -> String| rates.iter().map(item).collect::<Vec<_>>().join(", ");
    let policy = list(&|rate| format!("\"{}\";q={};w={}", rate.name, rate.burst, rate.window_s));
    let left = list(&|rate| {
        let seconds = rate.retry_after.as_millis().div_ceil(1000);
        format!("\"{}\";r={};t={seconds}", rate.name, rate.remaining)
    });
    // Names of limits are visible ASCII by construction.
    for (name, value) in [("ratelimit-policy", policy), ("ratelimit", left)] {
        if let Ok(value) = HeaderValue::from_str(&value) {
            response.headers_mut().insert(name, value);
        }
    }
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

/// The answer to `OPTIONS`: the same whether the command exists or not.
pub(super) fn options(allow: &'static str, request_id: &RequestId) -> Response {
    let mut response = response(StatusCode::NO_CONTENT, JSON, Body::empty(), request_id);
    response.headers_mut().remove(CONTENT_TYPE);
    response.headers_mut().insert(ALLOW, HeaderValue::from_static(allow));
    response
}

/// A failure.
#[expect(clippy::wildcard_enum_match_arm, reason = "most failures need no header of their own")]
pub(super) fn refusal(refusal: &Refusal, request_id: &RequestId) -> Response {
    let (status, code, title, detail) = refusal.parts();
    let mut problem = json!({
        "type": format!("urn:muster:problem:{code}"), "title": title, "status": status.as_u16(), "detail": detail,
        "instance": request_id.as_str(), "code": code,
    });
    if let (Refusal::Call(CallError::InvalidArguments(errors)), Some(problem)) = (refusal, problem.as_object_mut()) {
        let errors = errors.iter().map(|error| json!({ "pointer": error.pointer, "detail": error.message }));
        problem.insert("errors".to_owned(), errors.collect());
    }
    let mut response = response(status, PROBLEM, problem.to_string(), request_id);
    if let Refusal::Call(CallError::RateLimited { standing }) = refusal {
        standings(&mut response, std::slice::from_ref(standing));
    }
    let headers = response.headers_mut();
    if let Refusal::Call(error) = refusal
        && let Some(seconds) = error.retry_after_s()
    {
        headers.insert(RETRY_AFTER, seconds.into());
    }
    match refusal {
        Refusal::Call(CallError::Unauthenticated { .. }) => {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static(BASIC_CHALLENGE));
        }
        Refusal::Call(CallError::NotReadOnly) => {
            headers.insert(ALLOW, HeaderValue::from_static("POST, OPTIONS"));
        }
        Refusal::Method { allow } => {
            headers.insert(ALLOW, HeaderValue::from_static(allow));
        }
        _ => {}
    }
    response
}

/// Adds the challenge for tokens (RFC 6750 §3, RFC 9728 §5.1) to an answer that asks for a credential, or for a better
/// one than the token that was presented.
pub(super) fn challenge(response: &mut Response, bearer: bool, issuer: &str) {
    let error = match (response.status(), bearer) {
        (StatusCode::UNAUTHORIZED, false) => "",
        (StatusCode::UNAUTHORIZED, true) => ", error=\"invalid_token\"",
        (StatusCode::FORBIDDEN, true) => ", error=\"insufficient_scope\"",
        _ => return,
    };
    let metadata = format!("{issuer}/.well-known/oauth-protected-resource");
    let challenge = format!("Bearer realm=\"muster\"{error}, resource_metadata=\"{metadata}\"");
    // The issuer was checked to be a plain address when the configuration was read.
    if let Ok(challenge) = HeaderValue::from_str(&challenge) {
        response.headers_mut().append(WWW_AUTHENTICATE, challenge);
    }
}
