//! What goes wrong with tokens, in the words of RFC 6749 §§4.1.2.1, 5.2 and RFC 8707 §2.

use thiserror::Error;

use crate::error::CallError;
use crate::storage::StorageError;

/// Why no token or code was given. Each has a code of the standards; the text is for people and repeats nothing sent.
#[derive(Clone, Debug, Error)]
#[error("{}", self.description())]
pub enum OAuthError {
    /// The request has not the form the standards ask for.
    InvalidRequest(&'static str),
    /// The client is unknown, or its credential is wrong.
    InvalidClient,
    /// Code, refresh token or password are not valid, or not for this client.
    InvalidGrant(&'static str),
    /// This client may not do that.
    UnauthorizedClient(&'static str),
    /// There is no such grant type here, or it is switched off.
    UnsupportedGrantType,
    /// Only codes are handed out.
    UnsupportedResponseType,
    /// The request is in an object of its own; the standards' code says where.
    NotSupported(&'static str),
    /// A scope does not exist, or is more than was granted.
    InvalidScope(String),
    /// Tokens for that resource are not to be had.
    InvalidTarget(&'static str),
    /// The owner or the operator said no.
    AccessDenied(&'static str),
    /// Something below failed.
    Below(CallError),
}

impl OAuthError {
    /// The standards' code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::InvalidRequest(_) => "invalid_request",
            Self::InvalidClient => "invalid_client",
            Self::InvalidGrant(_) => "invalid_grant",
            Self::UnauthorizedClient(_) => "unauthorized_client",
            Self::UnsupportedGrantType => "unsupported_grant_type",
            Self::UnsupportedResponseType => "unsupported_response_type",
            Self::NotSupported(code) => code,
            Self::InvalidScope(_) => "invalid_scope",
            Self::InvalidTarget(_) => "invalid_target",
            Self::AccessDenied(_) => "access_denied",
            Self::Below(
                CallError::Unavailable(_)
                | CallError::TooManyCalls
                | CallError::Throttled { .. }
                | CallError::RateLimited { .. },
            ) => "temporarily_unavailable",
            Self::Below(_) => "server_error",
        }
    }

    /// What went wrong, in characters RFC 6749 §5.2 allows.
    pub fn description(&self) -> String {
        match self {
            Self::InvalidRequest(text)
            | Self::InvalidGrant(text)
            | Self::UnauthorizedClient(text)
            | Self::InvalidTarget(text)
            | Self::AccessDenied(text) => (*text).to_owned(),
            Self::InvalidScope(text) => text.clone(),
            Self::InvalidClient => "unknown client or wrong client credentials".to_owned(),
            Self::UnsupportedGrantType => "this grant type is not supported".to_owned(),
            Self::NotSupported(_) => "request objects are not supported; send the parameters themselves".to_owned(),
            Self::UnsupportedResponseType => "only response_type=code is supported".to_owned(),
            Self::Below(error) => error.detail(),
        }
    }
}

impl From<CallError> for OAuthError {
    fn from(error: CallError) -> Self {
        Self::Below(error)
    }
}

impl From<StorageError> for OAuthError {
    fn from(error: StorageError) -> Self {
        Self::Below(error.into())
    }
}
