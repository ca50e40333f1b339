//! MCP (Model Context Protocol): commands as tools of assistants, at `/mcp`, by its transport «streamable HTTP», in its
//! revisions 2025-03-26 (but for batches), 2025-06-18, 2025-11-25 and 2026-07-28. The words of 2024-11-05 are understood too,
//! but not the transport it had over HTTP: they come through `muster mcp`.
//!
//! A request goes who calls → `session` (is it theirs?) →
//! `decode` (the body, within bounds) → `places` (is there room for what stays open?) → the crate `rmcp`, which speaks the
//! protocol → `server`, which asks the dispatcher → `encode`. Credentials are checked with every request, and by `stay` as long
//! as a stream is open; a session opens nothing that they do not. The crate is a service of its own with a state of its own, so
//! it is called by a handler instead of being nested as a router: what axum knows of the caller goes along in the request.

mod decode;
mod encode;
mod events;
mod server;
mod session;
mod session_limits;
mod stream_auth;
mod tool;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::header::{ACCEPT, ALLOW, AUTHORIZATION, CACHE_CONTROL};
use axum::http::request::Parts;
use axum::http::{HeaderName, HeaderValue, Method, Request};
use axum::response::Response;
use axum::routing::any;
use bytes::Bytes;
use http_body_util::Full;
use muster_core::authn::{Credential, Source};
use muster_core::caller::Caller;
use muster_core::dispatch::Dispatcher;
use muster_core::error::CallError;
use muster_core::oauth::USER_SCOPE;
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use rmcp::transport::{StreamableHttpServerConfig, StreamableHttpService};
use tokio::sync::watch;

use crate::http::accept::Accept;
use crate::http::authorization::presents_bearer;
use crate::http::caller::{self, Interface};
use crate::http::entrance::{self, Arrival};
use crate::http::problem::{self, Refusal, Resource};
use crate::http::request_id::X_REQUEST_ID;
use decode::Message;
use server::Server;
use session::{Running, SESSION_ID, Sessions};
use session_limits::Place;

/// Where it is.
const PATH: &str = "/mcp";
/// The methods there are.
const METHODS: &str = "GET, POST, DELETE, OPTIONS";

/// The first revision whose clients know events without data, which only say where a stream can be taken up again. Revisions
/// are dates, and sort as text.
const PRIMED_SINCE: &str = "2025-11-25";

/// What the operator decides about MCP.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Settings {
    /// Sessions open at a time.
    pub sessions_max: usize,
    /// Time after which an idle session is closed.
    pub session_idle: Duration,
    /// Longest message, in bytes.
    pub message_bytes_max: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self { sessions_max: 1000, session_idle: Duration::from_mins(30), message_bytes_max: 1 << 20 }
    }
}

/// Commands as tools.
#[derive(Clone)]
pub struct Mcp {
    dispatcher: Arc<Dispatcher>,
    settings: Arc<Settings>,
    sessions: Arc<Sessions>,
    service: StreamableHttpService<Server, LocalSessionManager>,
}

impl std::fmt::Debug for Mcp {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Mcp").field("settings", &self.settings).finish_non_exhaustive()
    }
}

/// Who sent a request, for the one who answers it.
#[derive(Clone, Debug)]
struct Sender {
    caller: Arc<Caller>,
    /// Keeps their session in use while a call runs.
    running: Option<Arc<Running>>,
    /// What a stream without a session takes up.
    place: Option<Arc<Place>>,
}

impl Mcp {
    /// Tools in front of the dispatcher.
    pub fn new(dispatcher: Arc<Dispatcher>, settings: Settings) -> Self {
        let mut manager = LocalSessionManager::default();
        // It does not count a call that runs as use, so sessions that are idle are ended here.
        manager.session_config.keep_alive = None;
        let manager = Arc::new(manager);
        // What it would check of hosts and origins is checked where every request comes in.
        let config = StreamableHttpServerConfig::default()
            .disable_allowed_hosts()
            .disable_allowed_origins()
            .with_json_response(true)
            .with_max_request_body_bytes(settings.message_bytes_max);
        let (teller, changed) = watch::channel(());
        dispatcher.registry().watch(move || {
            teller.send_replace(());
        });
        let sessions = Arc::new(Sessions::new(Arc::clone(&manager), settings.sessions_max, settings.session_idle));
        let of_server = Arc::clone(&dispatcher);
        let service = StreamableHttpService::new(
            move || Ok(Server::new(Arc::clone(&of_server), changed.clone())),
            manager,
            config,
        );
        Self { dispatcher, settings: Arc::new(settings), sessions, service }
    }

    /// The routes.
    pub fn router(self) -> Router {
        Router::new().route(PATH, any(handle)).route("/mcp/", any(handle)).with_state(self)
    }

    /// Closes idle sessions, and all sessions once `stopping` says so: streams that wait for changes do not end by
    /// themselves.
    pub async fn close_with(self, mut stopping: watch::Receiver<bool>) {
        tokio::select! {
            // An error means that the sender is gone.
            _ = stopping.wait_for(|stop| *stop) => {}
            () = self.sessions.end_idle() => {}
        }
        self.service.config.cancellation_token.cancel();
    }

