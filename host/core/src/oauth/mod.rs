//! OAuth 2.0: an authorization server for the commands of this host, as RFC 9700 wants one to be.
//!
//! Terms. A *client* is a program that an operator registered ([`client`](Clients)). A *scope* is a label
//! ([`ScopeInWords`]). A *family* is all that comes of one authorization: a code, then one access token and one refresh
//! token at a time.
//!
//! Flow. [`AuthorizationServer::examine`] looks at a request a browser brings; the wire shows login and consent in one
//! page and has the password checked by [`crate::authn::Authenticator`], where every password is checked;
//! [`AuthorizationServer::approve`] gives a code; [`AuthorizationServer::redeem`] and its siblings give tokens; and
//! [`AuthorizationServer::authenticate`] says on every call whom a token stands for: one hash, two reads.
//!
//! Texts are handed out once; only hashes are kept. Tokens are bound to the revision of their account, so that a change
//! of password, a ban and a removal end them with nothing else to be done.
//!
//! Absent on purpose: the implicit grant (RFC 9700 §2.1.2), PKCE `plain`, registration by clients themselves.

mod authorize;
mod client;
mod error;
mod family;
mod inspect;
mod pkce;
mod redirect;
mod scope;
mod settings;
mod token;

use std::sync::Arc;

use arc_swap::ArcSwap;

use crate::authn::{Accounts, Rejection};
use crate::clock::Clock;
use crate::error::CallError;
use crate::name::AccountId;
use crate::random::Random;
use crate::storage::{Entry, Expect, Revision, Storage, StorageError, list_all};

pub use authorize::{AuthorizationRefusal, AuthorizationRequest, Consent};
pub use client::{
    CLIENT_ID_BYTES_MAX, CLIENT_NAME_CHARS_MAX, CLIENT_SECRET_BYTES, Client, ClientError, Clients, Grant, NewClient,
    NewSecret, REDIRECT_URIS_MAX,
};
pub use error::OAuthError;
pub use family::{ACCESS_PREFIX, CODE_PREFIX, CODE_SECONDS, REFRESH_PREFIX};
pub use inspect::{Introspection, ListedToken};
pub use redirect::{REDIRECT_BYTES_MAX, check_redirect_uri, redirect_host, redirect_source};
pub use scope::{
    ADMIN_SCOPE, SCOPE_BYTES_MAX, SCOPES_MAX, ScopeInWords, USER_SCOPE, is_scope, parse_scopes, scope_in_words,
};
pub use settings::{LIFETIME_SECONDS_MAX, Settings};
pub use token::{Issued, Owned};

use family::{ACCESS_PREFIX as ACCESS, Family, Owner};

const BUCKET: &str = "oauth_families";
/// How often a change is retried after a concurrent change of the same family.
const TRIES_MAX: usize = 8;

/// Whom a token stands for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Holder {
    /// An account.
    Account(AccountId),
    /// A client that acts for itself, by its id.
    Client(String),
}

/// Gives, checks and revokes tokens.
#[derive(Debug)]
pub struct AuthorizationServer {
    storage: Arc<dyn Storage>,
    accounts: Arc<Accounts>,
    clients: Clients,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    settings: ArcSwap<Settings>,
}

impl AuthorizationServer {
    /// A server with the default settings, whose clients are `clients`.
    pub fn new(
        storage: Arc<dyn Storage>,
        accounts: Arc<Accounts>,
        clients: Clients,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
    ) -> Self {
        Self { storage, accounts, clients, clock, random, settings: ArcSwap::default() }
    }

    /// Puts other settings into force for everything that begins from now on.
    pub fn set_settings(&self, settings: Settings) {
        self.settings.store(Arc::new(settings));
    }

    /// The active settings.
    pub fn settings(&self) -> Arc<Settings> {
        self.settings.load_full()
    }

    /// The registered clients.
    pub fn clients(&self) -> &Clients {
        &self.clients
    }

