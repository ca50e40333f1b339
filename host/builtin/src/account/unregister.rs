//! `unregister`: removes an account.

use std::sync::Arc;

use muster_core::command::Audience;
use muster_core::registry::Registered;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

use crate::Services;
use crate::definition::{Call, Definition};
use crate::result::{account, account_error};

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Arguments {
    /// User name, the part before `@`.
    user: String,
    /// One of this server's hosts.
    host: String,
}

pub(crate) fn command(services: &Arc<Services>) -> Result<Registered, String> {
    Definition::new("unregister", "Removes an account")
        .description("Removing an account that does not exist also succeeds. The result is an empty string.")
        .tags(&["accounts"])
        .audience(Audience::Admin)
        .idempotent()
        .destructive()
        .example("Remove bob", json!({"user": "bob", "host": "localhost"}), json!(""))
        .run(services, |Call { services, arguments, .. }: Call<Arguments>| async move {
            let account = account(&arguments.user, &arguments.host)?;
            services.accounts.remove(&account).await.map_err(account_error)?;
            Ok(String::new())
        })
}