    async fn answer(
        &self,
        asker: Result<(Credential, Source), CallError>,
        request: Request<Body>,
    ) -> Result<Response, Refusal> {
        let (credential, source) = asker?;
        let presented = (credential.clone(), source.clone());
        let caller = self.dispatcher.recognize(credential, source).await?;
        let session = self.sessions.of(request.headers(), &caller)?;
        let (mut parts, body) = request.into_parts();
        let takes_events = negotiate(&mut parts)?;
        let (bytes, message) = match parts.method {
            Method::POST => match decode::message(body, &parts.headers, self.settings.message_bytes_max).await? {
                Ok(read) => read,
                Err(unreadable) => return Ok(encode::unreadable(unreadable)),
            },
            _ => (Bytes::new(), Message::default()),
        };
        if message.is_listen() && !takes_events {
            return Err(Refusal::NotAcceptable);
        }
        self.ask_for_credential(&caller, &message)?;
        let begins = session.is_none() && message.is_initialize();
        let place = if begins || message.is_listen() { Some(self.sessions.place(&caller).await?) } else { None };
        let (of_session, of_stream) = if begins { (place, None) } else { (None, place) };
        let is_stream = message.is_listen() || parts.method == Method::GET;
        let is_primed = message.revision(&parts.headers) >= PRIMED_SINCE;
        let calls = session.filter(|_| message.tool.is_some());
        let sender = Sender {
            caller: Arc::clone(&caller),
            running: calls.map(|id| Arc::new(self.sessions.run(id))),
            place: of_stream.map(Arc::new),
        };
        let (method, request_id) = (parts.method.clone(), caller.request_id.clone());
        // What is inside needs to know who, not by which secret.
        parts.headers.remove(AUTHORIZATION);
        parts.extensions.insert(sender);
        let request = Request::from_parts(parts, Full::new(bytes));
        let mut response = match of_session {
            Some(place) => self.begin(request, Arc::clone(&caller), place).await?,
            None => self.service.handle(request).await.map(Body::new),
        };
        if !is_primed {
            response = events::with_data(response);
        }
        if method == Method::POST && !takes_events {
            response = events::as_json(response).await;
        }
        if method == Method::DELETE && response.status().is_success() {
            // The session is ended, and there is nothing more to say.
            response = problem::options(METHODS, &request_id);
            response.headers_mut().remove(ALLOW);
        }
        if is_stream && response.status().is_success() {
            let body = std::mem::take(response.body_mut());
            *response.body_mut() = stream_auth::guarded(body, caller, presented, Arc::clone(&self.dispatcher)).await;
        }
        Ok(response)
    }

    /// Begins a session. It is done even when the client goes away meanwhile: a session without an entry would have no
    /// owner, and stay.
    async fn begin(
        &self,
        request: Request<Full<Bytes>>,
        caller: Arc<Caller>,
        place: Place,
    ) -> Result<Response, CallError> {
        let (service, sessions) = (self.service.clone(), Arc::clone(&self.sessions));
        #[expect(clippy::disallowed_methods, reason = "ends with the answer, which takes no call to make")]
        let beginning = tokio::spawn(async move {
            let response = service.handle(request).await;
            if let Some(id) = response.headers().get(SESSION_ID).and_then(|id| id.to_str().ok()) {
                sessions.begin(id, &caller, place);
            }
            response.map(Body::new)
        });
        beginning.await.map_err(|error| CallError::Internal { internal: error.to_string() })
    }

    /// Asks an anonymous caller to authenticate where that is what is missing: immediately if they may call no command,
    /// or when they call a forbidden one. That is how a client learns to log in.
    fn ask_for_credential(&self, caller: &Caller, message: &Message) -> Result<(), CallError> {
        if !caller.is_anonymous() {
            return Ok(());
        }
        let listed = self.dispatcher.list_for(caller);
        let may = match &message.tool {
            Some(tool) => listed.iter().any(|one| one.registered.command.name.as_str() == tool),
            None => !listed.is_empty(),
        };
        if may { Ok(()) } else { Err(CallError::Unauthenticated { rejected: None }) }
    }
}

/// Whether the client takes events as an answer to a message: who does not name them is answered with JSON. The crate only
/// speaks to clients that take both.
///
/// # Errors
/// When it takes neither.
fn negotiate(parts: &mut Parts) -> Result<bool, Refusal> {
    if parts.method != Method::POST {
        return Ok(true);
    }
    let accept = Accept::of(&parts.headers);
    let takes_events = accept.named("text/event-stream").is_some_and(|weight| weight > 0);
    if !takes_events && accept.quality("application/json") == 0 {
        return Err(Refusal::NotAcceptable);
    }
    parts.headers.insert(ACCEPT, HeaderValue::from_static("application/json, text/event-stream"));
    Ok(takes_events)
}

async fn handle(State(mcp): State<Mcp>, request: Request<Body>) -> Response {
    let arrival = Arrival::of(&request);
    let request_id = &arrival.request_id;
    let bearer = presents_bearer(request.headers());
    let settings = mcp.dispatcher.authenticator().bearers().server.settings();
    let address = entrance::address_for(&settings.issuer, &arrival);
    let asker = caller::of(request.headers(), &arrival, Interface::MCP);
    let mut response = if request.method() == Method::OPTIONS {
        problem::options(METHODS, request_id)
    } else {
        mcp.answer(asker, request).await.unwrap_or_else(|refusal| {
            let mut response = problem::refusal(&refusal, request_id);
            let resource = Resource::Mcp { user_scope: settings.rules.honours(USER_SCOPE, false) };
            problem::challenge(&mut response, bearer, address.as_deref().unwrap_or(&settings.issuer), resource);
            response
        })
    };
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(HeaderName::from_static("x-content-type-options"), HeaderValue::from_static("nosniff"));
    if let Ok(id) = HeaderValue::from_str(request_id.as_str()) {
        headers.insert(X_REQUEST_ID, id);
    }
    response
}
