//! Tokens of other issuers (JSON Web Tokens, RFC 7519). Verifying them needs cryptography and their issuers' keys, so it
//! is done outside of core.

use std::fmt::Debug;

use super::Rejection;
use crate::BoxFuture;
use crate::error::CallError;
use crate::name::AccountId;

/// What a verified token says.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct External {
    /// The account its claims name.
    pub account: AccountId,
    /// Its scopes.
    pub scopes: Vec<String>,
    /// Whether the account need not exist here.
    pub elsewhere: bool,
}

/// Verifies tokens of the issuers an operator trusts.
pub trait Issuers: Debug + Send + Sync {
    /// What the token says.
    ///
    /// The future fails with [`CallError::Unauthenticated`] and the reason when no trusted issuer made it, or it is not
    /// valid now and here.
    fn verify<'a>(&'a self, token: &'a str) -> BoxFuture<'a, Result<External, CallError>>;
}

/// Trusts no issuer.
#[derive(Clone, Copy, Debug)]
pub struct NoIssuers;

impl Issuers for NoIssuers {
    fn verify<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<External, CallError>> {
        Box::pin(async { Err(Rejection::UnknownIssuer.into()) })
    }
}
