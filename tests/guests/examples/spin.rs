//! A guest that computes for ever: it must end at its deadline, and its neighbours must not notice.

use std::hint::black_box;

use muster_sdk::{command, plugin};

/// Computes for ever
#[command(tags("hostile"))]
fn spin() -> u64 {
    let mut rounds = 0_u64;
    loop {
        rounds = black_box(rounds.wrapping_add(1));
    }
}

plugin!(spin);
