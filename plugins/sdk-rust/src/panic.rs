//! Tells the operator what a panic said: without it a host sees only that the guest stopped.

use std::panic::PanicHookInfo;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::raw::wasi::logging::logging::{Level, log};

/// Sends panics to the host's log from now on. Cheap: an instance may live for one call only.
pub(crate) fn report_panics() {
    static DONE: AtomicBool = AtomicBool::new(false);
    // On the author's machine there is no host to tell; the standard hook prints there.
    if cfg!(target_family = "wasm") && !DONE.swap(true, Ordering::Relaxed) {
        std::panic::set_hook(Box::new(report));
    }
}

fn report(panic: &PanicHookInfo<'_>) {
    let message = panic.payload_as_str().unwrap_or("a panic without a message");
    let line = match panic.location() {
        Some(location) => format!("{message} at {location}"),
        None => message.into(),
    };
    log(Level::Critical, "panic", &line);
}
