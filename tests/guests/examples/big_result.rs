//! A guest whose answer is too big: it must become an error, not the host's memory.

use muster_sdk::{command, plugin};

/// Answers with a long text
#[command(tags("hostile"))]
fn big_result(
    /// Its length in bytes, 100 MB otherwise. The answer has two more, for its quotes.
    #[serde(default = "hundred_megabytes")]
    bytes: u32,
) -> String {
    "x".repeat(bytes as usize)
}

fn hundred_megabytes() -> u32 {
    100_000_000
}

plugin!(big_result);
