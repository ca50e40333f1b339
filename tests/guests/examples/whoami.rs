//! A guest that tells what it learns about its caller.

use muster_sdk::{Caller, command, plugin};

/// Tells who calls
#[command(tags("hostile"), effects(read_only, idempotent), audience = "open")]
fn whoami(caller: Caller) -> Caller {
    caller
}

plugin!(whoami);
