//! `oauth_remove_client`: removes a client and its tokens.

use std::sync::Arc;

use muster_core::command::Audience;
use muster_core::error::CallError;
use muster_core::registry::Registered;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

use crate::Services;
use crate::definition::{Call, Definition};

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Arguments {
    /// The client.
    client_id: String,
}

pub(crate) fn command(services: &Arc<Services>) -> Result<Registered, String> {
    Definition::new("oauth_remove_client", "Removes an OAuth client and revokes its tokens")
        .description("The result is an empty string.")
        .tags(&["oauth"])
        .audience(Audience::Admin)
        .destructive()
        .example("Remove billing", json!({"client_id": "billing"}), json!(""))
        .run(services, |Call { services, arguments, .. }: Call<Arguments>| async move {
            if services.tokens.remove_client(&arguments.client_id).await? {
                Ok(String::new())
            } else {
                Err(CallError::NotFound("there is no client with this id".to_owned()))
            }
        })
}
