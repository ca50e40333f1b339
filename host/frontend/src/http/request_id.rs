//! Names of requests.

use std::sync::atomic::{AtomicU64, Ordering};

use axum::http::HeaderName;
use muster_core::caller::RequestId;

use crate::http::listen::Peer;

/// Where a request says how it is called, and an answer how the request was.
pub(crate) const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

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

    /// The id of a request that comes in: the one in its `X-Request-Id`, if a trusted proxy or the owner of this process
    /// says so, since only they do not send one twice; otherwise a new one, with what was sent beside it.
    pub(crate) fn assign(&self, sent: Option<&str>, peer: &Peer) -> RequestId {
        let sent = sent.and_then(RequestId::parse);
        let is_believed = match peer {
            Peer::Network { address, door, .. } => door.trusted_proxies.has(address.ip()),
            Peer::Owner => true,
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
