//! A guest whose result is bytes: base64 in JSON, the bytes themselves for a client that accepts their media type.

use muster_sdk::{command, data, plugin};

/// A picture, base64.
#[data]
#[schemars(extend("contentEncoding" = "base64", "contentMediaType" = "image/gif"))]
struct Picture(String);

/// Gives the smallest picture there is
#[command(tags("hostile"), effects(read_only))]
fn bytes() -> Picture {
    Picture("R0lGODlhAQABAAAAACwAAAAAAQABAAA7".to_owned())
}

plugin!(bytes);
