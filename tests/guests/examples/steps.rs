//! A guest that says how far it is.

use std::thread;
use std::time::Duration;

use muster_sdk::{command, plugin, progress};

/// Counts, and says how far it is
#[command(tags("hostile"), effects(read_only, idempotent))]
fn steps(
    /// How far to count.
    #[schemars(range(max = 1000))]
    to: u32,
    /// How long each step takes, in milliseconds.
    #[schemars(range(max = 1000))]
    ms: u32,
) -> u32 {
    for step in 1..=to {
        thread::sleep(Duration::from_millis(ms.into()));
        progress::report(step.into(), Some(to.into()), &format!("step {step}"));
    }
    to
}

plugin!(steps);
