//! A guest that ends its process: it must end its call, and not the host.

use muster_sdk::{command, plugin};

/// Exits with status 3
#[command(tags("hostile"))]
fn exit() -> u8 {
    std::process::exit(3)
}

plugin!(exit);
