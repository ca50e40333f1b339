//! `oauth_revoke_token`: ends a token.

use std::sync::Arc;

use muster_core::command::Audience;
use muster_core::registry::Registered;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

use crate::Services;
use crate::definition::{Call, Definition};

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Arguments {
    /// The token, or its id as `oauth_list_tokens` shows it.
    #[schemars(extend("format" = "password", "writeOnly" = true))]
    token: String,
}

pub(crate) fn command(services: &Arc<Services>) -> Result<Registered, String> {
    Definition::new("oauth_revoke_token", "Revokes an OAuth token")
        .description(
            "All tokens of the same authorization are revoked too. Revoking a token that does not exist \
                      succeeds. The result is an empty string.",
        )
        .tags(&["oauth"])
        .audience(Audience::Admin)
        .idempotent()
        .destructive()
        .example("By its id", json!({"token": "0123456789abcdef01234567"}), json!(""))
        .run(services, |Call { services, arguments, .. }: Call<Arguments>| async move {
            services.tokens.revoke(&arguments.token).await?;
            Ok(String::new())
        })
}
