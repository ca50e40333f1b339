//! API keys: named credentials of an account that carry its rights for some commands only.
//!
//! The text is `muster_key_ID_SECRET`; only its hash is kept. A key lives as long as its account does: a ban, a removal
//! or a new account of the same name ends it, another password does not. When it was last used is remembered in memory
//! and written now and then, outside of calls.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::secret;
use super::{AccountState, Accounts, Rejection};
use crate::clock::Clock;
use crate::error::CallError;
use crate::name::AccountId;
use crate::permission::{Selector, What};
use crate::random::Random;
use crate::storage::{Expect, Revision, Storage, StorageError, list_all};

/// What every key begins with.
pub const KEY_PREFIX: &str = "muster_key_";
/// Longest name of a key, in characters.
pub const KEY_NAME_CHARS_MAX: usize = 100;
/// Most scopes of one key.
pub const KEY_SCOPES_MAX: usize = 64;

const BUCKET: &str = "api_keys";
/// Key id to seconds since the epoch, apart from the keys: being used is no change of a key.
const USES: &str = "api_key_uses";

/// Why a key was not made.
#[derive(Debug, Error)]
pub enum KeyError {
    /// There is no such account, or it is banned.
    #[error("there is no account {0}, or it is banned")]
    NoAccount(AccountId),
    /// The name is empty, too long, or more than a line.
    #[error("the name of a key must be one line of 1 to {KEY_NAME_CHARS_MAX} characters")]
    Name,
    /// No scope, or too many.
    #[error("a key must have 1 to {KEY_SCOPES_MAX} scopes; `*` covers every command that its account may call")]
    Scopes,
    /// Something below failed.
    #[error(transparent)]
    Below(#[from] CallError),
}

impl From<StorageError> for KeyError {
    fn from(error: StorageError) -> Self {
        Self::Below(error.into())
    }
}

/// What may be known about a key. Never the key itself.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ApiKey {
    /// Names it for its owner and for revoking; no secret.
    pub id: String,
    /// Name of the key.
    pub name: String,
    /// Whose rights it carries.
    pub account: AccountId,
    /// For which commands, in the grammar of `what`.
    pub scopes: Vec<String>,
    /// When it was made, in seconds since the epoch.
    pub created_seconds: u64,
    /// When it ends, in seconds since the epoch; never without.
    pub expires_seconds: Option<u64>,
    /// When it was last used, in seconds since the epoch, give or take a minute.
    pub used_seconds: Option<u64>,
}

#[derive(Deserialize, Serialize)]
struct Record {
    hash: String,
    name: String,
    account: String,
    /// The life of the account it was made in.
    life: String,
    scopes: Vec<String>,
    created: u64,
    expires: Option<u64>,
}

/// All API keys.
pub struct Keys {
    storage: Arc<dyn Storage>,
    accounts: Arc<Accounts>,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    /// Uses not yet written, so that a call writes nothing. Only keys that exist get in, which bounds it.
    uses: Mutex<HashMap<String, u64>>,
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Keys").finish_non_exhaustive()
    }
}

impl Keys {
    /// Keys of `accounts`, kept in `storage`.
    pub fn new(
        storage: Arc<dyn Storage>,
        accounts: Arc<Accounts>,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
    ) -> Self {
        Self { storage, accounts, clock, random, uses: Mutex::default() }
    }

    /// Creates a key and returns it with its text, which is not stored.
    ///
    /// # Errors
    /// When the account cannot have one, or name or scopes are not usable.
    pub async fn create(
        &self,
        account: &AccountId,
        name: &str,
        scopes: &[Selector],
        lifetime: Option<Duration>,
    ) -> Result<(ApiKey, String), KeyError> {
        let name_chars = name.chars().count();
        if !(1..=KEY_NAME_CHARS_MAX).contains(&name_chars) || name.chars().any(char::is_control) {
            return Err(KeyError::Name);
        }
        if !(1..=KEY_SCOPES_MAX).contains(&scopes.len()) {
            return Err(KeyError::Scopes);
        }
        let standing = self.accounts.standing(account).await?.ok_or_else(|| KeyError::NoAccount(account.clone()))?;
        let id = secret::new_id(&*self.random)?;
        let text = format!("{KEY_PREFIX}{id}_{}", secret::new_secret(&*self.random)?);
        let now = self.clock.since_epoch();
        let record = Record {
            hash: secret::hash(&text),
            name: name.to_owned(),
            account: account.as_str().to_owned(),
            life: standing.life,
            scopes: scopes.iter().map(ToString::to_string).collect(),
            created: now.as_secs(),
            expires: lifetime.map(|lifetime| now.saturating_add(lifetime).as_secs()),
        };
        let value = serde_json::to_vec(&record).map_err(CallError::internal_from)?;
        self.storage.put(BUCKET, &id, value, Expect::Absent).await?;
        let key = describe(id, record).ok_or_else(unreadable)?;
        Ok((key, text))
    }

