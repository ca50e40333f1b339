//! Accounts `user@host` and their passwords, kept as hashes.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use arc_swap::ArcSwap;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::password::{ChosenSecrets, Kept, LoginAttempt};
use super::secret;
use super::{PasswordPolicy, Passwords, Rejection, Throttle};
use crate::clock::Clock;
use crate::error::CallError;
use crate::name::AccountId;
use crate::precis;
use crate::random::Random;
use crate::storage::{Entry, Expect, Revision, Storage, StorageError, list_all};

/// Longest password, in bytes: more only buys the sender computing time.
pub const PASSWORD_BYTES_MAX: usize = 1024;

const BUCKET: &str = "accounts";

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
    /// The name is none by RFC 8265.
    #[error(
        "`{0}` cannot be the name of a new account: it contains invisible or confusable characters; use letters and \
         digits"
    )]
    UnusableName(AccountId),
    /// The password is empty or too long, or has control characters.
    #[error("a password must have 1 to {PASSWORD_BYTES_MAX} bytes and no control characters")]
    UnusablePassword,
    /// The password has fewer characters than the operator wants.
    #[error("a password must have at least {0} characters")]
    ShortPassword(usize),
    /// The password is one of those that are tried first.
    #[error("this password is too common; choose another, such as several random words")]
    CommonPassword,
    /// Something below failed.
    #[error(transparent)]
    Below(#[from] CallError),
}

impl From<StorageError> for AccountError {
    fn from(error: StorageError) -> Self {
        Self::Below(error.into())
    }
}

/// Why and since when an account may not be used.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Ban {
    /// What the operator gave as the reason.
    pub reason: String,
    /// When, in seconds since the epoch.
    pub since_seconds: u64,
}

/// What other credentials of an account are bound to.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct AccountState {
    /// Changes with the password, a ban, and the account itself: tokens end with it.
    pub revision: Revision,
    /// Changes with a ban and with the account itself, not with its password: API keys end with it.
    pub life: String,
}

/// An account, as it is kept.
#[derive(Deserialize, Serialize)]
struct Record {
    password: String,
    changed: u64,
    /// Random; absent in accounts made by a version without API keys.
    #[serde(default)]
    life: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ban: Option<Ban>,
}

/// All accounts of this server.
#[derive(Debug)]
pub struct Accounts {
    storage: Arc<dyn Storage>,
    secrets: ChosenSecrets,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    hosts: ArcSwap<Vec<String>>,
    policy: ArcSwap<PasswordPolicy>,
    /// The keys of accounts whose name is now written in another way, by that way.
    old_keys: ArcSwap<BTreeMap<AccountId, String>>,
}

impl Accounts {
    /// Accounts in `storage`.
    ///
    /// # Errors
    /// When there is no randomness to be had.
    pub fn new(
        storage: Arc<dyn Storage>,
        passwords: Arc<dyn Passwords>,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
    ) -> Result<Self, CallError> {
        Ok(Self {
            secrets: ChosenSecrets::new(passwords, Arc::default(), &*random)?,
            storage,
            clock,
            random,
            hosts: ArcSwap::default(),
            policy: ArcSwap::default(),
            old_keys: ArcSwap::default(),
        })
    }

