//! The body of a message, read within bounds and as strictly as every other JSON. The protocol itself is read by `rmcp`; here
//! is only what has to be known before.

use std::time::Duration;

use axum::body::Body;
use axum::http::HeaderMap;
use axum::http::header::CONTENT_LENGTH;
use bytes::Bytes;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use muster_core::error::CallError;
use muster_core::schema::{DEPTH_MAX, JsonError, parse_json};
use serde_json::Value;

use crate::http::problem::Refusal;

/// Longest time a message may take to arrive.
const MESSAGE_TIME_MAX: Duration = Duration::from_secs(30);
/// Levels a message has around the arguments of a call.
const LEVELS: usize = 2;

/// What a message is about.
#[derive(Debug, Default)]
pub(super) struct Message {
    method: String,
    /// The tool that is called, if one is.
    pub(super) tool: Option<String>,
    /// The revision an initialization asks for.
    asked: Option<String>,
}

impl Message {
    /// Whether it opens a session.
    pub(super) fn is_initialize(&self) -> bool {
        self.method == "initialize"
    }

    /// The revision the client speaks: what it asks for when it begins, then what it says with each request. Those before
    /// 2025-06-18 said nothing.
    pub(super) fn revision<'a>(&'a self, headers: &'a HeaderMap) -> &'a str {
        let said = headers.get("mcp-protocol-version").and_then(|value| value.to_str().ok());
        self.asked.as_deref().or(said).unwrap_or_default()
    }

    /// Whether it opens a stream of a client that has no session.
    pub(super) fn is_listen(&self) -> bool {
        self.method == "subscriptions/listen"
    }
}

/// Why a body is no message.
#[derive(Debug)]
pub(super) enum Unreadable {
    /// It is no JSON.
    Json(JsonError),
    /// It is no request, notification or response (JSON-RPC 2.0 §4).
    Request(&'static str),
    /// Its parameters are of another form; the request of this id has them.
    Parameters(Value, &'static str),
}

/// Holds a message against what every one of them has. The crate tells only that something did not fit.
fn check(value: &Value) -> Result<(), Unreadable> {
    let message = match value {
        Value::Object(message) => message,
        Value::Array(_) => return Err(Unreadable::Request("batches are not supported; send messages one by one")),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            return Err(Unreadable::Request("a message must be an object"));
        }
    };
    if message.get("jsonrpc").and_then(Value::as_str) != Some("2.0") {
        return Err(Unreadable::Request("`jsonrpc` must be \"2.0\""));
    }
    let id = message.get("id");
    if id.is_some_and(|id| !(id.is_string() || id.is_i64() || id.is_u64())) {
        return Err(Unreadable::Request("`id` must be a string or an integer; omit it for a notification"));
    }
    let method = match message.get("method") {
        Some(Value::String(method)) => method,
        Some(_) => return Err(Unreadable::Request("`method` must be a string")),
        None if id.is_some() && (message.contains_key("result") || message.contains_key("error")) => return Ok(()),
        None => return Err(Unreadable::Request("`method` is missing")),
    };
    let unfit = |text| Err(Unreadable::Parameters(id.cloned().unwrap_or_default(), text));
    let parameters = match message.get("params") {
        None => None,
        Some(Value::Object(parameters)) => Some(parameters),
        Some(_) => return unfit("`params` must be an object"),
    };
    if method == "tools/call" {
        if !parameters.is_some_and(|parameters| parameters.get("name").is_some_and(Value::is_string)) {
            return unfit("`params` must contain the `name` of a tool");
        }
        let arguments = parameters.and_then(|parameters| parameters.get("arguments"));
        if arguments.is_some_and(|arguments| !(arguments.is_object() || arguments.is_null())) {
            return unfit("`arguments` must be an object");
        }
    }
    Ok(())
}

/// Reads a message.
///
/// # Errors
/// When it is too long, too slow or broken off; inside, when it is no message.
pub(super) async fn message(
    body: Body,
    headers: &HeaderMap,
    bytes_max: usize,
) -> Result<Result<(Bytes, Message), Unreadable>, Refusal> {
    let too_large = Refusal::Call(CallError::TooLarge { bytes_max });
    let declared: Option<usize> = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    if declared.is_some_and(|bytes| bytes > bytes_max) {
        return Err(too_large);
    }
    let reading = Limited::new(body, bytes_max).collect();
    let bytes = match tokio::time::timeout(MESSAGE_TIME_MAX, reading).await {
        Err(_) => return Err(Refusal::SlowBody),
        Ok(Ok(body)) => body.to_bytes(),
        Ok(Err(error)) if error.is::<LengthLimitError>() => return Err(too_large),
        Ok(Err(_)) => return Err(Refusal::Call(CallError::Malformed("the body is incomplete".to_owned()))),
    };
    let value = match parse_json(&bytes, DEPTH_MAX + LEVELS) {
        Ok(value) => value,
        Err(error) => return Ok(Err(Unreadable::Json(error))),
    };
    Ok(check(&value).map(|()| {
        let text = |value: Option<&Value>| value.and_then(Value::as_str).map(str::to_owned);
        let method = text(value.get("method")).unwrap_or_default();
        let name = || text(value.get("params").and_then(|params| params.get("name")));
        let tool = (method == "tools/call").then(|| name().unwrap_or_default());
        let asked = || text(value.get("params").and_then(|params| params.get("protocolVersion")));
        let asked = if method == "initialize" { Some(asked().unwrap_or_default()) } else { None };
        (bytes, Message { method, tool, asked })
    }))
}
