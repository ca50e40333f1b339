//! A guest that waits in the host, where no guest instruction is counted: it must end at its deadline all the same.

use std::thread;
use std::time::Duration;

use muster_sdk::{command, plugin};

/// Sleeps for a minute
#[command(tags("hostile"))]
fn sleep() -> &'static str {
    thread::sleep(Duration::from_mins(1));
    "awake"
}

plugin!(sleep);
