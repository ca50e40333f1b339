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
    /// Names the token for `oauth_revoke_token`. It is no secret, and not the token itself.
    token: String,
    /// Whose rights it carries: an account, or a client.
    user: String,
    /// Its scopes, separated by spaces.
    scope: String,
    /// How long it still lives; 0 when only a refresh token is left of it.
    expires_in: String,
    /// The client it was given to; nothing for tokens a command issued.
    client_id: Option<String>,
    /// Whether it can be refreshed.
    refreshes: bool,
}

pub(crate) fn command(services: &Arc<Services>) -> Result<Registered, String> {
    Definition::new("oauth_list_tokens", "Lists the valid OAuth tokens")
        .description("Tokens themselves are not shown, and nobody can find them out.")
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
