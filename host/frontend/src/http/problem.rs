//! Failures as problem details (RFC 9457), told in one way by every wire over HTTP. The `type` of each ends in the
//! failure's stable code; its status stands here.

use axum::body::Body;
use axum::http::header::{
    ACCEPT_ENCODING, ALLOW, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE,
    X_FRAME_OPTIONS,
};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::Response;
use muster_core::caller::RequestId;
use muster_core::error::CallError;
use muster_core::oauth::USER_SCOPE;
use muster_core::rate::RateLimitStatus;
use serde_json::{Value, json};

use crate::http::authorization::BASIC_CHALLENGE;
use crate::http::request_id::X_REQUEST_ID;

const NO_SNIFF: (HeaderName, HeaderValue) =
    (HeaderName::from_static("x-content-type-options"), HeaderValue::from_static("nosniff"));
const INERT: [(HeaderName, &str); 3] = [
    (CONTENT_SECURITY_POLICY, "sandbox; default-src 'none'; frame-ancestors 'none'"),
    (X_FRAME_OPTIONS, "DENY"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
];
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
    /// The body is in a coding that is not undone here.
    Encoded,
    /// The client takes no JSON.
    NotAcceptable,
    /// The body came too slowly.
    SlowBody,
    /// The caller has no such session.
    NoSession,
    /// It comes from where it may not.
    Stranger {
        /// The stable name of this kind of failure.
        code: &'static str,
        /// What is wrong with where it comes from.
        detail: String,
    },
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
                "No such address",
                "commands are at /api/COMMAND and /api/COMMAND/vN; GET /api lists them",
            ),
            Self::Method { allow } => (
                StatusCode::METHOD_NOT_ALLOWED,
                "method-not-allowed",
                "Method not allowed",
                format!("use one of {allow}"),
            ),
            Self::MediaType => own(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "unsupported-media-type",
                "Unsupported media type of the body",
                "send a JSON object as application/json",
            ),
            Self::Encoded => own(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "unsupported-encoding",
                "Unsupported content coding of the body",
                "send the body as it is, without Content-Encoding",
            ),
            Self::NotAcceptable => own(
                StatusCode::NOT_ACCEPTABLE,
                "not-acceptable",
                "No acceptable media type",
                "results are application/json; add it to the header Accept",
            ),
            Self::SlowBody => own(
                StatusCode::REQUEST_TIMEOUT,
                "slow-request",
                "Request timeout",
                "the whole body must arrive within the time a call may take",
            ),
            Self::NoSession => own(
                StatusCode::NOT_FOUND,
                "no-such-session",
                "Unknown session",
                "the session has ended or never existed; begin another one",
            ),
            Self::Stranger { code, detail } => own(StatusCode::FORBIDDEN, code, "Origin not allowed", detail),
        }
    }
}

/// An answer under the request's id that is kept nowhere.
pub(crate) fn response(
    status: StatusCode,
    kind: HeaderValue,
    body: impl Into<Body>,
    request_id: &RequestId,
) -> Response {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, kind);
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    let (name, value) = NO_SNIFF;
    headers.insert(name, value);
    // A request id is visible ASCII by construction.
    if let Ok(id) = HeaderValue::from_str(request_id.as_str()) {
        headers.insert(X_REQUEST_ID, id);
    }
    response
}

