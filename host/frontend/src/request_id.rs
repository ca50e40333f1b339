//! Names of requests that do not name themselves.

use std::sync::atomic::{AtomicU64, Ordering};

use axum::body::Body;
use axum::http::Request;
use muster_core::caller::RequestId;

/// Names requests that do not name themselves: unique among hosts by the seed, within one by counting.
#[derive(Debug)]
pub(crate) struct RequestIds {
    seed: u64,
    next: AtomicU64,
}

impl RequestIds {
    pub(crate) fn new(seed: u64) -> Self {
        Self { seed, next: AtomicU64::new(1) }
    }

    /// The id in the request's `X-Request-Id`, if it has a usable one, or a new one.
    pub(crate) fn of(&self, request: &Request<Body>) -> RequestId {
        let sent = request.headers().get("x-request-id").and_then(|value| value.to_str().ok());
        sent.and_then(RequestId::parse).unwrap_or_else(|| self.next())
    }

    /// A new id.
    pub(crate) fn next(&self) -> RequestId {
        let count = self.next.fetch_add(1, Ordering::Relaxed);
        RequestId::from_random((u128::from(self.seed) << 64) | u128::from(count))
    }
}
