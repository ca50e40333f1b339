//! A guest that panics: the operator must find `boom-42` and the place in the log.

#![expect(clippy::panic, reason = "that is what it is for")]

use muster_sdk::{command, plugin};

/// Panics with the message boom-42
#[command(tags("hostile"))]
fn panic() -> u8 {
    panic!("boom-42")
}

plugin!(panic);
