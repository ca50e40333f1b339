//! Bearer credentials (RFC 6750): which kind a text is, and whom it stands for.
//!
//! Kinds are told apart by their form alone, so that a text is only ever tried as one of them.

use std::sync::Arc;

use super::{Accounts, Issuers, KEY_PREFIX, Keys, Proven, Rejection};
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
        if text.len() > BEARER_BYTES_MAX {
            return Err(Rejection::Unusable.into());
        }
        if text.starts_with(KEY_PREFIX) {
            let (account, revision, what) = self.keys.authenticate(text).await?;
            let authority = Authority::Narrowed(Arc::new(what));
            return Ok(Proven { identity: Identity::Account(account), authority, record: Some(revision) });
        }
        if text.starts_with(ACCESS_PREFIX) {
            let (holder, revision, scopes) = self.server.authenticate(text).await?;
            let identity = match holder {
                Holder::Account(account) => Identity::Account(account),
                Holder::Client(client) => Identity::Client(Arc::from(client)),
            };
            return Ok(Proven { identity, authority: Authority::Token(Arc::from(scopes)), record: Some(revision) });
        }
        if text.bytes().filter(|byte| *byte == b'.').count() == 2 {
            return Box::pin(self.external(text)).await;
        }
        Err(Rejection::Unusable.into())
    }

    async fn external(&self, text: &str) -> Result<Proven, CallError> {
        let external = self.issuers.verify(text).await?;
        let record = self.accounts.vouched(&external.account, external.elsewhere).await?;
        let authority = Authority::Token(Arc::from(external.scopes));
        Ok(Proven { identity: Identity::Account(external.account), authority, record })
    }
}
