//! Bearer credentials (RFC 6750): which kind a text is, and whom it stands for.
//!
//! Kinds are told apart by their form alone, so that a text is only ever tried as one of them.

use std::sync::Arc;

use super::{Accounts, Issuers, KEY_PREFIX, Keys, Proven};
use crate::caller::{Authority, Identity};
use crate::error::CallError;
use crate::oauth::{ACCESS_PREFIX, AuthorizationServer, Holder};

/// Longest text that is looked at, in bytes: JSON Web Tokens with many claims are the longest there are.
const BEARER_BYTES_MAX: usize = 16 << 10;

/// Checks bearer credentials of every kind.
#[derive(Clone, Debug)]
pub struct Bearers {
    /// Whose bans and removals end every credential.
    pub accounts: Arc<Accounts>,
    /// OAuth tokens of this server.
    pub server: Arc<AuthorizationServer>,
    /// API keys.
    pub keys: Arc<Keys>,
    /// Tokens of other issuers.
    pub issuers: Arc<dyn Issuers>,
}

impl Bearers {
    /// Whom the text stands for, and with how much of their rights.
    ///
    /// # Errors
    /// [`CallError::Unauthenticated`] when it is not valid; another error when that could not be found out.
    pub(super) async fn authenticate(&self, text: &str) -> Result<Proven, CallError> {
        let found = if text.len() > BEARER_BYTES_MAX {
            None
        } else if text.starts_with(KEY_PREFIX) {
            let key = self.keys.authenticate(text).await?;
            key.map(|(account, revision, what)| Proven {
                identity: Identity::Account(account),
                authority: Authority::Narrowed(Arc::new(what)),
                record: Some(revision),
            })
        } else if text.starts_with(ACCESS_PREFIX) {
            let token = self.server.authenticate(text).await?;
            token.map(|(holder, revision, scopes)| {
                let identity = match holder {
                    Holder::Account(account) => Identity::Account(account),
                    Holder::Client(client) => Identity::Client(Arc::from(client)),
                };
                Proven { identity, authority: Authority::Token(Arc::from(scopes)), record: Some(revision) }
            })
        } else if text.bytes().filter(|byte| *byte == b'.').count() == 2 {
            self.external(text).await?
        } else {
            None
        };
        found.ok_or(CallError::Unauthenticated { presented: true })
    }

    async fn external(&self, text: &str) -> Result<Option<Proven>, CallError> {
        let Some(external) = self.issuers.verify(text).await? else { return Ok(None) };
        let Some(record) = self.accounts.vouched(&external.account, external.elsewhere).await? else { return Ok(None) };
        let authority = Authority::Token(Arc::from(external.scopes));
        Ok(Some(Proven { identity: Identity::Account(external.account), authority, record }))
    }
}
