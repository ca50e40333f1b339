//! Streams of events for clients that read them otherwise: those of older revisions take every event for a message, and some
//! take no stream at all.

use axum::body::Body;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderName, StatusCode};
use axum::response::Response;
use futures_util::StreamExt;
use futures_util::future::ready;
use serde_json::{Value, json};

use super::encode;
use super::session::SESSION_ID;

fn is_stream(response: &Response) -> bool {
    response.headers().get(CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"text/event-stream"))
}

/// The answer without events that have no data, if it is a stream of events. Signs of life are comments, and stay.
pub(super) fn with_data(response: Response) -> Response {
    if !is_stream(&response) {
        return response;
    }
    // Each piece of the crate's streams is one event.
    response.map(|body| {
        Body::from_stream(body.into_data_stream().filter(|piece| ready(!matches!(piece, Ok(event) if is_empty(event)))))
    })
}

/// The answer as JSON, if it is a stream of events: the first message in it that answers a request. What else is told on the
/// way is for clients that take streams.
pub(super) async fn as_json(response: Response) -> Response {
    if !is_stream(&response) {
        return response;
    }
    let (parts, body) = response.into_parts();
    let mut events = body.into_data_stream();
    let answer = loop {
        match events.next().await {
            Some(Ok(event)) => {
                if let Some(message) = answer(&event) {
                    break Some(message);
                }
            }
            Some(Err(_)) | None => break None,
        }
    };
    let mut json = if let Some(answer) = answer {
        encode::json(parts.status, &answer)
    } else {
        let error = json!({ "code": -32603, "message": "the response stream ended early" });
        encode::json(StatusCode::INTERNAL_SERVER_ERROR, &json!({ "jsonrpc": "2.0", "id": null, "error": error }))
    };
    json.headers_mut()
        .extend(parts.headers.get(SESSION_ID).map(|id| (HeaderName::from_static(SESSION_ID), id.clone())));
    json
}

/// The message of an event, if it answers a request.
fn answer(event: &[u8]) -> Option<Value> {
    let lines = event.split(|byte| *byte == b'\n').filter_map(|line| line.strip_prefix(b"data:"));
    let data: Vec<&[u8]> = lines.map(<[u8]>::trim_ascii).collect();
    let message: Value = serde_json::from_slice(&data.concat()).ok()?;
    (message.get("result").is_some() || message.get("error").is_some()).then_some(message)
}

/// Whether it is an event, and has no data (WHATWG HTML §9.2.6).
fn is_empty(event: &[u8]) -> bool {
    let mut has_fields = false;
    for line in
        event.split(|byte| matches!(byte, b'\n' | b'\r')).filter(|line| !line.is_empty() && !line.starts_with(b":"))
    {
        has_fields = true;
        if line.strip_prefix(b"data:").is_some_and(|data| !data.trim_ascii().is_empty()) {
            return false;
        }
    }
    has_fields
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_without_data_are_told_from_messages_and_signs_of_life() {
        for event in ["id: 0\nretry: 3000\ndata: \n\n", "data:\nid: 0/0\n\n", "retry: 3000\n\n", "id: 7\r\n\r\n"] {
            assert!(is_empty(event.as_bytes()), "{event:?}");
        }
        for event in
            [":\n\n", ": alive\n\n", "data: {}\n\n", "id: 0\ndata: {\"jsonrpc\":\"2.0\"}\n\n", "data:\ndata: x\n\n", ""]
        {
            assert!(!is_empty(event.as_bytes()), "{event:?}");
        }
    }
}
