//! One failure of each kind, for the tables of errors each wire has.

use std::sync::Arc;
use std::time::Duration;

use muster_core::caller::RequestId;
use muster_core::error::{CallError, Fault};
use muster_core::rate::RateLimitStatus;

/// One of each.
pub(crate) fn one_of_each() -> Vec<CallError> {
    let text = || "text".to_owned();
    let retry_after = Duration::from_secs(7);
    let standing = RateLimitStatus {
        name: Arc::from("mail"),
        burst: 10,
        window_s: 20,
        remaining: 0,
        retry_after: Duration::from_secs(3),
    };
    vec![
        CallError::Malformed(text()),
        CallError::argument("/a", "is required"),
        CallError::Unauthenticated { rejected: None },
        CallError::Unauthenticated { rejected: Some(muster_core::authn::Rejection::Expired) },
        CallError::Forbidden { scope: None, reference: None },
        CallError::Forbidden { scope: None, reference: RequestId::parse("r-1") },
        CallError::UnknownCommand(text()),
        CallError::NotReadOnly,
        CallError::TooLarge { bytes_max: 100 },
        CallError::NotFound(text()),
        CallError::Conflict(text()),
        CallError::Denied(text()),
        CallError::Unavailable(text()),
        CallError::Failed(text()),
        CallError::TooManyCalls,
        CallError::Throttled { retry_after },
        CallError::RateLimited { standing },
        CallError::LimitExceeded { limit: "memory_bytes_max", bound: "64 MiB".to_owned() },
        CallError::Deadline { deadline_ms: 30_000 },
        CallError::PluginRefused { code: "component-invalid", text: text() },
        CallError::Quarantined { retry_after },
        CallError::PluginFault { fault: Fault::Trap, internal: "secret".to_owned() },
        CallError::Internal { internal: "secret".to_owned() },
    ]
}
