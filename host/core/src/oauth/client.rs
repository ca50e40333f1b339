//! Clients: programs that ask for tokens, registered by an operator.
//!
//! A client with a secret is *confidential*, one without is *public* (RFC 6749 §2.1) and proves itself by PKCE and its
//! redirect addresses alone. Secrets made here have 256 random bits and are kept as a fast hash; secrets chosen by an
//! operator are hashed as slowly as passwords, and cached for a minute once verified.

use std::net::IpAddr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::redirect;
use crate::authn::{AccountState, Accounts, ChosenSecrets, Kept, LoginAttempt, Passwords, secret};
use crate::clock::Clock;
use crate::error::CallError;
use crate::name::AccountId;
use crate::random::Random;
use crate::storage::{Entry, Expect, Revision, Storage, StorageError, list_all};

/// Longest client id, in bytes.
pub const CLIENT_ID_BYTES_MAX: usize = 100;
/// Longest name of a client, in characters.
pub const CLIENT_NAME_CHARS_MAX: usize = 100;
/// Bounds on a secret chosen by an operator, in bytes.
pub const CLIENT_SECRET_BYTES: std::ops::RangeInclusive<usize> = 8..=1024;
/// Most redirect addresses of a client.
pub const REDIRECT_URIS_MAX: usize = 16;

const BUCKET: &str = "oauth_clients";
/// What every secret made here begins with.
const SECRET_PREFIX: &str = "muster_cs_";

/// A way to come to a token (RFC 6749 §1.3).
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Grant {
    /// A person logs in at this server and consents; PKCE is required.
    AuthorizationCode,
    /// A refresh token stands for an earlier consent.
    RefreshToken,
    /// The client acts for itself, or for the account it is bound to.
    ClientCredentials,
    /// The client sends a person's password; only while the setting `password_grant` allows it.
    Password,
}

impl Grant {
    /// Every grant.
    pub const ALL: [Self; 4] = [Self::AuthorizationCode, Self::RefreshToken, Self::ClientCredentials, Self::Password];

    /// The grant as requests write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AuthorizationCode => "authorization_code",
            Self::RefreshToken => "refresh_token",
            Self::ClientCredentials => "client_credentials",
            Self::Password => "password",
        }
    }

    /// Reads a grant as requests write it.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|grant| grant.as_str() == text)
    }
}

/// What may be known about a client. Never its secret.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Client {
    /// The id of the client.
    pub id: String,
    /// Name on the login page.
    pub name: String,
    /// Whether the client has a secret.
    pub confidential: bool,
    /// Redirect addresses.
    pub redirect_uris: Vec<String>,
    /// Grant types.
    pub grants: Vec<Grant>,
    /// The account for `client_credentials` [default: the client itself].
    pub account: Option<AccountId>,
    /// When it was registered, in seconds since the epoch.
    pub created_seconds: u64,
}

impl Client {
    /// Whether it may come to tokens this way.
    pub fn may(&self, grant: Grant) -> bool {
        self.grants.contains(&grant)
    }
}

/// The secret a client is to have.
#[derive(Clone)]
pub enum NewSecret {
    /// None: the client is public.
    None,
    /// One made here.
    Made,
    /// One chosen by an operator.
    Chosen(String),
}

impl std::fmt::Debug for NewSecret {
    // By hand: a secret must not reach a log.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Self::None => "None",
            Self::Made => "Made",
            Self::Chosen(_) => "Chosen",
        })
    }
}

/// A client to be registered.
#[derive(Clone, Debug)]
pub struct NewClient {
    /// Names it in requests: 1 to 100 of `[A-Za-z0-9._-]`.
    pub id: String,
    /// Name on the login page.
    pub name: String,
    /// Its secret.
    pub secret: NewSecret,
    /// Redirect addresses.
    pub redirect_uris: Vec<String>,
    /// Grant types.
    pub grants: Vec<Grant>,
    /// The account for `client_credentials`.
    pub account: Option<AccountId>,
}

