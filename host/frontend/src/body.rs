//! Bodies of HTTP requests, bounded in size and time.

use std::time::{Duration, Instant};

use axum::body::Body;
use axum::http::Request;
use axum::http::header::{CONTENT_LENGTH, EXPECT};
use bytes::Bytes;
use http_body_util::{BodyExt, LengthLimitError, Limited};

/// Longest body that is taken only to be thrown away.
const DRAIN_BYTES_MAX: usize = 8 << 20;
/// Longest time for that.
const DRAIN_TIME_MAX: Duration = Duration::from_millis(500);

/// Why there is no body.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum BodyError {
    /// It is longer than it may be.
    TooLarge,
    /// It ended before its end.
    BrokenOff,
    /// It did not arrive in time.
    Slow,
}

/// Reads a body of at most `bytes_max` bytes, which must have arrived at the deadline.
///
/// # Errors
/// When it is too long, broken off, or not there in time.
pub(crate) async fn read(request: Request<Body>, bytes_max: usize, deadline: Instant) -> Result<Bytes, BodyError> {
    if declared_bytes(&request).is_some_and(|bytes| bytes > bytes_max) {
        drain(request).await;
        return Err(BodyError::TooLarge);
    }
    let reading = Limited::new(request.into_body(), bytes_max).collect();
    match tokio::time::timeout_at(deadline.into(), reading).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(BodyError::TooLarge),
        Ok(Err(_)) => Err(BodyError::BrokenOff),
        Err(_) => Err(BodyError::Slow),
    }
}

fn declared_bytes(request: &Request<Body>) -> Option<usize> {
    request.headers().get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok())
}

/// Takes a body that nobody wants, if it is not too long and comes soon. A client that is still sending when the
/// connection closes loses the answer (RFC 9112 §9.6), and would not learn why it was refused.
pub(crate) async fn drain(request: Request<Body>) {
    let waits_for_permission = request.headers().contains_key(EXPECT);
    if waits_for_permission || declared_bytes(&request).is_none_or(|bytes| bytes > DRAIN_BYTES_MAX) {
        return;
    }
    let mut body = request.into_body();
    let taking = async { while let Some(Ok(_)) = body.frame().await {} };
    let _ = tokio::time::timeout(DRAIN_TIME_MAX, taking).await;
}
