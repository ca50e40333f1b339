//! OpenAPI: `GET /openapi.json` describes, as OpenAPI 3.1, what this caller may call over ReST and nothing else;
//! `GET /docs` is a page that shows it and can try it.
//!
//! The document is made from the same commands every other surface is made from. The page is the same for everybody and
//! contains no data of a user: it requests the document with the credential that its user enters.

mod cache;
mod document;
mod operation;
mod schema;

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, IF_NONE_MATCH, REFERRER_POLICY, VARY,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode};
use axum::response::Response;
use axum::routing::any;
use muster_core::authn::{Credential, Source};
use muster_core::caller::RequestId;
use muster_core::dispatch::Dispatcher;
use muster_core::error::CallError;
use muster_core::oauth::Settings;

use crate::http::authorization::presents_bearer;
use crate::http::caller::{self, Interface};
use crate::http::entrance::{self, Arrival};
use crate::http::problem::{self, Refusal};
use cache::{Cache, Text};

/// What a path that is only read takes.
const READ: &str = "GET, HEAD, OPTIONS";
/// The page runs its own script, looks as its own style says, and speaks to this host; nothing else, whatever a
/// description has in it.
const PAGE_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
    base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'";

/// The document and the page.
#[derive(Clone, Debug)]
pub struct OpenApi {
    dispatcher: Arc<Dispatcher>,
    documents: Arc<Cache>,
    page: Arc<Page>,
}

/// The page's files, made once.
#[derive(Debug)]
struct Page {
    html: Text,
    style: Text,
    script: Text,
}

impl OpenApi {
    /// The description of what `dispatcher` has.
    pub fn new(dispatcher: Arc<Dispatcher>) -> Self {
        let page = Page {
            html: Text::new(include_str!("page/page.html")),
            style: Text::new(include_str!("page/page.css")),
            script: Text::new(include_str!("page/page.js")),
        };
        Self { dispatcher, documents: Arc::default(), page: Arc::new(page) }
    }

    /// The routes.
    pub fn router(self) -> Router {
        Router::new()
            .route("/openapi.json", any(document))
            .route("/docs", any(page))
            .route("/docs/page.css", any(style))
            .route("/docs/page.js", any(script))
            .with_state(self)
    }

    /// What this caller may call.
    async fn described(
        &self,
        asker: Result<(Credential, Source), Refusal>,
        address: Option<String>,
    ) -> Result<Text, Refusal> {
        let (credential, source) = asker?;
        let listed = self.dispatcher.list(credential, source).await?;
        let settings = self.dispatcher.authenticator().bearers().server.settings();
        Ok(match address {
            // Made each time: there are as many as names this host is called by.
            Some(issuer) => {
                Text::new(document::document(&listed, &Settings { issuer, ..(*settings).clone() }).to_string())
            }
            None => self.documents.get(listed, &settings),
        })
    }
}

/// Who asks for the document.
fn asker(request: &Request<Body>, arrival: &Arrival) -> Result<(Credential, Source), Refusal> {
    if request.uri().query().is_some() {
        let text = "the document has no arguments; it lists the commands of its caller";
        return Err(Refusal::Call(CallError::Malformed(text.to_owned())));
    }
    Ok(caller::of(request.headers(), arrival, Interface::REST)?)
}

async fn document(State(openapi): State<OpenApi>, request: Request<Body>) -> Response {
    let arrival = Arrival::of(&request);
    let request_id = &arrival.request_id;
    let settings = openapi.dispatcher.authenticator().bearers().server.settings();
    let address = entrance::address_for(&settings.issuer, &arrival);
    let result = match read(&request) {
        Reading::Options => return options(request_id),
        Reading::No => Err(Refusal::Method { allow: READ }),
        Reading::Yes => openapi.described(asker(&request, &arrival), address.clone()).await,
    };
    match result {
        Ok(text) => {
            let kind = "application/json";
            let mut response = conditional(request.headers(), &text, kind, request_id);
            response.headers_mut().insert(VARY, HeaderValue::from_static("Authorization"));
            response
        }
        Err(refusal) => {
            let mut response = problem::refusal(&refusal, request_id);
            let address = address.as_deref().unwrap_or(&settings.issuer);
            problem::challenge(&mut response, presents_bearer(request.headers()), address, problem::Resource::Host);
            response
        }
    }
}

async fn page(State(openapi): State<OpenApi>, request: Request<Body>) -> Response {
    let mut response = file(&request, &openapi.page.html, "text/html; charset=utf-8");
    let headers = response.headers_mut();
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(PAGE_POLICY));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    for (name, value) in [
        ("x-frame-options", "DENY"),
        ("cross-origin-opener-policy", "same-origin"),
        ("cross-origin-resource-policy", "same-origin"),
    ] {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    response
}

async fn style(State(openapi): State<OpenApi>, request: Request<Body>) -> Response {
    file(&request, &openapi.page.style, "text/css; charset=utf-8")
}

async fn script(State(openapi): State<OpenApi>, request: Request<Body>) -> Response {
    file(&request, &openapi.page.script, "text/javascript; charset=utf-8")
}

fn file(request: &Request<Body>, text: &Text, kind: &'static str) -> Response {
    let arrival = Arrival::of(request);
    let request_id = &arrival.request_id;
    match read(request) {
        Reading::Yes => conditional(request.headers(), text, kind, request_id),
        Reading::Options => options(request_id),
        Reading::No => problem::refusal(&Refusal::Method { allow: READ }, request_id),
    }
}

/// Whether the request wants to read what is there.
enum Reading {
    Yes,
    No,
    Options,
}

fn read(request: &Request<Body>) -> Reading {
    match *request.method() {
        Method::GET | Method::HEAD => Reading::Yes,
        Method::OPTIONS => Reading::Options,
        _ => Reading::No,
    }
}

fn options(request_id: &RequestId) -> Response {
    problem::options(READ, request_id)
}

/// The text, or word that the client has it already (RFC 9110 §13.1.2). It may be kept, but asked about every time: the
/// commands of a caller change without notice.
fn conditional(headers: &HeaderMap, text: &Text, kind: &'static str, request_id: &RequestId) -> Response {
    let known = headers.get_all(IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    let known = known.flat_map(|value| value.split(',')).any(|tag| {
        let tag = tag.trim();
        tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == text.etag.to_str().unwrap_or_default()
    });
    let kind = HeaderValue::from_static(kind);
    let mut response = if known {
        let mut response = problem::response(StatusCode::NOT_MODIFIED, kind, Body::empty(), request_id);
        response.headers_mut().remove(CONTENT_TYPE);
        response
    } else {
        problem::response(StatusCode::OK, kind, text.bytes.clone(), request_id)
    };
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    response.headers_mut().insert(ETAG, text.etag.clone());
    response
}