/// Why a client was not registered.
#[derive(Debug, Error)]
pub enum ClientError {
    /// The id is not usable.
    #[error(
        "the id of a client must be 1 to {CLIENT_ID_BYTES_MAX} letters, digits, `.`, `_` or `-`, and not `console` or \
         `anonymous`"
    )]
    Id,
    /// The name is empty, too long, or more than a line.
    #[error("the name of a client must be one line of 1 to {CLIENT_NAME_CHARS_MAX} characters")]
    Name,
    /// The secret is too short or too long.
    #[error("the secret of a client must have 8 to 1024 bytes")]
    Secret,
    /// A redirect address is not usable.
    #[error("{0}")]
    Redirect(&'static str),
    /// Grants, secret and addresses do not go together.
    #[error("{0}")]
    Grants(&'static str),
    /// There is such a client.
    #[error("the client {0} already exists; remove it first")]
    Exists(String),
    /// There is no such account, or it is banned.
    #[error("there is no account {0} for this client to act for")]
    NoAccount(AccountId),
    /// Something below failed.
    #[error(transparent)]
    Below(#[from] CallError),
}

impl From<StorageError> for ClientError {
    fn from(error: StorageError) -> Self {
        Self::Below(error.into())
    }
}

/// For whom a client acts with `client_credentials`, and what ends a token for it.
pub(super) enum Principal {
    Itself {
        revision: Revision,
    },
    Account {
        account: AccountId,
        revision: Revision,
    },
    /// The client was removed, or its account was removed or banned.
    Gone,
}

#[derive(Deserialize, Serialize)]
struct Record {
    name: String,
    secret: Option<SecretHash>,
    redirect_uris: Vec<String>,
    grants: Vec<Grant>,
    account: Option<Bound>,
    created: u64,
}

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
enum SecretHash {
    Made(String),
    Chosen(String),
}

/// An account in the life it had when the client was bound to it: a later one of the same name is another account.
#[derive(Deserialize, Serialize)]
struct Bound {
    account: String,
    life: String,
}

/// All clients.
#[derive(Debug)]
pub struct Clients {
    storage: Arc<dyn Storage>,
    accounts: Arc<Accounts>,
    secrets: ChosenSecrets,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
}

impl Clients {
    /// Clients in `storage`, some of which act for accounts.
    ///
    /// # Errors
    /// When there is no randomness to be had.
    pub fn new(
        storage: Arc<dyn Storage>,
        accounts: Arc<Accounts>,
        passwords: Arc<dyn Passwords>,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
    ) -> Result<Self, CallError> {
        let secrets = ChosenSecrets::new(passwords, Arc::clone(accounts.throttle()), &*random)?;
        Ok(Self { storage, accounts, secrets, clock, random })
    }

    /// Registers a client and returns its generated secret, which is not stored.
    ///
    /// # Errors
    /// When a part of it is not usable, parts do not go together, or the id is taken.
    pub async fn add(&self, new: NewClient) -> Result<Option<String>, ClientError> {
        check(&new)?;
        let account = match &new.account {
            None => None,
            Some(account) => {
                let standing = self.accounts.standing(account).await?;
                let standing = standing.ok_or_else(|| ClientError::NoAccount(account.clone()))?;
                Some(Bound { account: account.as_str().to_owned(), life: standing.life })
            }
        };
        let (secret, made) = match new.secret {
            NewSecret::None => (None, None),
            NewSecret::Made => {
                let text = format!("{SECRET_PREFIX}{}", secret::new_secret(&*self.random)?);
                (Some(SecretHash::Made(secret::hash(&text))), Some(text))
            }
            NewSecret::Chosen(text) => (Some(SecretHash::Chosen(self.secrets.hash(text).await?)), None),
        };
        let record = Record {
            name: new.name,
            secret,
            redirect_uris: new.redirect_uris,
            grants: new.grants,
            account,
            created: self.clock.since_epoch().as_secs(),
        };
        let value = serde_json::to_vec(&record).map_err(CallError::internal_from)?;
        match self.storage.put(BUCKET, &new.id, value, Expect::Absent).await {
            Err(StorageError::Conflict { .. }) => Err(ClientError::Exists(new.id)),
            other => Ok(other.map(|_| made)?),
        }
    }

    /// The client with that id.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn get(&self, id: &str) -> Result<Option<Client>, CallError> {
        Ok(self.entry(id).await?.map(|entry| read(&entry)).transpose()?.and_then(|record| describe(id, record)))
    }

    /// Every client, by id.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn list(&self) -> Result<Vec<Client>, CallError> {
        let mut clients = Vec::new();
        for id in list_all(&*self.storage, BUCKET).await? {
            clients.extend(self.get(&id).await?);
        }
        Ok(clients)
    }

    /// Removes a client; whether it was there. Its tokens are no longer valid once this returns, but still have to be
    /// removed.
    pub(super) async fn remove(&self, id: &str) -> Result<bool, CallError> {
        if !is_client_id(id) {
            return Ok(false);
        }
        Ok(self.storage.delete(BUCKET, id, Expect::Anything).await?)
    }

    /// The client, if it is who it says: with its secret when it is confidential, without one when it is public. Secrets
    /// that were made are too long to be guessed; for guesses at chosen ones `address` has to wait.
    ///
    /// # Errors
    /// [`CallError::Throttled`] when too many wrong secrets came from there; another when it could not be found out.
    pub async fn authenticate(
        &self,
        id: &str,
        secret: Option<String>,
        address: Option<IpAddr>,
    ) -> Result<Option<Client>, CallError> {
        let Some(entry) = self.entry(id).await? else { return Ok(None) };
        let record = read(&entry)?;
        let right = match (&record.secret, secret) {
            (None, None) => true,
            (None, Some(_)) | (Some(_), None) => false,
            (Some(SecretHash::Made(hash)), Some(secret)) => secret::is_hash_of(hash, &secret),
            (Some(SecretHash::Chosen(_)), Some(secret)) if !CLIENT_SECRET_BYTES.contains(&secret.len()) => false,
            (Some(SecretHash::Chosen(hash)), Some(secret)) => {
                // No account has a name with a blank.
                let holder = format!("client {id}");
                let claim = LoginAttempt { holder: &holder, revision: Some(entry.revision), address };
                self.secrets.prove(claim, secret, || Ok(Kept { hash: Some(hash.clone()), banned: false })).await?
            }
        };
        Ok(if right { describe(id, record) } else { None })
    }

    /// For whom a client acts.
    pub(super) async fn principal(&self, id: &str) -> Result<Principal, CallError> {
        let Some(entry) = self.entry(id).await? else { return Ok(Principal::Gone) };
        let Some(bound) = read(&entry)?.account else { return Ok(Principal::Itself { revision: entry.revision }) };
        let account = AccountId::parse(&bound.account).map_err(|_| unreadable())?;
        let standing = self.accounts.standing(&account).await?.filter(|standing| standing.life == bound.life);
        Ok(match standing {
            Some(AccountState { revision, .. }) => Principal::Account { account, revision },
            None => Principal::Gone,
        })
    }

    /// The revision of a client; nothing when it does not exist.
    pub(super) async fn revision(&self, id: &str) -> Result<Option<Revision>, CallError> {
        Ok(self.entry(id).await?.map(|entry| entry.revision))
    }

    async fn entry(&self, id: &str) -> Result<Option<Entry>, CallError> {
        if !is_client_id(id) {
            return Ok(None);
        }
        Ok(self.storage.get(BUCKET, id).await?)
    }
}

