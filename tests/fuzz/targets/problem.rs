//! Failures as problem details: whatever their texts, the answer is one JSON object and headers that can be sent.
#![no_main]

use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use muster_core::caller::RequestId;
use muster_core::error::{ArgumentError, CallError};
use muster_frontend::fuzzing::problem;

fuzz_target!(|input: (u8, String, String, u64)| {
    let (kind, text, other, number) = input;
    let internal = format!("INTERNAL-{number}");
    let error = match kind % 12 {
        0 => CallError::Malformed(text),
        1 => CallError::InvalidArguments(vec![ArgumentError { pointer: text, message: other }]),
        2 => CallError::UnknownCommand(text),
        3 => CallError::NotFound(text),
        4 => CallError::Conflict(text),
        5 => CallError::Denied(text),
        6 => CallError::Unavailable(text),
        7 => CallError::Failed(text),
        8 => CallError::LimitExceeded { limit: "memory_bytes_max", bound: text },
        9 => CallError::PluginRefused { code: "plugin-link-failed", text },
        10 => CallError::Quarantined { retry_after: Duration::from_millis(number) },
        _ => CallError::Internal { internal: internal.clone() },
    };
    let status = problem(error.clone(), &RequestId::from_random(number.into())).status();
    assert!(status.is_client_error() || status.is_server_error());
    let is_internal = matches!(error, CallError::Internal { .. });
    assert!(!is_internal || !error.detail().contains(&internal), "what is internal stays inside");
});
