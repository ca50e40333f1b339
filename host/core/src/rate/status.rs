//! How far a rate limit is used, as callers are told.

use std::sync::Arc;
use std::time::Duration;

/// Where a caller stands with one limit.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RateLimitStatus {
    /// The limit's name.
    pub name: Arc<str>,
    /// Calls a full bucket holds.
    pub burst: u32,
    /// Time in which an empty one fills up, in seconds.
    pub window_s: u64,
    /// Calls left.
    pub remaining: u32,
    /// When there is one more.
    pub retry_after: Duration,
}
