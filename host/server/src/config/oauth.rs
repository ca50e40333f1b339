//! `oauth`: what the operator decides about tokens.

use std::time::Duration;

use muster_core::oauth::LIFETIME_SECONDS_MAX;

use super::yaml::{ConfigError, Node};

const KEYS: [&str; 5] = ["issuer", "access_seconds", "refresh_seconds", "password_grant", "resources"];

/// The section, as meant.
#[derive(Clone, Debug)]
pub struct OAuth {
    /// Address of this server as clients see it; the first address it listens on without.
    pub issuer: Option<String>,
    /// How long an access token lives.
    pub access_lifetime: Duration,
    /// How long a refresh token lives without being used.
    pub refresh_lifetime: Duration,
    /// Whether clients may send passwords.
    pub password_grant: bool,
    /// Other resources tokens can be made for.
    pub resources: Vec<String>,
}

impl Default for OAuth {
    fn default() -> Self {
        let core = muster_core::oauth::Settings::default();
        Self {
            issuer: None,
            access_lifetime: core.access_lifetime,
            refresh_lifetime: core.refresh_lifetime,
            password_grant: core.password_grant,
            resources: core.resources,
        }
    }
}

pub(super) fn section(node: &Node<'_>) -> Result<OAuth, ConfigError> {
    let mut oauth = OAuth::default();
    for member in node.members("a map of settings about tokens")? {
        let below = node.below(member.key, member.value);
        let lifetime = || below.number(1, LIFETIME_SECONDS_MAX).map(Duration::from_secs);
        match member.key {
            "issuer" => oauth.issuer = Some(issuer(&below)?),
            "access_seconds" => oauth.access_lifetime = lifetime()?,
            "refresh_seconds" => oauth.refresh_lifetime = lifetime()?,
            "password_grant" => oauth.password_grant = truth(&below)?,
            "resources" => {
                oauth.resources = below.one_or_many().iter().map(resource).collect::<Result<_, _>>()?;
            }
            other => return Err(node.at(member.key_node).unknown("key", other, &KEYS)),
        }
    }
    Ok(oauth)
}

pub(super) fn truth(node: &Node<'_>) -> Result<bool, ConfigError> {
    match node.text("`true` or `false`")?.as_str() {
        "true" => Ok(true),
        "false" => Ok(false),
        other => Err(node.error(format!("expected `true` or `false`, found `{other}`"))),
    }
}

/// Scheme, host and port, and nothing behind: what clients compare letter for letter (RFC 8414 §3.3, RFC 9207 §2.4).
fn issuer(node: &Node<'_>) -> Result<String, ConfigError> {
    let text = node.text("an address such as https://id.example.org")?;
    let misfit = || node.error(format!("`{text}` is not an address such as https://id.example.org, without a path"));
    let url = url::Url::parse(&text).map_err(|_| misfit())?;
    let origin = url.origin().ascii_serialization();
    if matches!(url.scheme(), "http" | "https") && (text == origin || text == format!("{origin}/")) {
        Ok(origin)
    } else {
        Err(misfit())
    }
}

/// RFC 8707 §2: an absolute URI without a fragment.
fn resource(node: &Node<'_>) -> Result<String, ConfigError> {
    let text = node.text("an absolute URI")?;
    match url::Url::parse(&text) {
        Ok(url) if url.fragment().is_none() => Ok(text),
        _ => Err(node.error(format!("`{text}` is not an absolute URI without a fragment"))),
    }
}
