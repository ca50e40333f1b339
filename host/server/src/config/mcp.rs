//! `mcp`: from where assistants may come, and how many sessions they have.

use std::time::Duration;

use muster_frontend::http::entrance;
use muster_frontend::mcp::Settings;

use super::entrance::{ORIGIN, is_host, is_origin, texts};
use super::yaml::{ConfigError, Node};

const KEYS: [&str; 4] = ["allowed_hosts", "allowed_origins", "sessions_max", "session_idle_seconds"];

/// What is about hosts and origins goes to the entrance of all wires.
pub(super) fn section(node: &Node<'_>, entrance: &mut entrance::Settings) -> Result<Settings, ConfigError> {
    let mut settings = Settings::default();
    for member in node.members("a map of settings about MCP")? {
        let below = node.below(member.key, member.value);
        match member.key {
            "allowed_hosts" => entrance.mcp_hosts = texts(&below, "a host name", is_host)?,
            "allowed_origins" => {
                entrance.mcp_origins = texts(&below, ORIGIN, |text| text == "null" || is_origin(text))?;
            }
            "sessions_max" => {
                settings.sessions_max = usize::try_from(below.number(1, 100_000)?).unwrap_or(usize::MAX);
            }
            "session_idle_seconds" => settings.session_idle = Duration::from_secs(below.number(1, 7 * 86_400)?),
            other => return Err(node.at(member.key_node).unknown("key", other, &KEYS)),
        }
    }
    Ok(settings)
}
