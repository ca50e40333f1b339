//! A guest whose answer is too big: it must become an error, not the host's memory.

use muster_sdk::{command, plugin};

/// Bytes of the answer, about.
const BYTES: usize = 100_000_000;

/// Answers with a text of 100 MB
#[command(tags("hostile"))]
fn big_result() -> String {
    "x".repeat(BYTES)
}

plugin!(big_result);
