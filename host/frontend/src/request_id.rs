//! Names of requests.

use std::sync::atomic::{AtomicU64, Ordering};

use axum::body::Body;
use axum::http::Request;
use muster_core::caller::RequestId;

use crate::listen::Peer;

/// Names requests: unique among hosts by the seed, within one by counting.
#[derive(Debug)]
pub(crate) struct RequestIds {
    seed: u64,
    next: AtomicU64,
}

impl RequestIds {
    pub(crate) fn new(seed: u64) -> Self {
        Self { seed, next: AtomicU64::new(1) }
    }

    /// The id the request got where it came in, or a new one.
    pub(crate) fn of(&self, request: &Request<Body>) -> RequestId {
        request.extensions().get().cloned().unwrap_or_else(|| self.next())
    }

    /// The id of a request that comes in: the one in its `X-Request-Id`, if a trusted proxy or the owner of this process
    /// says so, since only they do not send one twice; otherwise a new one, with what was sent beside it.
    pub(crate) fn assign(&self, request: &Request<Body>) -> RequestId {
        let mut values = request.headers().get_all("x-request-id").iter();
        let sent = match (values.next(), values.next()) {
            (Some(value), None) => value.to_str().ok().and_then(RequestId::parse),
            _ => None,
        };
        let is_believed = match request.extensions().get::<Peer>() {
            Some(Peer::Network { address, door, .. }) => door.trusted_proxies.has(address.ip()),
            Some(Peer::Owner) => true,
            None => false,
        };
        match sent {
            Some(sent) if is_believed => sent,
            Some(sent) => self.next().beside(&sent),
            None => self.next(),
        }
    }

    /// A new id.
    pub(crate) fn next(&self) -> RequestId {
        let count = self.next.fetch_add(1, Ordering::Relaxed);
        RequestId::from_random((u128::from(self.seed) << 64) | u128::from(count))
    }
}
