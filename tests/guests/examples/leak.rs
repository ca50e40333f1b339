//! A guest that remembers earlier calls, as far as it lives: with an instance for each call the answer is always 1.

use std::sync::atomic::{AtomicU32, Ordering};

use muster_sdk::{command, plugin};

static CALLS: AtomicU32 = AtomicU32::new(0);

/// Counts the calls to this instance
#[command(tags("hostile"))]
fn leak() -> u32 {
    CALLS.fetch_add(1, Ordering::Relaxed) + 1
}

plugin!(leak);
