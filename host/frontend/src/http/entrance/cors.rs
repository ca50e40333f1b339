//! What a browser wants to hear before a page of another origin may send requests and read answers (Fetch, «CORS protocol»).
//! It is told to pages that may, and to no others; before it is known who calls, since browsers ask without a credential.

use axum::body::Body;
use axum::http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_METHOD,
    VARY,
};
use axum::http::{HeaderName, HeaderValue, Method, Request};
use axum::response::Response;
use muster_core::caller::RequestId;

use super::{Entrance, Ground, Settings};
use crate::http::problem;

/// What pages of other sites may do with commands, with what describes them, and with tokens.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Cors {
    /// The origins they are of, as browsers send them.
    pub origins: Vec<String>,
    /// The methods they may use.
    pub methods: Vec<Method>,
    /// Whether they may send what a browser adds by itself: a password it remembers, a client certificate.
    pub credentials: bool,
}

/// A page of another origin that may send requests.
#[derive(Clone, Debug)]
pub(super) struct Page {
    pub(super) origin: HeaderValue,
    /// Whether what a browser adds by itself may be among them.
    pub(super) credentials: bool,
}

/// What clients of commands send.
const HEADERS: &str = "Authorization, Content-Type, Accept, If-None-Match, X-Request-Id, traceparent, tracestate";
/// What pages may read of an answer, beside its body.
const EXPOSED: &str = "WWW-Authenticate, X-Request-Id, X-Command-Version, Retry-After, RateLimit, RateLimit-Policy, ETag, \
    Content-Disposition";
/// What clients of MCP send.
const MCP_HEADERS: &str = "Authorization, Content-Type, Accept, Last-Event-ID, Mcp-Session-Id, Mcp-Protocol-Version, \
    Mcp-Method, Mcp-Name, X-Request-Id, traceparent, tracestate";
const MCP_EXPOSED: &str = "Mcp-Session-Id, WWW-Authenticate, X-Request-Id, Retry-After";
/// The methods of MCP.
const MCP_METHODS: &str = "GET, POST, DELETE, OPTIONS";
/// How long a browser may remember, in seconds.
const REMEMBERED_SECONDS: &str = "600";

/// The answer to a browser that asks what a page may do; nothing where it is for the wire to say what there is.
pub(super) fn preflight(
    request: &Request<Body>,
    page: Option<&Page>,
    ground: Ground,
    entrance: &Entrance,
    request_id: &RequestId,
) -> Option<Response> {
    let is_asked = request.headers().contains_key(ACCESS_CONTROL_REQUEST_METHOD);
    let (methods, headers) = match (ground, page, &entrance.settings.cors) {
        (Ground::Mcp, Some(_), _) => (MCP_METHODS.to_owned(), MCP_HEADERS),
        (Ground::Api, Some(_), Some(cors)) => {
            (cors.methods.iter().map(Method::as_str).collect::<Vec<_>>().join(", "), HEADERS)
        }
        (Ground::Metadata, _, _) if is_asked => ("GET, HEAD".to_owned(), MCP_HEADERS),
        _ => return None,
    };
    let allow = match ground {
        Ground::Mcp => MCP_METHODS,
        Ground::Api | Ground::Metadata | Ground::Page | Ground::Other => "GET, HEAD, POST, OPTIONS",
    };
    let mut response = problem::options(allow, request_id);
    set(&mut response, ACCESS_CONTROL_ALLOW_METHODS, &methods);
    set(&mut response, ACCESS_CONTROL_ALLOW_HEADERS, headers);
    set(&mut response, ACCESS_CONTROL_MAX_AGE, REMEMBERED_SECONDS);
    if ground == Ground::Metadata && page.is_none() {
        set(&mut response, ACCESS_CONTROL_ALLOW_ORIGIN, "*");
    }
    open(&mut response, page.cloned(), ground, &entrance.settings);
    Some(response)
}

/// Lets the page that sent the request read the answer, if a page of another origin did.
pub(super) fn open(response: &mut Response, page: Option<Page>, ground: Ground, settings: &Settings) {
    let differs = match ground {
        Ground::Mcp => page.is_some(),
        Ground::Api | Ground::Metadata => settings.cors.is_some(),
        Ground::Page | Ground::Other => false,
    };
    if differs {
        response.headers_mut().append(VARY, HeaderValue::from_static("Origin"));
    }
    let Some(Page { origin, credentials }) = page else { return };
    response.headers_mut().insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    if credentials {
        set(response, ACCESS_CONTROL_ALLOW_CREDENTIALS, "true");
    }
    set(response, ACCESS_CONTROL_EXPOSE_HEADERS, if ground == Ground::Mcp { MCP_EXPOSED } else { EXPOSED });
}

fn set(response: &mut Response, name: HeaderName, value: &str) {
    // Every one of these values is visible ASCII.
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(name, value);
    }
}
