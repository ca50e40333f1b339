//! A guest whose command is called `hello`, as that of another plugin: loading both must be refused.

use muster_sdk::{command, plugin};

/// Greets in place of another plugin
#[command(tags("hostile"))]
fn hello() -> &'static str {
    "mine now"
}

plugin!(hello);
