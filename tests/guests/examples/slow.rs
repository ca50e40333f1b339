//! A guest that is busy for as long as it is asked to be.

use std::hint::black_box;
use std::time::{Duration, Instant};

use muster_sdk::{command, plugin};

/// Computes for some time and gives the rounds it did
#[command(tags("hostile"), effects(read_only, idempotent))]
fn slow(
    /// How long, in milliseconds.
    #[schemars(range(max = 600_000))]
    ms: u32,
) -> u64 {
    let (start, length) = (Instant::now(), Duration::from_millis(ms.into()));
    let mut rounds = 0_u64;
    while start.elapsed() < length {
        // The clock is the host's: between two looks at it, stay in the guest.
        for _ in 0..10_000 {
            rounds = black_box(rounds + 1);
        }
    }
    rounds
}

plugin!(slow);
