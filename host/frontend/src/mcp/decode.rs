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

use crate::problem::Refusal;

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
}

impl Message {
    /// Whether it opens a session.
    pub(super) fn is_initialize(&self) -> bool {
        self.method == "initialize"
    }

    /// Whether it opens a stream of a client that has no session.
    pub(super) fn is_listen(&self) -> bool {
        self.method == "subscriptions/listen"
    }
}

/// Reads a message.
///
/// # Errors
/// When it is too long, too slow or broken off; inside, when it is no JSON.
pub(super) async fn message(
    body: Body,
    headers: &HeaderMap,
    bytes_max: usize,
) -> Result<Result<(Bytes, Message), JsonError>, Refusal> {
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
        Ok(Err(_)) => return Err(Refusal::Call(CallError::Malformed("the body broke off".to_owned()))),
    };
    Ok(parse_json(&bytes, DEPTH_MAX + LEVELS).map(|value| {
        let text = |value: Option<&Value>| value.and_then(Value::as_str).map(str::to_owned);
        let method = text(value.get("method")).unwrap_or_default();
        let name = || text(value.get("params").and_then(|params| params.get("name")));
        let tool = (method == "tools/call").then(|| name().unwrap_or_default());
        (bytes, Message { method, tool })
    }))
}
