//! `mcp`: from where assistants may come, and how many sessions they have.

use std::time::Duration;

use muster_frontend::mcp::Settings;

use super::yaml::{ConfigError, Node};

const KEYS: [&str; 4] = ["allowed_hosts", "allowed_origins", "sessions_max", "session_idle_seconds"];

pub(super) fn section(node: &Node<'_>) -> Result<Settings, ConfigError> {
    let mut settings = Settings::default();
    for member in node.members("a map of settings about MCP")? {
        let below = node.below(member.key, member.value);
        match member.key {
            "allowed_hosts" => settings.allowed_hosts = texts(&below, "a host name", is_host)?,
            "allowed_origins" => {
                settings.allowed_origins =
                    texts(&below, "an origin such as https://app.example.org, or `null`", is_origin)?;
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

fn texts(node: &Node<'_>, what: &'static str, fits: fn(&str) -> bool) -> Result<Vec<String>, ConfigError> {
    let text = |item: Node<'_>| {
        let text = item.text(what)?;
        if fits(&text) { Ok(text) } else { Err(item.error(format!("`{text}` is not {what}"))) }
    };
    node.one_or_many().into_iter().map(text).collect()
}

/// A name without a port: requests to any port of it are for this host.
fn is_host(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_".contains(&byte))
}

/// What a browser sends as `Origin` (RFC 6454 §6.2).
fn is_origin(text: &str) -> bool {
    text == "null" || url::Url::parse(text).is_ok_and(|url| url.origin().ascii_serialization() == text)
}
