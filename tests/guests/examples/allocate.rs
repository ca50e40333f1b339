//! A guest that takes memory for ever: it must end at its memory limit.

use std::hint::black_box;

use muster_sdk::{command, plugin};

/// Takes memory for ever
#[command(tags("hostile"))]
fn allocate() -> u64 {
    let mut blocks = Vec::new();
    loop {
        // Written to, so that it is memory and not a promise of memory.
        blocks.push(black_box(vec![1_u8; 1 << 20]));
    }
}

plugin!(allocate);
