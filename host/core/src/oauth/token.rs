//! The token endpoint's decisions (RFC 6749 §§4.1.3, 4.3, 4.4, 6): what brings which token.

use std::net::IpAddr;
use std::time::Duration;

use super::client::{Client, Grant, Principal};
use super::family::{self, CODE_PREFIX, Family, Lifetimes, Owner, Presented, REFRESH_PREFIX};
use super::{AuthorizationServer, OAuthError, TRIES_MAX, parse_scopes, pkce, scope};
use crate::authn::secret;
use crate::error::CallError;
use crate::name::AccountId;
use crate::registry::Snapshot;
use crate::storage::{Expect, Revision};

/// Tokens to hand out. The only time their texts are seen.
#[derive(Clone)]
pub struct Issued {
    /// Names the token for revoking; no secret.
    pub id: String,
    /// The access token.
    pub access: String,
    /// The refresh token, where there is one.
    pub refresh: Option<String>,
    /// What the access token may be used for.
    pub scopes: Vec<String>,
    /// How long the access token lives, in seconds.
    pub expires_in_seconds: u64,
}

impl std::fmt::Debug for Issued {
    // By hand: tokens must not reach a log.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Issued").field("id", &self.id).finish_non_exhaustive()
    }
}

/// An account that is about to log in. Taken *before* the proof, so that a password that is changed meanwhile leaves
/// nothing behind that it does not end.
#[derive(Clone, Debug)]
pub struct Owned {
    pub(super) account: AccountId,
    pub(super) revision: Revision,
    pub(super) address: Option<IpAddr>,
}

impl Owned {
    /// The account.
    pub fn account(&self) -> &AccountId {
        &self.account
    }

    pub(super) fn owner(&self) -> Owner {
        Owner::Account { account: self.account.as_str().to_owned(), revision: self.revision }
    }
}

const NOT_VALID: OAuthError = OAuthError::InvalidGrant("it is invalid, expired, or was issued to another client");