    /// The keys of one account, or all, by id.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn list(&self, account: Option<&AccountId>) -> Result<Vec<ApiKey>, CallError> {
        let mut keys = Vec::new();
        for id in list_all(&*self.storage, BUCKET).await? {
            let Some(record) = self.record(&id).await? else { continue };
            if account.is_some_and(|account| !is_of(&record, account)) {
                continue;
            }
            let used_seconds = self.used(&id).await?;
            keys.extend(describe(id, record).map(|key| ApiKey { used_seconds, ..key }));
        }
        Ok(keys)
    }

    /// Ends a key of the account; whether there was one.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn revoke(&self, account: &AccountId, id: &str) -> Result<bool, CallError> {
        match self.record(id).await? {
            Some(record) if is_of(&record, account) => self.delete(id).await,
            _ => Ok(false),
        }
    }

    /// Whose key this is, and for which commands. One hash, two reads.
    ///
    /// # Errors
    /// [`CallError::Unauthenticated`] with the reason when it is not valid; another when it could not be found out.
    pub async fn authenticate(&self, text: &str) -> Result<(AccountId, Revision, What), CallError> {
        let id = text.strip_prefix(KEY_PREFIX).and_then(|rest| rest.get(..secret::ID_CHARS));
        let id = id.filter(|id| secret::is_id(id)).ok_or(Rejection::Unusable)?;
        let record = self.record(id).await?.filter(|record| secret::is_hash_of(&record.hash, text));
        let record = record.ok_or(Rejection::UnknownToken)?;
        let now = self.clock.since_epoch().as_secs();
        if record.expires.is_some_and(|expires| now >= expires) {
            return Err(Rejection::Expired.into());
        }
        let account = AccountId::parse(&record.account).map_err(|_| unreadable())?;
        let AccountState { revision, life } = self.accounts.standing_or_why(&account).await?;
        if life != record.life {
            return Err(Rejection::Superseded.into());
        }
        let scopes = record.scopes.iter().map(|scope| Selector::parse(scope)).collect::<Result<Vec<_>, _>>();
        let what = What::of(scopes.map_err(|_| unreadable())?);
        self.uses.lock().unwrap_or_else(PoisonError::into_inner).insert(id.to_owned(), now);
        Ok((account, revision, what))
    }

    /// Writes down when keys were used. To be called about once a minute.
    ///
    /// # Errors
    /// When the store fails; what was not written is forgotten.
    pub async fn write_uses(&self) -> Result<(), CallError> {
        let uses = std::mem::take(&mut *self.uses.lock().unwrap_or_else(PoisonError::into_inner));
        for (id, used) in uses {
            self.storage.put(USES, &id, used.to_string().into_bytes(), Expect::Anything).await?;
        }
        Ok(())
    }

    /// Removes keys that can never be valid again, and gives their number.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn purge(&self) -> Result<usize, CallError> {
        let now = self.clock.since_epoch().as_secs();
        let mut purged = 0;
        for id in list_all(&*self.storage, BUCKET).await? {
            let Some(record) = self.record(&id).await? else { continue };
            let account = AccountId::parse(&record.account).ok();
            let life = match &account {
                Some(account) => self.accounts.life(account).await?,
                None => None,
            };
            if record.expires.is_some_and(|expires| now >= expires) || life.is_none_or(|life| life != record.life) {
                purged += usize::from(self.delete(&id).await?);
            }
        }
        Ok(purged)
    }

    async fn delete(&self, id: &str) -> Result<bool, CallError> {
        let was_there = self.storage.delete(BUCKET, id, Expect::Anything).await?;
        self.uses.lock().unwrap_or_else(PoisonError::into_inner).remove(id);
        self.storage.delete(USES, id, Expect::Anything).await?;
        Ok(was_there)
    }

    async fn used(&self, id: &str) -> Result<Option<u64>, CallError> {
        let fresh = self.uses.lock().unwrap_or_else(PoisonError::into_inner).get(id).copied();
        if fresh.is_some() {
            return Ok(fresh);
        }
        let written = self.storage.get(USES, id).await?;
        Ok(written.and_then(|entry| String::from_utf8(entry.value).ok()?.parse().ok()))
    }

    async fn record(&self, id: &str) -> Result<Option<Record>, CallError> {
        match self.storage.get(BUCKET, id).await? {
            Some(entry) => serde_json::from_slice(&entry.value).map(Some).map_err(|_| unreadable()),
            None => Ok(None),
        }
    }
}

/// Whether it is a key of the account, whichever way an earlier version wrote its name.
fn is_of(record: &Record, account: &AccountId) -> bool {
    AccountId::parse(&record.account).is_ok_and(|own| own == *account)
}

fn describe(id: String, record: Record) -> Option<ApiKey> {
    Some(ApiKey {
        id,
        name: record.name,
        account: AccountId::parse(&record.account).ok()?,
        scopes: record.scopes,
        created_seconds: record.created,
        expires_seconds: record.expires,
        used_seconds: None,
    })
}

fn unreadable() -> CallError {
    CallError::internal_from("the record of an API key in the store is not readable")
}
