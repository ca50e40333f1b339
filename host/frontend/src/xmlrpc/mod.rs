//! XML-RPC, as old clients of ejabberd speak it: `methodName` is the command, the arguments are one struct, and user,
//! server and password may stand in another one before it. `system.listMethods` lists what the caller may call.
//!
//! A request goes `decode` → dispatcher → `encode`. Unlike in ReST the body is read before the caller is known, since
//! the method stands in it: it is bounded in size, in elements and in time.

mod decode;
mod ejabberd;
mod encode;
mod fault;
mod value;

use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::http::{Method, Request};
use axum::response::Response;
use axum::routing::any;
use bytes::Bytes;
use muster_core::authn::{Credential, Source};
use muster_core::command::Command;
use muster_core::dispatch::{Dispatcher, Head};
use muster_core::name::FrontendName;
use muster_core::schema::{Schema, Unread};
use serde_json::{Value, json};

use crate::http::body::{self, BodyError};
use crate::http::caller::{self, Interface};
use crate::http::entrance::{Arrival, is_of_page};
use crate::http::problem::{self, Refusal};
use decode::{Login, MethodCall};
use fault::Fault;

/// The interface's name in rules.
const XMLRPC: FrontendName = FrontendName("xmlrpc");
/// Methods that tell about methods, and what they do.
const SYSTEM: [(&str, &str); 3] = [
    ("system.listMethods", "Lists the methods the caller may call"),
    ("system.methodHelp", "Describes a method the caller may call"),
    ("system.methodSignature", "Shows the types of the result and the parameters of a method"),
];

/// Bounds and parts of the XML-RPC interface.
#[derive(Clone, Debug)]
pub struct XmlRpc {
    dispatcher: Arc<Dispatcher>,
    /// Longest body, in bytes.
    body_bytes_max: usize,
    /// The schema everything satisfies.
    anything: Arc<Schema>,
}

/// Reads a call, for the fuzz target.
#[cfg(fuzzing)]
pub fn fuzz(body: &[u8]) {
    let _ = decode::MethodCall::read(body);
}

impl XmlRpc {
    /// XML-RPC in front of the dispatcher.
    ///
    /// # Errors
    /// Never, as long as `true` is a schema.
    pub fn new(dispatcher: Arc<Dispatcher>, body_bytes_max: usize) -> Result<Self, String> {
        let anything = Arc::new(Schema::output(Value::Bool(true))?);
        Ok(Self { dispatcher, body_bytes_max, anything })
    }

    /// The one route, at `path`.
    pub fn router(self, path: &str) -> Router {
        Router::new().route(path, any(handle)).with_state(self)
    }
}

async fn handle(State(wire): State<XmlRpc>, request: Request<Body>) -> Response {
    let arrival = Arrival::of(&request);
    let request_id = &arrival.request_id;
    match *request.method() {
        Method::POST => {}
        Method::OPTIONS => return encode::options(request_id),
        _ => return problem::refusal(&Refusal::Method { allow: encode::ALLOWED }, request_id),
    }
    let kind = request.headers().get(CONTENT_TYPE).map(|value| value.to_str().unwrap_or_default());
    let kind = kind.map(|kind| kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase());
    // A page of any site can send a body of no type without asking first.
    let is_taken = match kind.as_deref() {
        Some("text/xml" | "application/xml") => true,
        None => !is_of_page(request.headers()),
        Some(_) => false,
    };
    if !is_taken {
        return encode::media_type(request_id);
    }
    match answer(&wire, request, &arrival).await {
        Ok(document) => encode::answer(document, None, request_id),
        Err(fault) => encode::answer(encode::fault(&fault, &wire.anything), fault.retry_after_s, request_id),
    }
}

async fn answer(wire: &XmlRpc, request: Request<Body>, arrival: &Arrival) -> Result<String, Fault> {
    let (credential, source) =
        caller::of(request.headers(), arrival, Interface::XMLRPC).map_err(|error| Fault::of(&error, None))?;
    let body = read(wire, request).await?;
    let call = MethodCall::read(&body)?;
    // The tree is all that is needed of it.
    drop(body);
    let login = call.login(credential)?;
    // Who logs in over the local socket wants to be that account.
    let source = if login.is_parameter { Source { via: XMLRPC, ..source } } else { source };
    match call.method.as_str() {
        "system.listMethods" => list(wire, login.credential, source).await,
        "system.methodHelp" => help(wire, call.text(&login)?, login, source).await,
        "system.methodSignature" => signature(wire, call.text(&login)?, login, source).await,
        method if method.starts_with("system.") => {
            Err(Fault::no_method("there is no such method; send calls one by one"))
        }
        _ => run(wire, call, login, source).await,
    }
}