impl AuthorizationServer {
    /// The account as it is now; nothing when there is none. `address` is where its owner is.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn owned(&self, account: &AccountId, address: Option<IpAddr>) -> Result<Option<Owned>, CallError> {
        let standing = self.accounts.standing(account).await?;
        Ok(standing.map(|standing| Owned { account: account.clone(), revision: standing.revision, address }))
    }

    /// Tokens for a code (RFC 6749 §4.1.3, RFC 7636 §4.6). A code that was used before ends everything that came of it.
    ///
    /// # Errors
    /// [`OAuthError::InvalidGrant`] when anything about it is not as it was when it was given.
    pub async fn redeem(
        &self,
        client: &Client,
        code: &str,
        redirect_uri: Option<&str>,
        verifier: Option<&str>,
        resources: &[String],
    ) -> Result<Issued, OAuthError> {
        may(client, Grant::AuthorizationCode)?;
        let id = family::family_of(code, CODE_PREFIX).ok_or(NOT_VALID)?;
        for _ in 0..TRIES_MAX {
            let (revision, mut family) = self.family(id).await?.ok_or(NOT_VALID)?;
            if family.client.as_deref() != Some(client.id.as_str()) {
                return Err(NOT_VALID);
            }
            match family.code(code, self.now()) {
                Presented::Live => {}
                Presented::Wrong => return Err(NOT_VALID),
                Presented::Reused => {
                    self.end(id).await?;
                    return Err(OAuthError::InvalidGrant("code reused; all tokens of this authorization are revoked"));
                }
            }
            let proven = family.code.as_ref().is_some_and(|code| {
                redirect_uri.is_none_or(|uri| uri == code.redirect_uri)
                    && verifier.is_some_and(|verifier| pkce::proves(verifier, &code.challenge))
            });
            // Left out where the request for the code left it out too (RFC 6749 §4.1.3): then there is only one.
            let may_leave_out = redirect_uri.is_some() || client.redirect_uris.len() == 1;
            if !proven || !may_leave_out {
                // A client with the code but without its proof gets no second attempt.
                self.end(id).await?;
                return Err(NOT_VALID);
            }
            self.check_resource(&family, resources)?;
            self.check_standing(&family).await?;
            let scopes = family.scopes.clone();
            match self.renew(id, revision, &mut family, scopes, None, client.may(Grant::RefreshToken)).await {
                Err(OAuthError::Below(CallError::Conflict(_))) => {}
                other => return other,
            }
        }
        Err(NOT_VALID)
    }

    /// Tokens for a refresh token (RFC 6749 §6). The old ones end; a refresh token that was used before ends the family.
    ///
    /// # Errors
    /// [`OAuthError::InvalidGrant`] when it is not valid, [`OAuthError::InvalidScope`] when the requested scope exceeds
    /// the granted scope.
    pub async fn refresh(
        &self,
        client: &Client,
        token: &str,
        scope: Option<&str>,
        resources: &[String],
    ) -> Result<Issued, OAuthError> {
        may(client, Grant::RefreshToken)?;
        let id = family::family_of(token, REFRESH_PREFIX).ok_or(NOT_VALID)?;
        for _ in 0..TRIES_MAX {
            let (revision, mut family) = self.family(id).await?.ok_or(NOT_VALID)?;
            if family.client.as_deref() != Some(client.id.as_str()) {
                return Err(NOT_VALID);
            }
            match family.refresh(token, self.now()) {
                Presented::Live => {}
                Presented::Wrong => return Err(NOT_VALID),
                Presented::Reused => {
                    self.end(id).await?;
                    return Err(OAuthError::InvalidGrant(
                        "refresh token reused; all tokens of this authorization are revoked",
                    ));
                }
            }
            let scopes = match scope {
                None => family.scopes.clone(),
                Some(scope) => {
                    let scopes = parse_scopes(scope)?;
                    if !scopes.iter().all(|scope| scope::is_within(scope, &family.scopes)) {
                        return Err(OAuthError::InvalidScope(
                            "the requested scope exceeds the granted scope".to_owned(),
                        ));
                    }
                    scopes
                }
            };
            self.check_resource(&family, resources)?;
            self.check_standing(&family).await?;
            match self.renew(id, revision, &mut family, scopes, Some(token), true).await {
                Err(OAuthError::Below(CallError::Conflict(_))) => {}
                other => return other,
            }
        }
        Err(NOT_VALID)
    }

    /// A token for the client itself, or for the account it acts for (RFC 6749 §4.4).
    ///
    /// # Errors
    /// When the client may not, or asks for what is not there.
    pub async fn for_client(
        &self,
        client: &Client,
        scope: Option<&str>,
        resources: &[String],
        snapshot: &Snapshot,
    ) -> Result<Issued, OAuthError> {
        may(client, Grant::ClientCredentials)?;
        let (scopes, audience) = self.asked(scope, resources, snapshot)?;
        let owner = match self.clients.principal(&client.id).await? {
            Principal::Itself { revision } => Owner::Client { revision },
            Principal::Account { account, revision } => {
                let owned = Owned { account, revision, address: None };
                self.check_access(&owned)?;
                owned.owner()
            }
            Principal::Gone => {
                return Err(OAuthError::UnauthorizedClient("the account of this client was removed or banned"));
            }
        };
        self.start(Some((client, Grant::ClientCredentials)), owner, scopes, audience, None).await
    }

    /// Tokens for a password (RFC 6749 §4.3), which the wire has had checked.
    ///
    /// # Errors
    /// When this is not offered, the client may not, or asks for what is not there.
    pub async fn for_password(
        &self,
        client: &Client,
        owned: &Owned,
        scope: Option<&str>,
        resources: &[String],
        snapshot: &Snapshot,
    ) -> Result<Issued, OAuthError> {
        self.check_password_grant(client)?;
        self.check_access(owned)?;
        let (scopes, audience) = self.asked(scope, resources, snapshot)?;
        self.start(Some((client, Grant::Password)), owned.owner(), scopes, audience, None).await
    }

    /// Whether this client may send passwords; to be asked before one is checked.
    ///
    /// # Errors
    /// When it may not.
    pub fn check_password_grant(&self, client: &Client) -> Result<(), OAuthError> {
        if !self.settings.load().password_grant {
            return Err(OAuthError::UnsupportedGrantType);
        }
        may(client, Grant::Password)
    }

    /// A token for an account by an operator's command, without client or refresh token.
    ///
    /// # Errors
    /// When the account may not have one, or a scope is not there.
    pub async fn issue(
        &self,
        account: &AccountId,
        lifetime: Duration,
        scope: &str,
        snapshot: &Snapshot,
    ) -> Result<Issued, OAuthError> {
        let owned = self.owned(account, None).await?;
        let owned = owned.ok_or(OAuthError::InvalidGrant("there is no such account, or it is banned"))?;
        self.check_access(&owned)?;
        let (scopes, audience) = self.asked(Some(scope), &[], snapshot)?;
        self.start(None, owned.owner(), scopes, audience, Some(lifetime)).await
    }

    pub(super) fn check_access(&self, owned: &Owned) -> Result<(), OAuthError> {
        if self.settings.load().rules.may_have_tokens(&owned.account, owned.address) {
            Ok(())
        } else {
            Err(OAuthError::AccessDenied("the rules of this server allow this account no tokens"))
        }
    }

    /// A family whose owner was removed, banned, or has another password since gives nothing any more.
    async fn check_standing(&self, family: &Family) -> Result<(), OAuthError> {
        match self.holder(family).await? {
            Some(_) => Ok(()),
            None => Err(NOT_VALID),
        }
    }

    /// Tokens are for the resource that was consented to; a request may say so again, and nothing else (RFC 8707 §2.2).
    fn check_resource(&self, family: &Family, resources: &[String]) -> Result<(), OAuthError> {
        let settings = self.settings.load();
        let same = |resource: &String| match &family.audience {
            Some(audience) => resource == audience,
            None => settings.is_own(Some(resource)),
        };
        if resources.iter().all(same) {
            Ok(())
        } else {
            Err(OAuthError::InvalidTarget("the authorization was issued for another resource"))
        }
    }

    fn asked(
        &self,
        scope: Option<&str>,
        resources: &[String],
        snapshot: &Snapshot,
    ) -> Result<(Vec<String>, Option<String>), OAuthError> {
        let settings = self.settings.load();
        let scopes = parse_scopes(scope.unwrap_or_default())?;
        let scopes = scope::known(scopes, &settings.rules, snapshot)?;
        Ok((scopes, settings.resource(resources)?))
    }

    /// Begins a family with tokens at once.
    async fn start(
        &self,
        client: Option<(&Client, Grant)>,
        owner: Owner,
        scopes: Vec<String>,
        audience: Option<String>,
        lifetime: Option<Duration>,
    ) -> Result<Issued, OAuthError> {
        let settings = self.settings();
        let refreshes =
            client.is_some_and(|(client, grant)| grant == Grant::Password && client.may(Grant::RefreshToken));
        let mut lifetimes = self.lifetimes(refreshes);
        lifetimes.access = lifetime.unwrap_or(settings.access_lifetime).as_secs();
        let id = secret::new_id(&*self.random)?;
        let mut family = Family {
            grant: client.map(|(_, grant)| grant),
            client: client.map(|(client, _)| client.id.clone()),
            owner,
            scopes: scopes.clone(),
            audience,
            created: self.now(),
            code: None,
            access: None,
            refresh: None,
        };
        let minted = family.mint(&id, scopes.clone(), None, lifetimes, self.now(), &*self.random)?;
        self.put(&id, &family, Expect::Absent).await?;
        // The client may have been removed meanwhile, and its removal may have looked for tokens before this one.
        if let Some((client, _)) = client
            && self.clients.revision(&client.id).await?.is_none()
        {
            self.end(&id).await?;
            return Err(OAuthError::InvalidClient);
        }
        Ok(Issued { id, access: minted.access, refresh: minted.refresh, scopes, expires_in_seconds: lifetimes.access })
    }

    /// Replaces the tokens of a family, unless it was changed since `revision`.
    async fn renew(
        &self,
        id: &str,
        revision: Revision,
        family: &mut Family,
        scopes: Vec<String>,
        from: Option<&str>,
        refreshes: bool,
    ) -> Result<Issued, OAuthError> {
        let lifetimes = self.lifetimes(refreshes);
        let minted = family.mint(id, scopes.clone(), from, lifetimes, self.now(), &*self.random)?;
        self.put(id, family, Expect::Revision(revision)).await?;
        Ok(Issued {
            id: id.to_owned(),
            access: minted.access,
            refresh: minted.refresh,
            scopes,
            expires_in_seconds: lifetimes.access,
        })
    }

    fn lifetimes(&self, refreshes: bool) -> Lifetimes {
        let settings = self.settings.load();
        Lifetimes {
            access: settings.access_lifetime.as_secs(),
            refresh: refreshes.then(|| settings.refresh_lifetime.as_secs()),
        }
    }
}

fn may(client: &Client, grant: Grant) -> Result<(), OAuthError> {
    if client.may(grant) {
        Ok(())
    } else {
        Err(OAuthError::UnauthorizedClient("this client may not use this grant type"))
    }
}
