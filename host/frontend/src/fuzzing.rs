//! Doors for the fuzz targets of `tests/fuzz`. They are in no other build.

use axum::response::Response;
use muster_core::caller::RequestId;
use muster_core::error::CallError;

use crate::http::problem::{Refusal, refusal};

/// A failure as ReST tells it.
pub fn problem(error: CallError, request_id: &RequestId) -> Response {
    refusal(&Refusal::Call(error), request_id)
}