fn read(entry: &Entry) -> Result<Record, CallError> {
    serde_json::from_slice(&entry.value).map_err(|_| unreadable())
}

fn unreadable() -> CallError {
    CallError::internal_from("the record of a client in the store is not readable")
}

fn describe(id: &str, record: Record) -> Option<Client> {
    let account = record.account.map(|bound| AccountId::parse(&bound.account)).transpose().ok()?;
    Some(Client {
        id: id.to_owned(),
        name: record.name,
        confidential: record.secret.is_some(),
        redirect_uris: record.redirect_uris,
        grants: record.grants,
        account,
        created_seconds: record.created,
    })
}

fn is_client_id(id: &str) -> bool {
    // A client's id stands in logs where the words for other callers do.
    (1..=CLIENT_ID_BYTES_MAX).contains(&id.len())
        && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
        && !["console", "anonymous"].contains(&id)
}

fn check(new: &NewClient) -> Result<(), ClientError> {
    if !is_client_id(&new.id) {
        return Err(ClientError::Id);
    }
    if !(1..=CLIENT_NAME_CHARS_MAX).contains(&new.name.chars().count()) || new.name.chars().any(char::is_control) {
        return Err(ClientError::Name);
    }
    if let NewSecret::Chosen(secret) = &new.secret
        && !CLIENT_SECRET_BYTES.contains(&secret.len())
    {
        return Err(ClientError::Secret);
    }
    if new.redirect_uris.len() > REDIRECT_URIS_MAX {
        return Err(ClientError::Redirect("a client has at most 16 redirect addresses"));
    }
    for uri in &new.redirect_uris {
        redirect::check_redirect_uri(uri).map_err(ClientError::Redirect)?;
    }
    let may = |grant| new.grants.contains(&grant);
    let public = matches!(new.secret, NewSecret::None);
    if !public && new.redirect_uris.iter().any(|uri| redirect::is_by_name(uri)) {
        return Err(ClientError::Redirect("only a client without a secret may have a redirect address at localhost"));
    }
    let misfit = if new.grants.is_empty() {
        "a client needs at least one grant type"
    } else if may(Grant::AuthorizationCode) && new.redirect_uris.is_empty() {
        "the grant type authorization_code needs a redirect address"
    } else if public && (may(Grant::ClientCredentials) || may(Grant::Password)) {
        "the grant types client_credentials and password need a secret"
    } else if may(Grant::RefreshToken) && !may(Grant::AuthorizationCode) && !may(Grant::Password) {
        "the grant type refresh_token also needs authorization_code or password"
    } else if new.account.is_some() && !may(Grant::ClientCredentials) {
        "only a client with the grant type client_credentials can act for an account"
    } else {
        return Ok(());
    };
    Err(ClientError::Grants(misfit))
}
