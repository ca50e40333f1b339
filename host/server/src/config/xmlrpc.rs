//! `xmlrpc`: where XML-RPC is served.

use super::yaml::{ConfigError, Node};

const KEYS: [&str; 1] = ["path"];
/// The path clients take that were not told one.
const PATH: &str = "/RPC2";
/// What other interfaces are served below.
const TAKEN: [&str; 6] = ["api", "docs", "mcp", "oauth", "openapi.json", ".well-known"];

/// The path it is served at.
pub(super) fn path(node: &Node<'_>) -> Result<String, ConfigError> {
    let mut path = PATH.to_owned();
    for member in node.members("a map with a path")? {
        let below = node.below(member.key, member.value);
        match member.key {
            "path" => path = checked(&below)?,
            other => return Err(node.at(member.key_node).unknown("key", other, &KEYS)),
        }
    }
    Ok(path)
}

/// Segments of plain characters: nothing that would have to be encoded, or means something to a router.
fn checked(node: &Node<'_>) -> Result<String, ConfigError> {
    let text = node.text("a path such as /RPC2")?;
    let plain = |segment: &str| {
        !segment.is_empty() && segment.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
    };
    let segments = || text.strip_prefix('/').into_iter().flat_map(|rest| rest.split('/'));
    match segments().next() {
        Some(first) if TAKEN.contains(&first) => {
            Err(node.error(format!("`/{first}` belongs to another interface; take another path, such as {PATH}")))
        }
        Some(_) if segments().all(plain) => Ok(text),
        _ => Err(node.error(format!("`{text}` is not a path such as {PATH}, of letters, digits, `-`, `_` and `.`"))),
    }
}
