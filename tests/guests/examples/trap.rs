//! A guest that stops without a word.

use muster_sdk::{command, plugin};

/// Stops without a word
#[command(tags("hostile"))]
fn trap() -> u8 {
    std::process::abort()
}

plugin!(trap);