/// An answer that does nothing where a browser shows it, whatever is in it: a page of its own without an origin, which
/// loads, runs and sends nothing (Content Security Policy Level 3 §6.3), and that other sites cannot embed.
pub(crate) fn inert(mut response: Response) -> Response {
    for (name, value) in INERT {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

/// The answer to `OPTIONS`: the same whether there is something at the address or not.
pub(crate) fn options(allow: &'static str, request_id: &RequestId) -> Response {
    let mut response = response(StatusCode::NO_CONTENT, PROBLEM, Body::empty(), request_id);
    response.headers_mut().remove(CONTENT_TYPE);
    response.headers_mut().insert(ALLOW, HeaderValue::from_static(allow));
    response
}

/// Says where the caller stands with rate limits (draft-ietf-httpapi-ratelimit-headers-10): calls a full bucket holds
/// and the seconds it takes to fill, calls left and the seconds until there is one more.
pub(crate) fn standings(response: &mut Response, rates: &[RateLimitStatus]) {
    let list = |item: &dyn Fn(&RateLimitStatus) -> String| rates.iter().map(item).collect::<Vec<_>>().join(", ");
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

/// A failure as a problem details object, with its status.
pub(crate) fn body(refusal: &Refusal, request_id: &RequestId) -> (StatusCode, Value) {
    let (status, code, title, detail) = refusal.parts();
    let mut problem = json!({
        "type": format!("urn:muster:problem:{code}"), "title": title, "status": status.as_u16(), "detail": detail,
        "instance": request_id.as_str(), "code": code,
    });
    if let (Refusal::Call(CallError::InvalidArguments(errors)), Some(problem)) = (refusal, problem.as_object_mut()) {
        let errors = errors.iter().map(|error| json!({ "pointer": error.pointer, "detail": error.message }));
        problem.insert("errors".to_owned(), errors.collect());
    }
    (status, problem)
}

/// A failure.
#[expect(clippy::wildcard_enum_match_arm, reason = "most failures need no header of their own")]
pub fn refusal(refusal: &Refusal, request_id: &RequestId) -> Response {
    let (status, problem) = body(refusal, request_id);
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
        Refusal::Call(CallError::Forbidden { scope: Some(scope), .. }) if muster_core::oauth::is_scope(scope) => {
            response.extensions_mut().insert(MissingScope(scope.clone()));
        }
        Refusal::Call(CallError::NotReadOnly) => {
            headers.insert(ALLOW, HeaderValue::from_static("POST, OPTIONS"));
        }
        Refusal::Method { allow } => {
            headers.insert(ALLOW, HeaderValue::from_static(allow));
        }
        // What may be sent instead (RFC 9110 §15.5.16).
        Refusal::Encoded => {
            headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        }
        _ => {}
    }
    response
}

/// Marks an answer to a token that could call with this scope.
#[derive(Clone, Debug)]
struct MissingScope(String);

/// What a challenge asks a token for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Resource {
    /// The whole host.
    Host,
    /// What is at `/mcp`, for programs that log in by what the challenge says.
    Mcp {
        /// Whether some rule honours the scope of what people do with their own account.
        user_scope: bool,
    },
}

/// Adds the challenge for tokens (RFC 6750 §3, RFC 9728 §5.1) to an answer that asks for a credential, or for a better
/// one than the token that was presented.
pub(crate) fn challenge(response: &mut Response, bearer: bool, issuer: &str, resource: Resource) {
    let error = match (response.status(), bearer) {
        (StatusCode::UNAUTHORIZED, false) => "",
        (StatusCode::UNAUTHORIZED, true) => ", error=\"invalid_token\"",
        // Only where another scope would help; otherwise a client would ask for one again and again.
        (StatusCode::FORBIDDEN, true) => match response.extensions().get::<MissingScope>() {
            Some(MissingScope(scope)) => &format!(", error=\"insufficient_scope\", scope=\"{scope}\""),
            None => return,
        },
        _ => return,
    };
    let metadata = format!("{issuer}/.well-known/oauth-protected-resource");
    let challenge = format!("Bearer realm=\"muster\"{error}");
    let challenge = match resource {
        Resource::Host => format!("{challenge}, resource_metadata=\"{metadata}\""),
        // Without a scope here, clients ask for every scope there is.
        Resource::Mcp { user_scope } if !user_scope || challenge.contains("scope=\"") => {
            format!("{challenge}, resource_metadata=\"{metadata}/mcp\"")
        }
        Resource::Mcp { .. } => format!("{challenge}, scope=\"{USER_SCOPE}\", resource_metadata=\"{metadata}/mcp\""),
    };
    // The issuer was checked to be a plain address when the configuration was read.
    let Ok(challenge) = HeaderValue::from_str(&challenge) else { return };
    let headers = response.headers_mut();
    let basic = headers.remove(WWW_AUTHENTICATE);
    let in_order = match resource {
        Resource::Host => [basic, Some(challenge)],
        // Some clients read the first one alone.
        Resource::Mcp { .. } => [Some(challenge), basic],
    };
    for one in in_order.into_iter().flatten() {
        headers.append(WWW_AUTHENTICATE, one);
    }
}

/// The status of each kind of failure. Written out, so that a new kind must be thought about.
fn status(error: &CallError) -> StatusCode {
    match error {
        CallError::Malformed(_) | CallError::InvalidArguments(_) => StatusCode::BAD_REQUEST,
        CallError::Unauthenticated { .. } => StatusCode::UNAUTHORIZED,
        CallError::Forbidden { .. } | CallError::Denied(_) => StatusCode::FORBIDDEN,
        CallError::UnknownCommand(_) | CallError::NotFound(_) => StatusCode::NOT_FOUND,
        CallError::NotReadOnly => StatusCode::METHOD_NOT_ALLOWED,
        CallError::Conflict(_) => StatusCode::CONFLICT,
        CallError::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
        // Who tries again with the same arguments reaches the same limit.
        CallError::Failed(_) | CallError::PluginRefused { .. } | CallError::LimitExceeded { .. } => {
            StatusCode::UNPROCESSABLE_ENTITY
        }
        CallError::TooManyCalls | CallError::Throttled { .. } | CallError::RateLimited { .. } => {
            StatusCode::TOO_MANY_REQUESTS
        }
        CallError::Internal { .. } => StatusCode::INTERNAL_SERVER_ERROR,
        CallError::PluginFault { .. } => StatusCode::BAD_GATEWAY,
        CallError::Unavailable(_) | CallError::Quarantined { .. } => StatusCode::SERVICE_UNAVAILABLE,
        CallError::Deadline { .. } => StatusCode::GATEWAY_TIMEOUT,
    }
}

/// A kind of answer without a result, as documents about answers have it.
#[derive(Debug)]
pub(crate) struct Kind {
    /// Its status.
    pub(crate) status: u16,
    /// What it means.
    pub(crate) about: &'static str,
    /// The codes problems have that come with it. With none, there is no problem either: what is not read is not known to
    /// be a call.
    pub(crate) codes: &'static [&'static str],
}

