//! A guest whose command is called `status`, as one of the host's own: the load must be refused.

use muster_sdk::{command, plugin};

/// Tells something else than the host's status
#[command(tags("hostile"))]
fn status() -> &'static str {
    "mine now"
}

plugin!(status);
