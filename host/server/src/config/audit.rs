//! `audit`: whether and how calls are recorded.

use muster_audit::Options;

use super::yaml::{ConfigError, Node};

const KEYS: [&str; 5] = ["enabled", "file_bytes_max", "files_max", "changes_files_max", "arguments"];
const ARGUMENTS: [&str; 2] = ["masked", "none"];

/// How calls are recorded; nothing where they are not.
pub(super) fn audit(node: &Node<'_>) -> Result<Option<Options>, ConfigError> {
    let (mut options, mut enabled) = (Options::default(), true);
    for member in node.members("a map of settings of the audit log")? {
        let below = node.below(member.key, member.value);
        let files = || below.number(2, 1_000_000).map(|number| usize::try_from(number).unwrap_or(usize::MAX));
        match member.key {
            "enabled" => {
                enabled = below.truth()?;
            }
            "file_bytes_max" => options.file_bytes_max = below.number(4096, 1 << 40)?,
            "files_max" => options.files_max = files()?,
            "changes_files_max" => options.changes_files_max = files()?,
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
