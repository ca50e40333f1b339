//! Says in the log why credentials were not accepted, at most so often: a caller who sends wrong ones does not fill it.

use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use tracing::info;

use crate::address::canonical;
use crate::caller::RequestId;
use crate::error::CallError;
use crate::name::FrontendName;

/// Most lines in a window.
const LINES_MAX: u32 = 60;
/// How long a window is.
const WINDOW: Duration = Duration::from_mins(1);

/// Counts what was said since when.
#[derive(Debug, Default)]
pub(super) struct RejectionLog(Mutex<Window>);

#[derive(Debug, Default)]
struct Window {
    began: Option<Instant>,
    lines: u32,
    left_out: u64,
}

impl RejectionLog {
    /// Says so, where the error is about a credential that was presented.
    pub(super) fn note(&self, error: &CallError, via: FrontendName, address: Option<IpAddr>, request_id: &RequestId) {
        let Some(reason) = error.rejection() else { return };
        let Some(left_out) = self.turn(Instant::now()) else { return };
        if left_out > 0 {
            info!(left_out, "more credentials were rejected than are logged; the audit log contains all of them");
        }
        let (reason, request_id) = (reason.code(), request_id.as_str());
        let address = address.map(|address| canonical(address).to_string());
        info!(request_id, via = via.0, address, reason, "credential rejected");
    }

    /// Whether a line may be written now, and how many were not since the last one.
    fn turn(&self, now: Instant) -> Option<u64> {
        let mut window = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if window.began.is_none_or(|began| now.saturating_duration_since(began) >= WINDOW) {
            (window.began, window.lines) = (Some(now), 0);
        }
        if window.lines >= LINES_MAX {
            window.left_out += 1;
            return None;
        }
        window.lines += 1;
        Some(std::mem::take(&mut window.left_out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_bounded_and_those_left_out_are_counted() {
        let (log, now) = (RejectionLog::default(), Instant::now());
        let said = (0..1_000).filter(|_| log.turn(now).is_some()).count();
        assert_eq!(said, 60);
        assert_eq!(log.turn(now + WINDOW), Some(940));
        assert_eq!(log.turn(now + WINDOW), Some(0));
    }
}
