//! ReST: `POST /api/COMMAND[/vN]` with a JSON object, `GET` with query arguments for commands that change nothing,
//! `GET /api` for the list of what the caller may call. Errors are problem details (RFC 9457). Who accepts nothing but
//! `text/event-stream` hears how far the command is.
//!
//! A request goes `decode` → dispatcher → `encode`. The body is read only once the caller was admitted.

mod decode;
mod encode;
mod events;

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use axum::http::{Method, Request};
use axum::response::Response;
use axum::routing::any;
use muster_core::caller::RequestId;
use muster_core::dispatch::{Admitted, Dispatcher, Head};
use muster_core::error::CallError;

use crate::http::authorization::presents_bearer;
use crate::http::caller::{self, Interface};
use crate::http::entrance::{self, Arrival};
use crate::http::problem::{self, Refusal};
use decode::{Target, Wanted};

/// What commands can be called with. Which of it a command takes, is for those to know who may call it.
const METHODS: &str = "GET, HEAD, POST, OPTIONS";
const METHODS_OF_CHANGES: &str = "POST, OPTIONS";

/// Bounds and parts of the ReST interface.
#[derive(Clone, Debug)]
pub struct Rest {
    dispatcher: Arc<Dispatcher>,
    /// Longest body, in bytes, for commands that do not need more.
    body_bytes_max: usize,
}

impl Rest {
    /// ReST in front of the dispatcher.
    pub fn new(dispatcher: Arc<Dispatcher>, body_bytes_max: usize) -> Self {
        Self { dispatcher, body_bytes_max }
    }

    /// The routes.
    pub fn router(self) -> Router {
        Router::new()
            .route("/api", any(list))
            .route("/api/{command}", any(call))
            .route("/api/{command}/{version}", any(call))
            .fallback(no_route)
            .with_state(self)
    }

    /// A failure, with the challenge that belongs to it.
    /// `bearer`: the request brings a token or key.
    fn refuse(&self, refusal: &Refusal, arrival: &Arrival, bearer: bool) -> Response {
        let mut response = problem::refusal(refusal, &arrival.request_id);
        let settings = self.dispatcher.authenticator().bearers().server.settings();
        let address = entrance::address_for(&settings.issuer, arrival);
        let address = address.as_deref().unwrap_or(&settings.issuer);
        problem::challenge(&mut response, bearer, address, problem::Resource::Host);
        response
    }
}

async fn no_route(request: Request<Body>) -> Response {
    problem::refusal(&Refusal::NoRoute, &Arrival::of(&request).request_id)
}

async fn list(State(rest): State<Rest>, request: Request<Body>) -> Response {
    let arrival = Arrival::of(&request);
    let request_id = &arrival.request_id;
    let result = match *request.method() {
        Method::OPTIONS => return problem::options("GET, HEAD, OPTIONS", request_id),
        Method::GET | Method::HEAD if request.uri().query().is_some() => {
            Err(Refusal::Call(CallError::Malformed("the list of commands has no arguments".to_owned())))
        }
        Method::GET | Method::HEAD => match caller::of(request.headers(), &arrival, Interface::REST) {
            Ok((credential, source)) => rest.dispatcher.list(credential, source).await.map_err(Refusal::Call),
            Err(error) => Err(Refusal::Call(error)),
        },
        _ => Err(Refusal::Method { allow: "GET, HEAD, OPTIONS" }),
    };
    match result {
        Ok(commands) => encode::listing(&commands, request_id),
        Err(refusal) => rest.refuse(&refusal, &arrival, presents_bearer(request.headers())),
    }
}

async fn call(State(rest): State<Rest>, request: Request<Body>) -> Response {
    let arrival = Arrival::of(&request);
    if request.method() == Method::OPTIONS {
        let shows_who = request.headers().contains_key(AUTHORIZATION);
        let head = Target::at(request.uri(), false).and_then(|target| target.head(request.headers(), &arrival));
        return problem::options(methods(&rest, head.ok().filter(|_| shows_who)).await, &arrival.request_id);
    }
    let bearer = presents_bearer(request.headers());
    match answer(&rest, request, &arrival).await {
        Ok(response) => response,
        Err(refusal) => rest.refuse(&refusal, &arrival, bearer),
    }
}

/// What may be done at an address: exactly, for those who show that they may call what is there.
async fn methods(rest: &Rest, head: Option<Head>) -> &'static str {
    let Some(head) = head else { return METHODS };
    match rest.dispatcher.find(head).await {
        Ok(listed) if !listed.registered.command.effects.read_only => METHODS_OF_CHANGES,
        Ok(_) | Err(_) => METHODS,
    }
}

/// Answers a call; what the answer says of rate limits stands on failures as well.
async fn answer(rest: &Rest, request: Request<Body>, arrival: &Arrival) -> Result<Response, Refusal> {
    // In parts, since what is held across a wait is moved with the call.
    let (parts, body) = request.into_parts();
    let head = Target::of(&parts)?.head(&parts.headers, arrival)?;
    let admitted = rest.dispatcher.admit(head).await.map_err(Refusal::Call)?;
    let rates = admitted.rates().to_vec();
    let result = run(rest, admitted, (&parts, body), &arrival.request_id).await;
    if rates.is_empty() {
        return result;
    }
    let mut response = result.unwrap_or_else(|refusal| problem::refusal(&refusal, &arrival.request_id));
    problem::standings(&mut response, &rates);
    Ok(response)
}

async fn run(
    rest: &Rest,
    admitted: Admitted,
    (parts, body): (&Parts, Body),
    request_id: &RequestId,
) -> Result<Response, Refusal> {
    let wanted = decode::wanted(parts, admitted.command())?;
    let bytes_max = admitted.command().input_bytes_max.unwrap_or(rest.body_bytes_max).max(rest.body_bytes_max);
    let unread = decode::arguments(parts, body, bytes_max, admitted.deadline()).await?;
    let version = admitted.command().version;
    let response = match wanted {
        Wanted::Events => events::stream(admitted, unread, request_id).await?,
        Wanted::Json | Wanted::Raw(_) => {
            let mut outcome = admitted.call(unread).await?;
            let next = outcome.next.take();
            let mut response = encode::result(outcome, wanted, request_id);
            if let Some(next) = next {
                encode::link_to_next(&mut response, parts.uri.path(), &next);
            }
            response
        }
    };
    Ok(encode::of_version(response, version))
}
