//! From results and failures of calls to what the protocol has for them. A failure of a call is a result of the tool, with
//! `isError`: an assistant reads it, and can do better.

use axum::body::Body;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;
use muster_core::caller::RequestId;
use muster_core::command::Command;
use muster_core::dispatch::Outcome;
use muster_core::error::CallError;
use rmcp::model::{CallToolResult, ContentBlock};
use serde_json::{Value, json};

use super::decode::Unreadable;
use super::tool::structured;

/// A result: as a value, and as text for who reads only that.
pub(super) fn result(command: &Command, outcome: Outcome) -> CallToolResult {
    // A text is not put into quotes once more.
    let text = match &outcome.value {
        Value::String(text) => text.clone(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => outcome.text,
    };
    let mut result = CallToolResult::success(vec![ContentBlock::text(text)]);
    result.structured_content = Some(structured(command, outcome.value));
    result
}

/// A failure: in words, and in a second text the same that a problem over ReST says. There is nothing structured in it: that
/// would have to fit the schema of results (MCP 2025-06-18, Tools, «Output Schema»), and clients refuse what does not.
pub(super) fn failure(error: &CallError, request_id: &RequestId) -> CallToolResult {
    let mut problem = json!({
        "code": error.code(), "title": error.title(), "detail": error.detail(), "request_id": request_id.as_str(),
    });
    if let Some(problem) = problem.as_object_mut() {
        if let CallError::InvalidArguments(errors) = error {
            let errors = errors.iter().map(|error| json!({ "pointer": error.pointer, "detail": error.message }));
            problem.insert("errors".to_owned(), errors.collect());
        }
        problem.extend(error.retry_after_s().map(|seconds| ("retry_after_s".to_owned(), json!(seconds))));
    }
    let text = format!("{} ({}): {}", error.title(), error.code(), error.detail());
    CallToolResult::error(vec![ContentBlock::text(text), ContentBlock::text(problem.to_string())])
}

/// What is no message (JSON-RPC 2.0 §5.1). Where a request can be told what is wrong with it, that is an answer like others.
pub(super) fn unreadable(unreadable: Unreadable) -> Response {
    let (status, id, code, text) = match unreadable {
        Unreadable::Json(error) => {
            (StatusCode::BAD_REQUEST, Value::Null, -32700, format!("the message is not valid JSON: {error}"))
        }
        Unreadable::Request(text) => {
            (StatusCode::BAD_REQUEST, Value::Null, -32600, format!("the message is not a request: {text}"))
        }
        Unreadable::Parameters(Value::Null, text) => {
            (StatusCode::BAD_REQUEST, Value::Null, -32602, format!("invalid parameters: {text}"))
        }
        Unreadable::Parameters(id, text) => (StatusCode::OK, id, -32602, format!("invalid parameters: {text}")),
    };
    json(status, &json!({ "jsonrpc": "2.0", "id": id, "error": { "code": code, "message": text } }))
}

/// One message as JSON.
pub(super) fn json(status: StatusCode, message: &Value) -> Response {
    let mut response = Response::new(Body::from(message.to_string()));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
