//! What the operator decides about tokens.

use std::sync::Arc;
use std::time::Duration;

use super::OAuthError;
use super::scope::WELL_KNOWN;
use crate::permission::Permissions;

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
    /// The scopes a client can be told of: those there always are, and those rules speak of by name.
    pub fn scopes(&self) -> Vec<&str> {
        WELL_KNOWN.into_iter().chain(self.rules.scopes()).collect()
    }

    /// Whether a token for that resource is for this server; one for no resource in particular is.
    pub(super) fn is_own(&self, resource: Option<&str>) -> bool {
        let behind = |resource: &str| {
            resource.strip_prefix(self.issuer.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        resource.is_none_or(behind)
    }

    /// The one resource that is asked for (RFC 8707 §2); nothing for this server, whatever it is called.
    pub(super) fn resource(&self, asked: &[String]) -> Result<Option<String>, OAuthError> {
        match asked {
            [] => Ok(None),
            [one] if self.is_own(Some(one)) || self.resources.contains(one) => Ok(Some(one.clone())),
            [_] => Err(OAuthError::InvalidTarget("this server makes no tokens for that resource")),
            [_, _, ..] => Err(OAuthError::InvalidTarget("ask for one resource at a time")),
        }
    }
}
