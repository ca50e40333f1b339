//! A guest that does with files what it is asked to: it must get no further than its directories.

use muster_sdk::{command, plugin};

/// Does something with a path, and gives what it read or why it could not
#[command(tags("hostile"))]
fn files(
    /// `read`, `write` or `link`.
    action: String,
    /// Where.
    path: String,
    /// What to write, or where the link leads.
    #[serde(default)]
    text: String,
) -> String {
    let done = match action.as_str() {
        "read" => std::fs::read_to_string(&path),
        "write" => std::fs::write(&path, &text).map(|()| "done".to_owned()),
        #[expect(deprecated, reason = "what WASI has of links in std")]
        _ => std::fs::soft_link(&text, &path).map(|()| "done".to_owned()),
    };
    done.unwrap_or_else(|error| format!("{:?}", error.kind()))
}

plugin!(files);
