//! A guest that calls itself for ever: it must end at its stack limit.

use std::hint::black_box;

use muster_sdk::{command, plugin};

/// Calls itself for ever
#[command(tags("hostile"))]
fn recurse() -> u64 {
    deeper(0)
}

/// Holds nothing in memory, so that the engine's stack overflows and not the guest's own.
#[expect(unconditional_recursion, reason = "that is what it is for")]
fn deeper(depth: u64) -> u64 {
    // Work after the call keeps it from becoming a loop.
    deeper(depth.wrapping_add(1)).wrapping_mul(black_box(3))
}

plugin!(recurse);
