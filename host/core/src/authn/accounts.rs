//! Accounts `user@host` and their passwords, kept as hashes.

use std::net::IpAddr;
use std::sync::Arc;

use arc_swap::ArcSwap;
use futures_util::lock::Mutex;
use serde_json::{Value, json};
use thiserror::Error;

use super::verified::Verified;
use super::{Passwords, Throttle};
use crate::clock::Clock;
use crate::error::CallError;
use crate::name::AccountId;
use crate::storage::{Entry, Expect, Storage, StorageError, list_all};

/// Longest password, in bytes: more only buys the sender computing time.
pub const PASSWORD_BYTES_MAX: usize = 1024;

const BUCKET: &str = "accounts";
const TURNS: usize = 16;

/// Why an operation on an account was not done.
#[derive(Debug, Error)]
pub enum AccountError {
    /// The host is not one of this server's.
    #[error("Unknown virtual host")]
    UnknownHost,
    /// The account exists already.
    #[error("User {0} already registered")]
    Exists(AccountId),
    /// There is no such account.
    #[error("there is no account {0}")]
    Missing(AccountId),
    /// The password is empty or too long.
    #[error("a password has 1 to {PASSWORD_BYTES_MAX} bytes")]
    UnusablePassword,
    /// Something below failed.
    #[error(transparent)]
    Below(#[from] CallError),
}

impl From<StorageError> for AccountError {
    fn from(error: StorageError) -> Self {
        Self::Below(error.into())
    }
}

/// All accounts of this server.
#[derive(Debug)]
pub struct Accounts {
    storage: Arc<dyn Storage>,
    passwords: Arc<dyn Passwords>,
    clock: Arc<dyn Clock>,
    verified: Verified,
    throttle: Arc<Throttle>,
    /// Held while a credential is verified; which one depends on its fingerprint, so nobody can choose to hold up
    /// somebody else's.
    turns: [Mutex<()>; TURNS],
    hosts: ArcSwap<Vec<String>>,
}

impl Accounts {
    /// Accounts in `storage`. `key`: 64 random bytes for the cache of verified credentials.
    pub fn new(storage: Arc<dyn Storage>, passwords: Arc<dyn Passwords>, clock: Arc<dyn Clock>, key: [u8; 64]) -> Self {
        Self {
            storage,
            passwords,
            clock,
            verified: Verified::new(key),
            throttle: Arc::default(),
            turns: Default::default(),
            hosts: ArcSwap::default(),
        }
    }

    /// Sets the hosts accounts can be at.
    pub fn set_hosts(&self, hosts: Vec<String>) {
        self.hosts.store(Arc::new(hosts));
    }

    /// The hosts accounts can be at.
    pub fn hosts(&self) -> Vec<String> {
        self.hosts.load().to_vec()
    }

    fn known_host(&self, host: &str) -> Result<(), AccountError> {
        if self.hosts.load().iter().any(|known| known == host) { Ok(()) } else { Err(AccountError::UnknownHost) }
    }

    /// Makes an account.
    ///
    /// # Errors
    /// When it exists, the host is unknown, or the password cannot be used.
    pub async fn create(&self, account: &AccountId, password: String) -> Result<(), AccountError> {
        self.known_host(account.host())?;
        let record = self.record(password).await?;
        match self.storage.put(BUCKET, account.as_str(), record, Expect::Absent).await {
            Err(StorageError::Conflict) => Err(AccountError::Exists(account.clone())),
            other => Ok(other.map(|_| ())?),
        }
    }

    /// Gives an account another password. Credentials with the old one stop working at once.
    ///
    /// # Errors
    /// When there is no such account or the password cannot be used.
    pub async fn change_password(&self, account: &AccountId, password: String) -> Result<(), AccountError> {
        let entry = self.entry(account).await?.ok_or_else(|| AccountError::Missing(account.clone()))?;
        let record = self.record(password).await?;
        self.storage.put(BUCKET, account.as_str(), record, Expect::Revision(entry.revision)).await?;
        Ok(())
    }

    /// Removes an account; whether it was there.
    ///
    /// # Errors
    /// When the host is unknown or the store fails.
    pub async fn remove(&self, account: &AccountId) -> Result<bool, AccountError> {
        self.known_host(account.host())?;
        Ok(self.storage.delete(BUCKET, account.as_str(), Expect::Anything).await?)
    }

