//! What is known of a request once it is in.

use std::sync::Arc;

use axum::body::Body;
use axum::http::Request;
use muster_core::caller::RequestId;

use super::name::Asked;
use crate::http::listen::Peer;

/// A request that came in: how it is called, who is at the other end of its connection, and for whom it is.
#[derive(Debug)]
pub(crate) struct Arrival {
    pub(crate) request_id: RequestId,
    pub(crate) peer: Option<Arc<Peer>>,
    pub(crate) asked: Option<Asked>,
}

impl Arrival {
    /// What the entrance left with a request. A request that did not come through it has none.
    pub(crate) fn of(request: &Request<Body>) -> Arc<Self> {
        let unknown = || Arc::new(Self { request_id: RequestId::from_random(0), peer: None, asked: None });
        request.extensions().get().cloned().unwrap_or_else(unknown)
    }
}