/// Every status a call can end with but success.
pub(crate) const KINDS: [Kind; 18] = [
    kind(400, "The request is malformed, or arguments are invalid", &["malformed", "invalid-arguments"]),
    kind(401, "A credential is required, or the one presented is not valid", &["unauthenticated"]),
    kind(
        403,
        "The permission rules deny the call, the command denied it, or the origin is not allowed",
        &["forbidden", "denied", "host-not-allowed", "origin-not-allowed"],
    ),
    kind(
        404,
        "The command, or the object it works on, no longer exists",
        &["unknown-command", "not-found", "no-such-address"],
    ),
    kind(405, "Method not allowed", &["not-read-only", "method-not-allowed"]),
    kind(406, "Results have no media type that `Accept` allows", &["not-acceptable"]),
    kind(408, "Request timeout", &["slow-request"]),
    kind(409, "The current state does not allow it", &["conflict"]),
    kind(413, "The arguments are too long", &["too-large"]),
    kind(415, "The body is not JSON, or is compressed", &["unsupported-media-type", "unsupported-encoding"]),
    kind(414, "The address is too long, and was not read", &[]),
    // A component that is refused brings a code of its own.
    kind(422, "The command failed or exceeded a limit", &["command-failed", "limit-exceeded"]),
    kind(429, "Too many calls, or too many failed logins", &["too-many-calls", "throttled", "rate-limited"]),
    kind(431, "The head of the request is too long, and was not read", &[]),
    kind(500, "The host failed", &["internal"]),
    kind(
        502,
        "Plugin fault",
        &["plugin-trapped", "plugin-exited", "plugin-panicked", "plugin-invalid-output", "plugin-not-started"],
    ),
    kind(503, "Temporarily unavailable", &["unavailable", "plugin-quarantined"]),
    kind(504, "The call took too long", &["deadline"]),
];

const fn kind(status: u16, about: &'static str, codes: &'static [&'static str]) -> Kind {
    Kind { status, about, codes }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use muster_core::error::Fault;

    use super::*;

    /// One failure of each kind; a new one does not compile until it is here.
    fn every() -> Vec<Refusal> {
        use CallError as E;
        let (text, wait) = (String::new, Duration::ZERO);
        let standing = RateLimitStatus { name: "x".into(), burst: 1, window_s: 1, remaining: 0, retry_after: wait };
        let mut every = vec![
            Refusal::NoRoute,
            Refusal::Method { allow: "GET" },
            Refusal::MediaType,
            Refusal::Encoded,
            Refusal::NotAcceptable,
            Refusal::SlowBody,
            Refusal::Stranger { code: "host-not-allowed", detail: text() },
            Refusal::Stranger { code: "origin-not-allowed", detail: text() },
        ];
        let calls = [
            E::Malformed(text()),
            E::InvalidArguments(vec![]),
            E::Unauthenticated { rejected: Some(muster_core::authn::Rejection::Expired) },
            E::Forbidden { scope: None, reference: None },
            E::UnknownCommand(text()),
            E::NotReadOnly,
            E::TooLarge { bytes_max: 1 },
            E::NotFound(text()),
            E::Conflict(text()),
            E::Denied(text()),
            E::Unavailable(text()),
            E::Failed(text()),
            E::TooManyCalls,
            E::Throttled { retry_after: wait },
            E::RateLimited { standing },
            E::LimitExceeded { limit: "x", bound: text() },
            E::Deadline { deadline_ms: 1 },
            E::Quarantined { retry_after: wait },
            E::Internal { internal: text() },
        ];
        every.extend(calls.into_iter().map(Refusal::Call));
        let fault = |fault| Refusal::Call(E::PluginFault { fault, internal: String::new() });
        every.extend(Fault::ALL.map(fault));
        every
    }

    #[test]
    fn the_table_has_every_code_at_its_status_and_no_other() {
        let mut codes = 0;
        for refusal in every() {
            let (status, code, ..) = refusal.parts();
            let found = KINDS.iter().find(|kind| kind.status == status.as_u16());
            assert!(found.is_some_and(|kind| kind.codes.contains(&code)), "{status} {code}");
            codes += 1;
        }
        assert_eq!(KINDS.iter().map(|kind| kind.codes.len()).sum::<usize>(), codes);
    }
}
