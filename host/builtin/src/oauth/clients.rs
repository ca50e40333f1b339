//! What the commands about OAuth clients and tokens have in common.

use std::sync::Arc;

use muster_core::dispatch::Dispatcher;
use muster_core::error::CallError;
use muster_core::oauth::{ClientError, NewClient, OAuthError};

use crate::Services;

/// Registers a client and gives the secret that was made for it, if one was.
pub(crate) async fn add(services: &Services, new: NewClient) -> Result<Option<String>, CallError> {
    services.tokens.clients().add(new).await.map_err(|error| {
        let text = error.to_string();
        match error {
            ClientError::Id => CallError::argument("/client_id", text),
            ClientError::Name => CallError::argument("/client_name", text),
            ClientError::Secret => CallError::argument("/secret", text),
            ClientError::Redirect(_) => CallError::argument("/redirect_uri", text),
            ClientError::Grants(_) => CallError::argument("/grants", text),
            ClientError::Exists(_) => CallError::Conflict(text),
            ClientError::NoAccount(_) => CallError::NotFound(text),
            ClientError::Below(below) => below,
        }
    })
}

/// What a caller of a command is told when there is no token.
pub(crate) fn oauth_error(error: OAuthError) -> CallError {
    let text = error.description();
    match error {
        OAuthError::InvalidScope(_) => CallError::argument("/scopes", text),
        OAuthError::InvalidGrant(_) => CallError::NotFound(text),
        OAuthError::AccessDenied(_) => CallError::Denied(text),
        OAuthError::Below(below) => below,
        OAuthError::InvalidRequest(_)
        | OAuthError::InvalidClient
        | OAuthError::UnauthorizedClient(_)
        | OAuthError::UnsupportedGrantType
        | OAuthError::UnsupportedResponseType
        | OAuthError::NotSupported(_)
        | OAuthError::InvalidTarget(_) => CallError::Failed(text),
    }
}

/// What knows the commands scopes can name.
pub(crate) fn dispatcher(services: &Services) -> Result<Arc<Dispatcher>, CallError> {
    services.dispatcher.upgrade().ok_or_else(|| CallError::internal_from("the dispatcher is gone"))
}
