//! Time, from the operating system.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use muster_core::BoxFuture;
use muster_core::clock::Clock;

#[derive(Debug)]
pub(crate) struct SystemClock;

impl Clock for SystemClock {
    fn sleep_until(&self, moment: Instant) -> BoxFuture<'static, ()> {
        Box::pin(tokio::time::sleep_until(moment.into()))
    }

    #[expect(clippy::disallowed_methods, reason = "this is where time comes in")]
    fn since_epoch(&self) -> Duration {
        SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
    }
}
