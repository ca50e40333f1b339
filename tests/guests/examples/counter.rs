//! A guest that counts in the store: no call may be lost or counted twice, whatever happens to the host.

use muster_sdk::{CallError, command, plugin, store};

/// Counts its calls durably and gives the count
#[command(tags("hostile"))]
fn counter() -> Result<u64, CallError> {
    Ok(store::open("counter")?.increment("calls", 1)?)
}

plugin!(counter);
