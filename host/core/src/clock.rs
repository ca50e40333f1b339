//! Time, as the outside world gives it, so that tests own it.

use std::fmt::Debug;
use std::time::{Duration, Instant};

use crate::BoxFuture;

/// Tells and waits for time.
pub trait Clock: Debug + Send + Sync {
    /// Waits until the moment; at once if it is past.
    fn sleep_until(&self, moment: Instant) -> BoxFuture<'static, ()>;

    /// Time since 1970-01-01T00:00:00Z.
    fn since_epoch(&self) -> Duration;
}
