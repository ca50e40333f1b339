//! `audit`: whether and how calls are recorded.

use muster_audit::Options;

use super::yaml::{ConfigError, Node};

const KEYS: [&str; 4] = ["enabled", "file_bytes_max", "files_max", "arguments"];
const ARGUMENTS: [&str; 2] = ["masked", "none"];

/// How calls are recorded; nothing where they are not.
pub(super) fn audit(node: &Node<'_>) -> Result<Option<Options>, ConfigError> {
    let (mut options, mut enabled) = (Options::default(), true);
    for member in node.members("a map of settings of the audit record")? {
        let below = node.below(member.key, member.value);
        match member.key {
            "enabled" => {
                let text = below.text("true or false")?;
                enabled = text.parse().map_err(|_| below.error(format!("expected true or false, found `{text}`")))?;
            }
            "file_bytes_max" => options.file_bytes_max = below.number(4096, 1 << 40)?,
            "files_max" => options.files_max = usize::try_from(below.number(2, 1_000_000)?).unwrap_or(usize::MAX),
            "arguments" => {
                options.arguments = match below.text("`masked` or `none`")?.as_str() {
                    "masked" => true,
                    "none" => false,
                    other => return Err(below.unknown("way", other, &ARGUMENTS)),
                };
            }
            other => return Err(node.at(member.key_node).unknown("key", other, &KEYS)),
        }
    }
    Ok(enabled.then_some(options))
}
