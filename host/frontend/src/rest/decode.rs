//! From an HTTP request to what the dispatcher takes. Everything here is outside text: nothing panics, all is bounded.

use std::time::Instant;

use axum::body::Body;
use axum::http::header::CONTENT_TYPE;
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, Uri};
use muster_core::command::Command;
use muster_core::dispatch::Head;
use muster_core::error::CallError;
use muster_core::schema::Unread;

use crate::http::accept::Accept;
use crate::http::body::{self, BodyError};
use crate::http::caller::{self, Interface};
use crate::http::entrance::{Arrival, is_of_page};
use crate::http::problem::Refusal;

/// The command a request is for, and how.
#[derive(Debug)]
pub(super) struct Target {
    name: String,
    version: Option<u32>,
    safe: bool,
}

impl Target {
    /// Reads method and path.
    pub(super) fn of(parts: &Parts) -> Result<Self, Refusal> {
        let safe = match parts.method {
            Method::GET | Method::HEAD => true,
            Method::POST => false,
            _ => return Err(Refusal::Method { allow: super::METHODS }),
        };
        Self::at(&parts.uri, safe)
    }

    /// Reads the path. `safe`: the method can change nothing.
    pub(super) fn at(target: &Uri, safe: bool) -> Result<Self, Refusal> {
        // Segments are taken as they stand: what need not be encoded was decoded where the request came in, and no command
        // has a name that would have to be.
        let mut segments = target.path().trim_start_matches('/').split('/').skip(1);
        let name = segments.next().unwrap_or_default().to_owned();
        let version = match segments.next() {
            None => None,
            Some(segment) => {
                let digits =
                    segment.strip_prefix('v').filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()));
                Some(digits.and_then(|digits| digits.parse().ok()).ok_or(Refusal::NoRoute)?)
            }
        };
        Ok(Self { name, version, safe })
    }

    pub(super) fn head(self, headers: &HeaderMap, arrival: &Arrival) -> Result<Head, Refusal> {
        let (credential, source) = caller::of(headers, arrival, Interface::REST)?;
        Ok(Head { source, credential, name: self.name, version: self.version, safe: self.safe })
    }
}

/// In which form the client wants the result.
#[derive(Debug)]
pub(super) enum Wanted {
    /// JSON.
    Json,
    /// The bytes the command's result is the base64 of, with their media type.
    Raw(String),
    /// Events while it runs, and the result as the last of them.
    Events,
}

/// Negotiates the form of the result (RFC 9110 §12.5.1).
pub(super) fn wanted(parts: &Parts, command: &Command) -> Result<Wanted, Refusal> {
    let accept = Accept::of(&parts.headers);
    let takes = |kind: &str| accept.named(kind).filter(|weight| *weight > 0);
    let json = takes("application/json");
    let schema = command.output.json();
    let text = |key: &str| schema.get(key).and_then(serde_json::Value::as_str);
    if let (Some("base64"), Some(raw)) = (text("contentEncoding"), text("contentMediaType"))
        && takes(media_type(raw)) >= json.max(Some(1))
    {
        return Ok(Wanted::Raw(raw.to_owned()));
    }
    // Who takes both did not ask for a stream: clients that were generated name every form there is.
    if takes("text/event-stream").is_some() && json.is_none() && parts.method != Method::HEAD {
        return Ok(Wanted::Events);
    }
    // Who names problems alone takes results as what problems are.
    let takes_json = accept.quality("application/json") > 0 || takes("application/problem+json").is_some();
    if takes_json { Ok(Wanted::Json) } else { Err(Refusal::NotAcceptable) }
}

fn media_type(value: &str) -> &str {
    value.split(';').next().unwrap_or_default().trim()
}

/// Reads the arguments, from the query of a safe request, otherwise from the body, which must be there at the deadline.
pub(super) async fn arguments(
    parts: &Parts,
    body: Body,
    bytes_max: usize,
    deadline: Instant,
) -> Result<Unread, Refusal> {
    // A `?` with nothing behind it says nothing.
    let query = parts.uri.query().filter(|query| !query.is_empty());
    if matches!(parts.method, Method::GET | Method::HEAD) {
        return Ok(Unread::Pairs(query.map(pairs).transpose()?.unwrap_or_default()));
    }
    if query.is_some() {
        let text = "send the arguments of a POST in its body as a JSON object, not in the address";
        return Err(Refusal::Call(CallError::Malformed(text.to_owned())));
    }
    let kind = parts.headers.get(CONTENT_TYPE).map(|value| value.to_str().map(media_type).unwrap_or_default());
    let kind = kind.map(str::to_ascii_lowercase);
    match kind.as_deref() {
        Some("application/json") => {}
        Some(kind) if kind.starts_with("application/") && kind.ends_with("+json") => {}
        // The form type is what curl says when it is told nothing. A page of any site can send it, and no type at all,
        // without asking first.
        None | Some("application/x-www-form-urlencoded") if !is_of_page(&parts.headers) => {}
        None | Some(_) => return Err(Refusal::MediaType),
    }
    let body = body::read(&parts.headers, body, bytes_max, deadline).await.map_err(|error| match error {
        BodyError::TooLarge => Refusal::Call(CallError::TooLarge { bytes_max }),
        BodyError::BrokenOff => Refusal::Call(CallError::Malformed("the body is incomplete".to_owned())),
        BodyError::Slow => Refusal::SlowBody,
    });
    Ok(Unread::Json(body?))
}

/// Splits a query into pairs of text (WHATWG URL §5.1).
fn pairs(query: &str) -> Result<Vec<(String, String)>, Refusal> {
    let decode = |text: &str| {
        percent_decode(text)
            .ok_or_else(|| Refusal::Call(CallError::Malformed("the query has an escape that is not UTF-8".to_owned())))
    };
    query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (name, value) = pair.split_once('=').ok_or_else(|| {
                Refusal::Call(CallError::Malformed("each query argument has the form `name=value`".to_owned()))
            })?;
            Ok((decode(name)?, decode(value)?))
        })
        .collect()
}

fn percent_decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let mut digit = || char::from(rest.next()?).to_digit(16);
                u8::try_from(digit()? * 16 + digit()?).ok()?
            }
            other => other,
        });
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_undone_or_refused() {
        for (text, expected) in [
            ("a+b%20c%2B", Some("a b c+")),
            ("%C3%A9", Some("é")),
            ("%", None),
            ("%4", None),
            ("%zz", None),
            ("%ff", None),
        ] {
            assert_eq!(percent_decode(text).as_deref(), expected, "{text}");
        }
    }
}
