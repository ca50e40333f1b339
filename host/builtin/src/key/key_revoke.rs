//! `key_revoke`: ends an API key.

use std::sync::Arc;

use muster_core::command::Audience;
use muster_core::error::CallError;
use muster_core::registry::Registered;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

use crate::Services;
use crate::definition::{Call, Definition};
use crate::result::{ReturnCode, account};

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Arguments {
    /// User name, the part before `@`.
    user: String,
    /// One of this server's hosts.
    host: String,
    /// Id of the key, as `key_list` shows it.
    id: String,
}

pub(crate) fn command(services: &Arc<Services>) -> Result<Registered, String> {
    Definition::new("key_revoke", "Revokes an API key")
        .tags(&["keys"])
        .audience(Audience::Admin)
        .destructive()
        .example("By its id", json!({"user": "bob", "host": "localhost", "id": "0123456789abcdef01234567"}), json!(0))
        .run(services, |Call { services, arguments, .. }: Call<Arguments>| async move {
            let account = account(&arguments.user, &arguments.host)?;
            if services.keys.revoke(&account, &arguments.id).await? {
                Ok(ReturnCode::DONE)
            } else {
                Err(CallError::NotFound(format!("{account} has no key with this id")))
            }
        })
}
