//! A guest whose example breaks its own schema: the load must be refused.

use muster_sdk::{command, plugin};

/// Doubles a number
#[command(tags("hostile"), example("Text cannot be doubled", input = {"number": "two"}, output = 4))]
fn bad_example(
    /// The number.
    number: u8,
) -> u16 {
    u16::from(number) * 2
}

plugin!(bad_example);
