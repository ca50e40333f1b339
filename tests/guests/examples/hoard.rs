//! A guest that keeps as much as it is asked to keep: it must get no further than its quota.

use muster_sdk::{CallError, command, plugin, store};

/// Keeps values, and gives how many were kept before it was refused
#[command(tags("hostile"))]
fn hoard(
    /// How many keys.
    keys: u32,
    /// Bytes of each value.
    bytes: usize,
) -> Result<u32, CallError> {
    let bucket = store::open("hoard")?;
    for key in 0..keys {
        if bucket.set(&format!("k{key:08}"), &vec![0_u8; bytes]).is_err() {
            return Ok(key);
        }
    }
    Ok(keys)
}

plugin!(hoard);
