//! What may be known about tokens (RFC 7662), and how they end (RFC 7009). Never a secret.

use super::client::Client;
use super::family::{self, ACCESS_PREFIX, CODE_PREFIX, Family, Presented, REFRESH_PREFIX};
use super::{AuthorizationServer, BUCKET, Holder};
use crate::authn::secret;
use crate::error::CallError;
use crate::storage::list_all;

/// What is known about a valid token (RFC 7662 §2.2).
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Introspection {
    /// Whom it stands for.
    pub holder: Holder,
    /// The client it was issued to; absent for tokens issued by a command.
    pub client_id: Option<String>,
    /// What it may be used for.
    pub scopes: Vec<String>,
    /// The resource it was issued for.
    pub audience: String,
    /// When it was issued, in seconds since the epoch.
    pub issued_seconds: u64,
    /// When it expires, in seconds since the epoch.
    pub expires_seconds: u64,
    /// Whether it is a refresh token.
    pub is_refresh: bool,
}

/// A family of tokens in a list.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ListedToken {
    /// Names it for revoking; no secret.
    pub id: String,
    /// Whose rights it carries: `user@host`, or the id of a client.
    pub owner: String,
    /// The client it was issued to.
    pub client_id: Option<String>,
    /// What it may be used for.
    pub scopes: Vec<String>,
    /// When its access token ends, in seconds from now; 0 when it ended and only a refresh token is left.
    pub expires_in_seconds: u64,
    /// Whether it can be refreshed.
    pub refreshes: bool,
}

impl AuthorizationServer {
    /// What is known about a token; nothing when it is not valid.
    ///
    /// # Errors
    /// When that could not be found out.
    pub async fn introspect(&self, text: &str) -> Result<Option<Introspection>, CallError> {
        let is_refresh = text.starts_with(REFRESH_PREFIX);
        let prefix = if is_refresh { REFRESH_PREFIX } else { ACCESS_PREFIX };
        let Some(id) = family::family_of(text, prefix) else { return Ok(None) };
        let Some((_, family)) = self.family(id).await? else { return Ok(None) };
        let now = self.now();
        let live = if is_refresh {
            let refresh = family.refresh.as_ref().filter(|_| family.refresh(text, now) == Presented::Live);
            let issued = family.access.as_ref().map_or(family.created, |access| access.issued);
            refresh.map(|refresh| (family.scopes.clone(), issued, refresh.expires))
        } else {
            family.access(text, now).map(|access| (access.scopes.clone(), access.issued, access.expires))
        };
        let (Some((scopes, issued_seconds, expires_seconds)), Some(holder)) = (live, self.holder(&family).await?)
        else {
            return Ok(None);
        };
        Ok(Some(Introspection {
            holder,
            client_id: family.client,
            scopes,
            audience: family.audience.unwrap_or_else(|| self.settings.load().issuer.clone()),
            issued_seconds,
            expires_seconds,
            is_refresh,
        }))
    }

    /// Every token that is valid, by id.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn list(&self) -> Result<Vec<ListedToken>, CallError> {
        let mut tokens = Vec::new();
        let now = self.now();
        for id in list_all(&*self.storage, BUCKET).await? {
            let Some((_, family)) = self.family(&id).await? else { continue };
            let access = family.access.as_ref().map_or(0, |access| access.expires.saturating_sub(now));
            let refreshes = family.refresh.as_ref().is_some_and(|refresh| refresh.expires > now);
            if access == 0 && !refreshes {
                continue;
            }
            let Some(holder) = self.holder(&family).await? else { continue };
            tokens.push(ListedToken {
                id,
                owner: match holder {
                    Holder::Account(account) => account.as_str().to_owned(),
                    Holder::Client(client) => client,
                },
                client_id: family.client,
                scopes: family.scopes,
                expires_in_seconds: access,
                refreshes,
            });
        }
        Ok(tokens)
    }

    /// Ends the family a token belongs to, when it was given to this client (RFC 7009 §2.1); whether there was one.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn revoke_of(&self, client: &Client, text: &str) -> Result<bool, CallError> {
        match self.named_by(text).await? {
            Some((id, family)) if family.client.as_deref() == Some(client.id.as_str()) => self.end(&id).await,
            _ => Ok(false),
        }
    }

    /// Ends a family by a token of it, or by its id; whether there was one.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn revoke(&self, text: &str) -> Result<bool, CallError> {
        if secret::is_id(text) {
            return self.end(text).await;
        }
        match self.named_by(text).await? {
            Some((id, _)) => self.end(&id).await,
            None => Ok(false),
        }
    }

    /// The family a genuine token, live or used, belongs to. Naming one is not enough: a request with an id and no
    /// secret ends nothing.
    async fn named_by(&self, text: &str) -> Result<Option<(String, Family)>, CallError> {
        let now = self.now();
        for prefix in [ACCESS_PREFIX, REFRESH_PREFIX, CODE_PREFIX] {
            let Some(id) = family::family_of(text, prefix) else { continue };
            let Some((_, family)) = self.family(id).await? else { return Ok(None) };
            let genuine = match prefix {
                ACCESS_PREFIX => family.access(text, now).is_some(),
                REFRESH_PREFIX => family.refresh(text, now) != Presented::Wrong,
                _ => family.code(text, now) != Presented::Wrong,
            };
            return Ok(genuine.then(|| (id.to_owned(), family)));
        }
        Ok(None)
    }
}
