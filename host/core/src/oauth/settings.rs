//! What the operator decides about tokens.

use std::sync::Arc;
use std::time::Duration;

use super::OAuthError;
use super::scope::WELL_KNOWN;
use crate::permission::{Permissions, same_scope};

/// Longest life of a token, in seconds: ten years.
pub const LIFETIME_SECONDS_MAX: u64 = 315_360_000;

/// Settings of the authorization server.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Its identity (RFC 8414 §2): scheme, host and port, nothing behind. Also the resource its tokens are for.
    pub issuer: String,
    /// How long an access token lives.
    pub access_lifetime: Duration,
    /// How long a refresh token lives without being used.
    pub refresh_lifetime: Duration,
    /// Whether clients may send passwords of accounts (RFC 6749 §4.3, which RFC 9700 §2.4 advises against).
    pub password_grant: bool,
    /// Other resources tokens can be made for (RFC 8707). They are refused here, and introspected by those resources.
    pub resources: Vec<String>,
    /// Whose scopes can be asked for beside those that name commands, and who says which accounts may have tokens.
    pub rules: Arc<Permissions>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            issuer: "http://127.0.0.1:5280".to_owned(),
            access_lifetime: Duration::from_hours(1),
            refresh_lifetime: Duration::from_hours(30 * 24),
            password_grant: false,
            resources: Vec::new(),
            rules: Arc::default(),
        }
    }
}

impl Settings {
    /// The scopes a client can be told of: those rules speak of by name.
    pub fn scopes(&self) -> Vec<&str> {
        let mentioned = self.rules.scopes();
        let well_known = WELL_KNOWN.into_iter().filter(|scope| self.rules.honours(scope, false));
        let others = mentioned.iter().copied().filter(|scope| !WELL_KNOWN.iter().any(|known| same_scope(known, scope)));
        well_known.chain(others).collect()
    }

    /// Whether a token for that resource is for this server; one for no resource in particular is.
    pub(super) fn is_own(&self, resource: Option<&str>) -> bool {
        let issuer = in_form(&self.issuer);
        let behind = |resource: &str| {
            let resource = in_form(resource);
            resource.strip_prefix(issuer.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        resource.is_none_or(behind)
    }

    /// The one resource that is asked for (RFC 8707 §2); nothing for this server, whatever it is called.
    pub(super) fn resource(&self, asked: &[String]) -> Result<Option<String>, OAuthError> {
        match asked {
            [] => Ok(None),
            [one] if self.is_own(Some(one)) => Ok(Some(in_form(one))),
            [one] if self.resources.iter().any(|own| in_form(own) == in_form(one)) => {
                Ok(self.resources.iter().find(|own| in_form(own) == in_form(one)).cloned())
            }
            [_] => Err(OAuthError::InvalidTarget("this server issues no tokens for that resource")),
            [_, _, ..] => Err(OAuthError::InvalidTarget("request only one resource at a time")),
        }
    }
}

/// A URI with scheme and host in lower case, in which letters are the same in either case (RFC 3986 §6.2.2.1). The rest
/// stays as it is.
fn in_form(uri: &str) -> String {
    let Some((scheme, rest)) = uri.split_once("://") else { return uri.to_owned() };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    // Of an authority, the part before `@` is not the host's.
    let (user, host) = authority.rsplit_once('@').map_or(("", authority), |(user, host)| (user, host));
    let at = if user.is_empty() { "" } else { "@" };
    format!("{}://{user}{at}{}{path}", scheme.to_ascii_lowercase(), host.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_resource_is_the_same_in_either_case_of_scheme_and_host() {
        let settings = Settings {
            issuer: "https://id.example.org".to_owned(),
            resources: vec!["https://files.example.org/A".to_owned(), "urn:x:Y".to_owned()],
            ..Settings::default()
        };
        let resource = |text: &str| settings.resource(&[text.to_owned()]).ok().flatten();
        for (asked, expected) in [
            ("https://id.example.org", Some("https://id.example.org")),
            ("HTTPS://ID.example.org/mcp", Some("https://id.example.org/mcp")),
            ("https://id.example.org/MCP", Some("https://id.example.org/MCP")),
            ("Https://Files.Example.org/A", Some("https://files.example.org/A")),
            ("https://files.example.org/a", None),
            ("https://id.example.org.evil.org", None),
            ("https://id.example.org@evil.org", None),
            ("urn:x:Y", Some("urn:x:Y")),
            ("urn:x:y", None),
        ] {
            assert_eq!(resource(asked).as_deref(), expected, "{asked}");
        }
        assert!(settings.is_own(Some("HTTPS://id.example.org/mcp")) && settings.is_own(None));
        assert!(!settings.is_own(Some("https://id.example.orgs")));
    }
}