    /// Finds accounts of earlier versions, which kept names as they were typed, so that they go on working: by whatever
    /// way their name is typed from now on. Gives those that should get another name, with what to know about each. To be
    /// called once, before the first call.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn adopt_old_names(&self) -> Result<Vec<(String, &'static str)>, CallError> {
        let stored = list_all(&*self.storage, BUCKET).await?;
        let (mut old_keys, mut odd) = (BTreeMap::new(), Vec::new());
        for key in &stored {
            let Ok(account) = AccountId::parse(key) else { continue };
            if !account.is_well_formed() {
                odd.push((key.clone(), "contains invisible or confusable characters, which new accounts may not have"));
            } else if account.as_str() != key {
                let taken = old_keys.contains_key(&account) || stored.iter().any(|other| other == account.as_str());
                if taken {
                    odd.push((key.clone(), "is now equal to the name of another account, so it cannot log in"));
                } else {
                    odd.push((key.clone(), "is now written differently"));
                    old_keys.insert(account, key.clone());
                }
            }
        }
        self.old_keys.store(Arc::new(old_keys));
        Ok(odd)
    }

    /// The key of an account in the store.
    fn key(&self, account: &AccountId) -> Arc<str> {
        match self.old_keys.load().get(account) {
            Some(key) => Arc::from(key.as_str()),
            None => account.shared(),
        }
    }

    /// Sets the hosts accounts can be at.
    pub fn set_hosts(&self, hosts: Vec<String>) {
        self.hosts.store(Arc::new(hosts));
    }

    /// Sets what new passwords must be.
    pub fn set_policy(&self, policy: PasswordPolicy) {
        self.policy.store(Arc::new(policy));
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
        if !account.is_well_formed() {
            return Err(AccountError::UnusableName(account.clone()));
        }
        if self.exists(account).await? {
            return Err(AccountError::Exists(account.clone()));
        }
        let password = self.hash(account, password).await?;
        let record = Record {
            password,
            changed: self.clock.since_epoch().as_secs(),
            life: secret::new_id(&*self.random)?,
            ban: None,
        };
        match self.put(account, &record, Expect::Absent).await {
            Err(AccountError::Below(CallError::Conflict(_))) => Err(AccountError::Exists(account.clone())),
            other => other,
        }
    }

    /// Gives an account another password. Credentials with the old one stop working at once, and tokens too; API keys
    /// and a ban stay.
    ///
    /// # Errors
    /// When there is no such account or the password cannot be used.
    pub async fn change_password(&self, account: &AccountId, password: String) -> Result<(), AccountError> {
        let (revision, mut record) = self.record(account).await?;
        record.password = self.hash(account, password).await?;
        record.changed = self.clock.since_epoch().as_secs();
        self.put(account, &record, Expect::Revision(revision)).await
    }

    /// Bans an account: every credential of it stops working at once. Whether it was not banned before.
    ///
    /// # Errors
    /// When there is no such account or the store fails.
    pub async fn ban(&self, account: &AccountId, reason: String) -> Result<bool, AccountError> {
        let (revision, mut record) = self.record(account).await?;
        if record.ban.is_some() {
            return Ok(false);
        }
        record.ban = Some(Ban { reason, since_seconds: self.clock.since_epoch().as_secs() });
        // So that what was handed out before the ban does not come back with its end.
        record.life = secret::new_id(&*self.random)?;
        self.put(account, &record, Expect::Revision(revision)).await?;
        Ok(true)
    }

    /// Lifts a ban: the password works again, tokens and API keys from before do not. Whether there was one.
    ///
    /// # Errors
    /// When there is no such account or the store fails.
    pub async fn unban(&self, account: &AccountId) -> Result<bool, AccountError> {
        let (revision, mut record) = self.record(account).await?;
        if record.ban.take().is_none() {
            return Ok(false);
        }
        self.put(account, &record, Expect::Revision(revision)).await?;
        Ok(true)
    }

    /// The ban of an account, if it has one.
    ///
    /// # Errors
    /// When there is no such account or the store fails.
    pub async fn ban_of(&self, account: &AccountId) -> Result<Option<Ban>, AccountError> {
        Ok(self.record(account).await?.1.ban)
    }

    /// The banned accounts of a host, or of all, in ascending order.
    ///
    /// # Errors
    /// When the host is unknown or the store fails.
    pub async fn list_banned(&self, host: Option<&str>) -> Result<Vec<AccountId>, AccountError> {
        if let Some(host) = host {
            self.known_host(host)?;
        }
        let mut banned = Vec::new();
        for account in list_all(&*self.storage, BUCKET).await? {
            let Ok(account) = AccountId::parse(&account) else { continue };
            if host.is_some_and(|host| host != account.host()) {
                continue;
            }
            match self.ban_of(&account).await {
                Ok(Some(_)) => banned.push(account),
                // It may have been removed since the list was made.
                Ok(None) | Err(AccountError::Missing(_)) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(banned)
    }

    /// What credentials of the account are bound to; nothing when it does not exist or is banned.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn standing(&self, account: &AccountId) -> Result<Option<AccountState>, CallError> {
        let Some(entry) = self.entry(account).await? else { return Ok(None) };
        let record = read(&entry)?;
        Ok(record.ban.is_none().then_some(AccountState { revision: entry.revision, life: record.life }))
    }

    /// The record, if there is one, of an account a source that is believed vouches for. Here there must be such an account. Elsewhere its own server has it: where there is one of that name here
    /// all the same, its ban counts.
    pub(super) async fn vouched(&self, account: &AccountId, elsewhere: bool) -> Result<Option<Revision>, CallError> {
        let entry = self.entry(account).await?;
        match &entry {
            Some(entry) if read(entry)?.ban.is_some() => Err(Rejection::Banned.into()),
            // What no account could be called is nothing to be believed about another server's either.
            None if !elsewhere || !account.is_well_formed() => Err(Rejection::UnknownAccount.into()),
            _ => Ok(entry.map(|entry| entry.revision)),
        }
    }

    /// Why a password did not prove to be this account, after [`Accounts::login`] said so. The same work whether there is
    /// such an account or not.
    pub(super) async fn why_not(&self, account: Option<&AccountId>) -> Result<Rejection, CallError> {
        let Some(account) = account else { return Ok(Rejection::UnknownAccount) };
        Ok(match self.entry(account).await? {
            None => Rejection::UnknownAccount,
            Some(entry) if read(&entry)?.ban.is_some() => Rejection::Banned,
            Some(_) => Rejection::WrongPassword,
        })
    }

    /// What credentials of the account are bound to.
    ///
    /// # Errors
    /// [`CallError::Unauthenticated`] with the reason when it does not exist or is banned; another when the store fails.
    pub(crate) async fn standing_or_why(&self, account: &AccountId) -> Result<AccountState, CallError> {
        match self.standing(account).await? {
            Some(standing) => Ok(standing),
            None if self.exists(account).await.is_ok_and(|exists| exists) => Err(Rejection::Banned.into()),
            None => Err(Rejection::UnknownAccount.into()),
        }
    }

    /// The life of an account, banned or not; nothing when it does not exist.
    pub(super) async fn life(&self, account: &AccountId) -> Result<Option<String>, CallError> {
        let entry = self.entry(account).await?;
        Ok(entry.map(|entry| read(&entry)).transpose()?.map(|record| record.life))
    }

    /// The revision of an account, without reading it. A banned account has another one than before its ban.
    pub(crate) async fn revision(&self, account: &AccountId) -> Result<Option<Revision>, CallError> {
        Ok(self.entry(account).await?.map(|entry| entry.revision))
    }

    /// Removes an account; whether it was there.
    ///
    /// # Errors
    /// When the host is unknown or the store fails.
    pub async fn remove(&self, account: &AccountId) -> Result<bool, AccountError> {
        self.known_host(account.host())?;
        let was_there = self.storage.delete(BUCKET, &self.key(account), Expect::Anything).await?;
        if self.old_keys.load().contains_key(account) {
            self.old_keys.rcu(|keys| {
                let mut keys = BTreeMap::clone(keys);
                keys.remove(account);
                keys
            });
        }
        Ok(was_there)
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
            .filter_map(|account| AccountId::parse(account).ok())
            .filter(|account| account.host() == host)
            .map(|account| account.user().to_owned())
            .collect();
        users.sort_unstable();
        users.dedup();
        Ok(users)
    }

    /// Whether this is the account's password, and the account is not banned, for a caller who may check passwords: no
    /// throttling applies.
    ///
    /// # Errors
    /// When it could not be found out.
    pub async fn is_password(&self, account: &AccountId, password: String) -> Result<bool, CallError> {
        Ok(self.login(Some(account), password, None).await?.is_some())
    }

    /// The record of the account if the password is correct; nothing if it is wrong. `address`: where the attempt comes
    /// from. An account that does not exist (or cannot, hence the option) goes the same way as one that does, so that
    /// it takes as long and counts as much.
    ///
    /// # Errors
    /// [`CallError::Throttled`] when too many wrong passwords came from there; another when it could not be found out.
    pub async fn login(
        &self,
        account: Option<&AccountId>,
        password: String,
        address: Option<IpAddr>,
    ) -> Result<Option<Revision>, CallError> {
        if password.len() > PASSWORD_BYTES_MAX {
            // It can be none, so nothing is learnt by trying: only the sender's turn is used up.
            self.throttle().begin("", address)?.fail();
            return Ok(None);
        }
        let entry = match account {
            Some(account) => self.entry(account).await?,
            None => None,
        };
        let revision = entry.as_ref().map(|entry| entry.revision);
        let claim = LoginAttempt { holder: account.map_or("", AccountId::as_str), revision, address };
        let kept = || {
            let record = entry.as_ref().map(read).transpose()?;
            Ok(record.map_or_else(Kept::default, |record| Kept {
                banned: record.ban.is_some(),
                hash: Some(record.password),
            }))
        };
        let prepared = precis::password(&password).into_owned();
        let as_typed = (prepared != password).then_some(password);
        let mut right = self.secrets.prove(claim, prepared, kept).await?;
        if let (false, Some(password)) = (right, as_typed) {
            // Earlier versions kept the hash of what was typed.
            right = self.secrets.prove(claim, password, kept).await?;
        }
        Ok(revision.filter(|_| right))
    }

    /// Counts wrong credentials, of accounts and of whatever else proves who it is.
    pub fn throttle(&self) -> &Arc<Throttle> {
        self.secrets.throttle()
    }

    async fn entry(&self, account: &AccountId) -> Result<Option<Entry>, StorageError> {
        self.storage.get(BUCKET, &self.key(account)).await
    }

    async fn record(&self, account: &AccountId) -> Result<(Revision, Record), AccountError> {
        let entry = self.entry(account).await?.ok_or_else(|| AccountError::Missing(account.clone()))?;
        Ok((entry.revision, read(&entry)?))
    }

    async fn put(&self, account: &AccountId, record: &Record, expect: Expect) -> Result<(), AccountError> {
        let value = serde_json::to_vec(record).map_err(CallError::internal_from)?;
        self.storage.put(BUCKET, &self.key(account), value, expect).await?;
        Ok(())
    }

    async fn hash(&self, account: &AccountId, password: String) -> Result<String, AccountError> {
        self.policy.load().check(account, &password)?;
        Ok(self.secrets.hash(precis::password(&password).into_owned()).await?)
    }
}

