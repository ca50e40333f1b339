//! `passwords`: what new passwords must be.

use muster_core::authn::PasswordPolicy;

use super::yaml::{ConfigError, Node};

const KEYS: [&str; 2] = ["length_min", "common"];
const COMMON: [&str; 2] = ["refused", "allowed"];

/// Without configuration: what NIST SP 800-63B asks of passwords people choose.
pub(super) const DEFAULT: PasswordPolicy = PasswordPolicy { length_min: 8, common: false };

pub(super) fn section(node: &Node<'_>) -> Result<PasswordPolicy, ConfigError> {
    let mut policy = DEFAULT;
    for member in node.members("a map of requirements for passwords")? {
        let below = node.below(member.key, member.value);
        match member.key {
            "length_min" => policy.length_min = usize::try_from(below.number(1, 128)?).unwrap_or(usize::MAX),
            "common" => {
                policy.common = match below.text("`refused` or `allowed`")?.as_str() {
                    "refused" => false,
                    "allowed" => true,
                    other => return Err(below.unknown("way", other, &COMMON)),
                };
            }
            other => return Err(node.at(member.key_node).unknown("key", other, &KEYS)),
        }
    }
    Ok(policy)
}
