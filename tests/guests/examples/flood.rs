//! A guest that logs without measure and then answers: the answer must arrive and the log must stay readable.

#![expect(clippy::print_stderr, reason = "that is what it is for")]

use muster_sdk::{command, log, plugin};

/// Lines on each of the two ways out.
const LINES: u32 = 1_000_000;

/// Logs two million lines
#[command(tags("hostile"))]
fn flood() -> &'static str {
    for line in 0..LINES {
        log::info!("line {line}");
        eprintln!("line {line}");
    }
    "done"
}

plugin!(flood);
