//! What a browser wants to hear before a page of another origin may call and read answers (Fetch, «CORS protocol»). It is told
//! to pages the door lets in, and to nobody else. Browsers send no credential by themselves here, so none is allowed for.

use axum::http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, VARY,
};
use axum::http::{HeaderName, HeaderValue};
use axum::response::Response;
use muster_core::caller::RequestId;

use crate::problem;

/// The methods there are.
pub(super) const METHODS: &str = "GET, POST, DELETE, OPTIONS";
/// What clients of MCP send.
const HEADERS: &str = "Authorization, Content-Type, Accept, Last-Event-ID, Mcp-Session-Id, Mcp-Protocol-Version, \
    Mcp-Method, Mcp-Name, X-Request-Id, traceparent, tracestate";
/// What pages may read of an answer, beside its body.
const EXPOSED: &str = "Mcp-Session-Id, WWW-Authenticate, X-Request-Id, Retry-After";
/// How long a browser may remember, in seconds.
const REMEMBERED_SECONDS: &str = "600";

/// The answer to a browser, or to whoever else asks what there is.
pub(super) fn preflight(origin: Option<&HeaderValue>, request_id: &RequestId) -> Response {
    let mut response = problem::options(METHODS, request_id);
    if origin.is_some() {
        set(&mut response, ACCESS_CONTROL_ALLOW_METHODS, METHODS);
        set(&mut response, ACCESS_CONTROL_ALLOW_HEADERS, HEADERS);
        set(&mut response, ACCESS_CONTROL_MAX_AGE, REMEMBERED_SECONDS);
    }
    response
}

/// Lets the page that sent the request read the answer, if a page did.
pub(super) fn open(response: &mut Response, origin: Option<HeaderValue>) {
    let Some(origin) = origin else { return };
    response.headers_mut().insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    set(response, ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
    response.headers_mut().append(VARY, HeaderValue::from_static("Origin"));
}

fn set(response: &mut Response, name: HeaderName, value: &'static str) {
    response.headers_mut().insert(name, HeaderValue::from_static(value));
}