    /// Whom the access token stands for, with its scopes.
    ///
    /// # Errors
    /// [`CallError::Unauthenticated`] with the reason when it is not valid, or made for another resource; another when
    /// that could not be found out.
    pub async fn authenticate(&self, text: &str) -> Result<(Holder, Revision, Vec<String>), CallError> {
        let id = family::family_of(text, ACCESS).ok_or(Rejection::Unusable)?;
        let (_, mut family) = self.family(id).await?.ok_or(Rejection::UnknownToken)?;
        if family.access(text, self.now()).is_none() {
            let expired = family.access(text, 0).is_some();
            return Err(if expired { Rejection::Expired } else { Rejection::UnknownToken }.into());
        }
        if !self.settings.load().is_own(family.audience.as_deref()) {
            return Err(Rejection::WrongAudience.into());
        }
        let Some(holder) = self.holder(&family).await? else { return Err(self.why_ended(&family).await?.into()) };
        let scopes = family.access.as_mut().map(|access| std::mem::take(&mut access.scopes)).unwrap_or_default();
        let (Owner::Account { revision, .. } | Owner::Client { revision }) = family.owner;
        Ok((holder, revision, scopes))
    }

    /// Removes a client and all its tokens; whether there was such a client.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn remove_client(&self, id: &str) -> Result<bool, CallError> {
        let was_there = self.clients.remove(id).await?;
        for family_id in list_all(&*self.storage, BUCKET).await? {
            if let Some((_, family)) = self.family(&family_id).await?
                && family.client.as_deref() == Some(id)
            {
                self.end(&family_id).await?;
            }
        }
        Ok(was_there)
    }

    /// Removes families of which nothing can be valid any more, and gives their number. To be called now and then.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn purge(&self) -> Result<usize, CallError> {
        let mut purged = 0;
        for id in list_all(&*self.storage, BUCKET).await? {
            let Some((revision, family)) = self.family(&id).await? else { continue };
            if family.expires() > self.now() && self.holder(&family).await?.is_some() {
                continue;
            }
            match self.storage.delete(BUCKET, &id, Expect::Revision(revision)).await {
                Ok(was_there) => purged += usize::from(was_there),
                // It was changed concurrently, so it is still in use.
                Err(StorageError::Conflict { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(purged)
    }

    /// Who owns the family, as long as nothing happened to them that ends it.
    async fn holder(&self, family: &Family) -> Result<Option<Holder>, CallError> {
        match (&family.owner, &family.client) {
            (Owner::Account { revision, .. }, _) => {
                let Some(account) = family.account() else { return Ok(None) };
                let stands = self.accounts.revision(&account).await? == Some(*revision);
                Ok(stands.then_some(Holder::Account(account)))
            }
            (Owner::Client { revision }, Some(client)) => {
                let stands = self.clients.revision(client).await? == Some(*revision);
                Ok(stands.then(|| Holder::Client(client.clone())))
            }
            (Owner::Client { .. }, None) => Ok(None),
        }
    }

    /// What ended a family whose owner does not stand behind it any more.
    async fn why_ended(&self, family: &Family) -> Result<Rejection, CallError> {
        let Some(account) = family.account() else { return Ok(Rejection::Superseded) };
        match self.accounts.standing_or_why(&account).await {
            Ok(_) => Ok(Rejection::Superseded),
            Err(CallError::Unauthenticated { rejected: Some(reason) }) => Ok(reason),
            Err(error) => Err(error),
        }
    }

    fn now(&self) -> u64 {
        self.clock.since_epoch().as_secs()
    }

    async fn family(&self, id: &str) -> Result<Option<(Revision, Family)>, CallError> {
        let Some(Entry { revision, value }) = self.storage.get(BUCKET, id).await? else { return Ok(None) };
        match serde_json::from_slice(&value) {
            Ok(family) => Ok(Some((revision, family))),
            Err(_) => Err(CallError::internal_from("the record of a token in the store is not readable")),
        }
    }

    async fn put(&self, id: &str, family: &Family, expect: Expect) -> Result<(), StorageError> {
        let value = serde_json::to_vec(family).map_err(|error| StorageError::Failed(error.to_string()))?;
        self.storage.put(BUCKET, id, value, expect).await?;
        Ok(())
    }

    /// Ends a family for good; whether there was one.
    async fn end(&self, id: &str) -> Result<bool, CallError> {
        Ok(self.storage.delete(BUCKET, id, Expect::Anything).await?)
    }
}

#[cfg(test)]
pub(crate) mod tests;
