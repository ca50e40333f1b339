//! From a credential to a caller. A credential that was presented and is wrong is an error, never «anonymous».

mod accounts;
mod bearer;
mod issuers;
mod keys;
mod password;
mod policy;
mod rejection;
pub(crate) mod secret;
mod throttle;
mod verification_cache;

use std::net::IpAddr;
use std::sync::Arc;

use crate::BoxFuture;
use crate::address::canonical;
use crate::caller::{Authority, Caller, Identity, RequestId};
use crate::error::CallError;
use crate::name::{AccountId, FrontendName};
use crate::storage::Revision;
use crate::trace::TraceContext;

pub use accounts::{AccountError, AccountState, Accounts, Ban, PASSWORD_BYTES_MAX};
pub use bearer::Bearers;
pub use issuers::{External, Issuers, NoIssuers};
pub use keys::{ApiKey, KEY_NAME_CHARS_MAX, KEY_PREFIX, KEY_SCOPES_MAX, KeyError, Keys};
pub(crate) use password::{ChosenSecrets, Kept, LoginAttempt};
pub use policy::PasswordPolicy;
pub use rejection::Rejection;
pub use throttle::{Attempt, Throttle};

/// What a wire found in a request.
#[derive(Clone)]
pub enum Credential {
    /// Nothing.
    Absent,
    /// An account's name and password, neither checked.
    Basic {
        /// `user@host`, as sent.
        account: String,
        /// The password, as sent.
        password: String,
    },
    /// A token or an API key (RFC 6750), not checked.
    Bearer(String),
    /// The name of an account in a client certificate that the frontend verified; empty when the certificate has none.
    Certificate(Arc<str>),
    /// A token or an API key together with the account it is said to be of; neither checked.
    BearerOf {
        /// `user@host`, as sent.
        account: String,
        /// The token or key, as sent.
        token: String,
    },
    /// The name of an account another server vouches for, which the operator configured to be believed about it. At a host
    /// of this server there must be such an account; elsewhere its own server has it.
    Asserted(Arc<str>),
    /// Something that cannot be a credential here, such as an unknown scheme.
    Unusable,
    /// The peer of the local socket, whose user id the frontend checked.
    Console,
    /// A caller that was authenticated before, calling again through a plugin.
    Authenticated(Arc<Caller>),
}

impl std::fmt::Debug for Credential {
    // By hand: a password must not reach a log.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Self::Absent => "Absent",
            Self::Basic { .. } => "Basic",
            Self::Bearer(_) => "Bearer",
            Self::Certificate(_) => "Certificate",
            Self::BearerOf { .. } => "BearerOf",
            Self::Asserted(_) => "Asserted",
            Self::Unusable => "Unusable",
            Self::Console => "Console",
            Self::Authenticated(_) => "Authenticated",
        })
    }
}

/// Hashes and checks passwords. Slow on purpose, so it is done outside of core, off the request path, and bounded.
pub trait Passwords: std::fmt::Debug + Send + Sync {
    /// The hash of a password, salted, in PHC form.
    fn hash(&self, password: String) -> BoxFuture<'_, Result<String, CallError>>;

    /// Whether the hash is of this password. Without a hash the answer is no, after the same time.
    fn verify(&self, password: String, hash: Option<String>) -> BoxFuture<'_, Result<bool, CallError>>;
}

/// Where a request came from.
#[derive(Clone, Debug)]
pub struct Source {
    /// Through which interface.
    pub via: FrontendName,
    /// The tag of the listener, where it has one.
    pub tag: Option<Arc<str>>,
    /// From which address; absent for local callers.
    pub address: Option<IpAddr>,
    /// What the call is named.
    pub request_id: RequestId,
    /// The trace of the call, if the caller sent one.
    pub trace: Option<TraceContext>,
}

/// What is left of a credential that is right.
pub(crate) struct Proven {
    identity: Identity,
    authority: Authority,
    /// The record it was held against.
    record: Option<Revision>,
}

impl Proven {
    fn full(identity: Identity, record: Option<Revision>) -> Self {
        Self { identity, authority: Authority::Full, record }
    }
}

/// Checks credentials.
#[derive(Debug)]
pub struct Authenticator {
    accounts: Arc<Accounts>,
    bearers: Bearers,
}

impl Authenticator {
    /// Checks passwords, tokens and keys.
    pub fn new(bearers: Bearers) -> Self {
        Self { accounts: Arc::clone(&bearers.accounts), bearers }
    }

    /// What checks tokens and keys.
    pub fn bearers(&self) -> &Bearers {
        &self.bearers
    }

    /// Whether the account is at one of this server's hosts, be there such an account or not.
    pub(crate) fn knows_host_of(&self, account: &AccountId) -> bool {
        self.accounts.hosts().iter().any(|host| host == account.host())
    }

    /// Who presents the credential.
    ///
    /// # Errors
    /// [`CallError::Unauthenticated`] when it is wrong; another error when it could not be checked.
    pub async fn authenticate(&self, credential: Credential, source: Source) -> Result<Arc<Caller>, CallError> {
        let Proven { identity, authority, record } = match credential {
            Credential::Absent => Proven::full(Identity::Anonymous, None),
            Credential::Console => Proven::full(Identity::Console, None),
            Credential::Bearer(text) => self.bearers.authenticate(&text).await?,
            Credential::BearerOf { account, token } => {
                let proven = self.bearers.authenticate(&token).await?;
                match (&proven.identity, AccountId::parse(&account)) {
                    (Identity::Account(own), Ok(account)) if *own == account => proven,
                    _ => return Err(Rejection::OtherAccount.into()),
                }
            }
            Credential::Unusable => return Err(Rejection::Unusable.into()),
            Credential::Authenticated(caller) => return Ok(caller),
            Credential::Certificate(account) => {
                let account = AccountId::parse(&account).map_err(|_| Rejection::UnknownAccount)?;
                let record = self.accounts.vouched(&account, false).await?;
                Proven::full(Identity::Account(account), record)
            }
            Credential::Asserted(account) => {
                let account = AccountId::parse(&account).map_err(|_| Rejection::UnknownAccount)?;
                let elsewhere = !self.knows_host_of(&account);
                let record = self.accounts.vouched(&account, elsewhere).await?;
                Proven::full(Identity::Account(account), record)
            }
            Credential::Basic { account, password } => {
                let account = AccountId::parse(&account).ok();
                let record = self.accounts.login(account.as_ref(), password, source.address).await?;
                // Without an account nothing can have been right.
                match account {
                    Some(account) if record.is_some() => Proven::full(Identity::Account(account), record),
                    account => return Err(self.accounts.why_not(account.as_ref()).await?.into()),
                }
            }
        };
        Ok(Arc::new(Caller {
            identity,
            authority,
            record,
            via: source.via,
            tag: source.tag,
            through_plugin: false,
            address: source.address.map(canonical),
            request_id: source.request_id,
            trace: source.trace,
        }))
    }
}