fn read(entry: &Entry) -> Result<Record, CallError> {
    serde_json::from_slice(&entry.value)
        .map_err(|_| CallError::internal_from("the record of an account in the store is not readable"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::oauth::tests::{Counting, HandClock, PlainPasswords, now};
    use crate::storage::MemoryStorage;

    /// What an earlier version kept as it was typed is found by every way to type it, once the store was looked through.
    #[test]
    fn accounts_of_earlier_versions_go_on_whatever_way_their_name_is_typed() {
        let storage: Arc<dyn Storage> = Arc::new(MemoryStorage::default());
        for (name, password) in [
            ("jose\u{301}@localhost", "man\u{303}ana"),
            ("zoe\u{301}@localhost", "a"),
            ("zo\u{e9}@localhost", "b"),
            ("ann\u{200b}@localhost", "c"),
            ("bob@localhost", "d"),
        ] {
            let record = json!({ "password": password, "changed": 1, "life": "a" }).to_string().into_bytes();
            now(storage.put(BUCKET, name, record, Expect::Absent)).unwrap();
        }
        let (clock, random) = (Arc::new(HandClock::default()), Arc::new(Counting::default()));
        let accounts = Accounts::new(Arc::clone(&storage), Arc::new(PlainPasswords), clock, random).unwrap();
        accounts.set_hosts(vec!["localhost".to_owned()]);
        let odd = now(accounts.adopt_old_names()).unwrap();
        let names: Vec<&str> = odd.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["ann\u{200b}@localhost", "jose\u{301}@localhost", "zoe\u{301}@localhost"]);
        for (name, password, right) in [
            ("jos\u{e9}@localhost", "man\u{303}ana", true),
            ("JOSE\u{301}@localhost", "man\u{303}ana", true),
            ("jos\u{e9}@localhost", "manana", false),
            // Two accounts of one name: the one that is written as names are now has it.
            ("zo\u{e9}@localhost", "b", true),
            ("zoe\u{301}@localhost", "a", false),
            ("ann\u{200b}@localhost", "c", true),
            ("ann@localhost", "c", false),
            ("bob@localhost", "d", true),
        ] {
            let account = AccountId::parse(name).ok();
            let proven = now(accounts.login(account.as_ref(), password.to_owned(), None)).unwrap();
            assert_eq!(proven.is_some(), right, "{name:?} {password:?}");
        }
        let listed = now(accounts.list("localhost")).unwrap();
        assert_eq!(listed, ["ann\u{200b}", "bob", "jos\u{e9}", "zo\u{e9}"]);
        let jose = AccountId::parse("Jose\u{301}@localhost").unwrap();
        now(accounts.change_password(&jose, "other".to_owned())).unwrap();
        assert!(now(accounts.login(Some(&jose), "other".to_owned(), None)).unwrap().is_some());
        assert!(matches!(now(accounts.create(&jose, "x".to_owned())), Err(AccountError::Exists(_))));
        assert!(now(accounts.remove(&jose)).unwrap());
        assert!(!now(accounts.exists(&jose)).unwrap());
        now(accounts.create(&jose, "new".to_owned())).unwrap();
        assert!(now(storage.get(BUCKET, "jos\u{e9}@localhost")).unwrap().is_some());
        let odd = AccountId::parse("eve\u{200b}@localhost").unwrap();
        assert!(matches!(now(accounts.create(&odd, "x".to_owned())), Err(AccountError::UnusableName(_))));
    }
}