async fn read(wire: &XmlRpc, request: Request<Body>) -> Result<Bytes, Fault> {
    let deadline = Instant::now() + wire.dispatcher.deadline();
    let (head, body) = request.into_parts();
    body::read(&head.headers, body, wire.body_bytes_max, deadline).await.map_err(|error| match error {
        BodyError::TooLarge => {
            Fault::invalid(format!("too-large: a call may have at most {} bytes", wire.body_bytes_max))
        }
        BodyError::BrokenOff => Fault::not_xml("the body is incomplete"),
        BodyError::Slow => Fault::invalid("slow-request: the whole body must arrive within the time a call may take"),
    })
}

async fn run(wire: &XmlRpc, call: MethodCall, login: Login, source: Source) -> Result<String, Fault> {
    let head = head(call.method.clone(), login.credential.clone(), source);
    let admitted = wire.dispatcher.admit(head).await.map_err(|error| Fault::of(&error, None))?;
    let registered = Arc::clone(admitted.registered());
    let command = &registered.command;
    let arguments = call.arguments(&login, &command.input)?;
    // A tree is much larger than what it says, and calls may take long.
    drop(call);
    let given = arguments.clone();
    let outcome = admitted.call(Unread::Object(arguments)).await;
    let outcome = outcome.map_err(|error| Fault::of(&error, Some((&given, &command.input))))?;
    Ok(encode::result(&outcome.value, command))
}

fn head(name: String, credential: Credential, source: Source) -> Head {
    Head { source, credential, name, version: None, safe: false }
}

/// What the caller may call, each name once.
async fn list(wire: &XmlRpc, credential: Credential, source: Source) -> Result<String, Fault> {
    let listed = wire.dispatcher.list(credential, source).await.map_err(|error| Fault::of(&error, None))?;
    let mut names: Vec<&str> = listed.iter().map(|listed| listed.registered.command.name.as_str()).collect();
    names.dedup();
    names.extend(SYSTEM.map(|(name, _)| name));
    Ok(encode::plain(&json!(names), &wire.anything))
}

async fn help(wire: &XmlRpc, method: String, login: Login, source: Source) -> Result<String, Fault> {
    if let Some((_, text)) = SYSTEM.iter().find(|(name, _)| *name == method) {
        return Ok(encode::plain(&json!(text), &wire.anything));
    }
    let text = with_command(wire, method, login, source, |command| {
        format!("{}\n\n{}", command.summary, command.description).trim_end().to_owned()
    });
    Ok(encode::plain(&json!(text.await?), &wire.anything))
}

/// Results and arguments are structs; without arguments there is none.
async fn signature(wire: &XmlRpc, method: String, login: Login, source: Source) -> Result<String, Fault> {
    let signatures = match method.as_str() {
        "system.listMethods" => json!([["array"], ["array", "struct"]]),
        "system.methodHelp" => json!([["string", "string"], ["string", "struct", "string"]]),
        "system.methodSignature" => json!([["array", "string"], ["array", "struct", "string"]]),
        _ => {
            let takes =
                with_command(wire, method, login, source, |command| command.input.properties().next().is_some());
            if takes.await? {
                json!([["struct", "struct"], ["struct", "struct", "struct"]])
            } else {
                json!([["struct"], ["struct", "struct"]])
            }
        }
    };
    Ok(encode::plain(&signatures, &wire.anything))
}

/// Something about a command the caller may call.
async fn with_command<T>(
    wire: &XmlRpc,
    method: String,
    login: Login,
    source: Source,
    about: impl FnOnce(&Command) -> T,
) -> Result<T, Fault> {
    let head = head(method, login.credential, source);
    let found = wire.dispatcher.find(head).await.map_err(|error| Fault::of(&error, None))?;
    Ok(about(&found.registered.command))
}
