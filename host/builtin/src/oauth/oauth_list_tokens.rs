//! `oauth_list_tokens`: lists valid tokens, by id.

use std::sync::Arc;

use muster_core::oauth::ListedToken;
use muster_core::registry::Registered;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::json;

use crate::Services;
use crate::definition::{Call, Definition, NoArguments};
use crate::paging::Paging;

#[derive(Serialize, JsonSchema)]
struct Entry {
    /// Id of the token for `oauth_revoke_token`. It is not secret.
    token: String,
    /// The account or client whose permissions it has.
    user: String,
    /// Its scopes, separated by spaces.
    scope: String,
    /// Remaining lifetime in seconds; 0 if only its refresh token is still valid.
    expires_in: String,
    /// The client it was issued to; absent for tokens issued by a command.
    client_id: Option<String>,
    /// Whether it can be refreshed.
    refreshes: bool,
}

pub(crate) fn command(services: &Arc<Services>) -> Result<Registered, String> {
    Definition::new("oauth_list_tokens", "Lists the valid OAuth tokens")
        .description("The tokens themselves are not stored, so they cannot be shown.")
        .tags(&["oauth"])
        .read_only()
        .paged(Paging::Member("token"))
        .example("None", json!({}), json!([]))
        .run(services, |Call { services, .. }: Call<NoArguments>| async move {
            let entry = |token: ListedToken| Entry {
                token: token.id,
                user: token.owner,
                scope: token.scopes.join(" "),
                expires_in: format!("{} seconds", token.expires_in_seconds),
                client_id: token.client_id,
                refreshes: token.refreshes,
            };
            Ok(services.tokens.list().await?.into_iter().map(entry).collect::<Vec<_>>())
        })
}
