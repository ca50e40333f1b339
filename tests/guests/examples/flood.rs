//! A guest that logs without measure and then answers: the answer must arrive and the log must stay readable.

use std::io::Write;

use muster_sdk::{command, log, plugin};

/// Lines on each of the two ways out.
const LINES: u32 = 20_000;

/// Logs forty thousand lines
#[command(tags("hostile"))]
fn flood() -> &'static str {
    let mut stderr = std::io::stderr();
    for line in 0..LINES {
        log::info!("line {line}");
        // Not `eprintln!`: a host may close the stream when it has heard enough.
        let _ = writeln!(stderr, "line {line}");
    }
    "done"
}

plugin!(flood);
