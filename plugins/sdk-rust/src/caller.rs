//! Who runs a command: the contract's `caller` record as a type of the SDK, so that it can be shown as JSON.

use serde::Serialize;

use crate::raw;

/// Who runs a command. It never carries a credential.
///
/// A parameter of this type (or a reference to it) is not an argument: the host fills it in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct Caller {
    /// The account as `user@host`; absent for an anonymous caller and for the console.
    pub account: Option<String>,
    /// Labels the caller's credential carries. Empty when the credential has none.
    pub scopes: Vec<String>,
    /// The interface the call came through: `rest`, `cli`, `console`, `plugin` and so on.
    pub via: String,
    /// The caller's network address in its shortest text form; absent for local callers.
    pub address: Option<String>,
    /// Names this call in logs and error answers: 1 to 64 visible ASCII characters.
    pub request_id: String,
}

impl Caller {
    /// The part of the account before `@`.
    pub fn user(&self) -> Option<&str> {
        self.account.as_deref().and_then(|account| account.split_once('@')).map(|(user, _)| user)
    }

    /// The part of the account after `@`.
    pub fn host(&self) -> Option<&str> {
        self.account.as_deref().and_then(|account| account.split_once('@')).map(|(_, host)| host)
    }
}

impl From<raw::Caller> for Caller {
    fn from(raw::Caller { account, scopes, via, address, request_id }: raw::Caller) -> Self {
        Self { account, scopes, via, address, request_id }
    }
}