    /// Whether there is such an account.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn exists(&self, account: &AccountId) -> Result<bool, AccountError> {
        Ok(self.entry(account).await?.is_some())
    }

    /// The names of a host's accounts, in ascending order.
    ///
    /// # Errors
    /// When the host is unknown or the store fails.
    pub async fn list(&self, host: &str) -> Result<Vec<String>, AccountError> {
        self.known_host(host)?;
        let accounts = list_all(&*self.storage, BUCKET).await?;
        let mut users: Vec<String> = accounts
            .iter()
            .filter_map(|account| account.split_once('@'))
            .filter(|(_, at)| *at == host)
            .map(|(user, _)| user.to_owned())
            .collect();
        users.sort_unstable();
        Ok(users)
    }

    /// Whether this is the account's password, asked by somebody who may know: nobody has to wait for it.
    ///
    /// # Errors
    /// When it could not be found out.
    pub async fn is_password(&self, account: &AccountId, password: String) -> Result<bool, CallError> {
        self.login(Some(account), password, None).await
    }

    /// Whether somebody at `address` proves to be the account by this password. An account that does not exist (or
    /// cannot, hence the option) goes the same way as one that does, so that it takes as long and counts as much.
    ///
    /// # Errors
    /// [`CallError::Throttled`] when too many wrong passwords came from there; another when it could not be found out.
    pub async fn login(
        &self,
        account: Option<&AccountId>,
        password: String,
        address: Option<IpAddr>,
    ) -> Result<bool, CallError> {
        if password.len() > PASSWORD_BYTES_MAX {
            // It can be none, so nothing is learnt by trying: only the sender's turn is used up.
            self.throttle.begin("", address)?.fail();
            return Ok(false);
        }
        let entry = match account {
            Some(account) => self.entry(account).await?,
            None => None,
        };
        let name = account.map_or("", AccountId::as_str);
        let fingerprint = self.verified.fingerprint(name, &password);
        let is_verified =
            || entry.as_ref().is_some_and(|entry| self.verified.is_verified(&fingerprint, entry.revision));
        if is_verified() {
            return Ok(true);
        }
        self.throttle.check(name, address)?;
        // Many calls that begin with the same credential at the same time pay for one hash, not one each.
        let turn = fingerprint.first().map_or(0, |byte| usize::from(*byte) % TURNS);
        let _turn = match self.turns.get(turn) {
            Some(turn) => Some(turn.lock().await),
            None => None,
        };
        if is_verified() {
            return Ok(true);
        }
        let attempt = self.throttle.begin(name, address)?;
        let checked = async {
            let hash = entry.as_ref().map(|entry| stored_hash(&entry.value)).transpose()?;
            self.passwords.verify(password, hash).await
        };
        match checked.await {
            Ok(true) => attempt.succeed(),
            Ok(false) => {
                attempt.fail();
                return Ok(false);
            }
            Err(error) => {
                attempt.withdraw();
                return Err(error);
            }
        }
        if let Some(entry) = entry {
            self.verified.remember(fingerprint, entry.revision);
        }
        Ok(true)
    }

    /// Counts wrong credentials, of accounts and of whatever else proves who it is.
    pub fn throttle(&self) -> &Arc<Throttle> {
        &self.throttle
    }

    async fn entry(&self, account: &AccountId) -> Result<Option<Entry>, StorageError> {
        self.storage.get(BUCKET, account.as_str()).await
    }

    async fn record(&self, password: String) -> Result<Vec<u8>, AccountError> {
        if password.is_empty() || password.len() > PASSWORD_BYTES_MAX {
            return Err(AccountError::UnusablePassword);
        }
        let hash = self.passwords.hash(password).await?;
        let changed = self.clock.since_epoch().as_secs();
        Ok(json!({ "password": hash, "changed": changed }).to_string().into_bytes())
    }
}

fn stored_hash(record: &[u8]) -> Result<String, CallError> {
    serde_json::from_slice::<Value>(record)
        .ok()
        .and_then(|record| record.get("password").and_then(Value::as_str).map(str::to_owned))
        .ok_or_else(|| CallError::internal_from("an account's record in the store is not readable"))
}
