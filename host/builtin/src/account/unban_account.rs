//! `unban_account`: lifts a ban.

use std::sync::Arc;

use muster_core::command::Audience;
use muster_core::registry::Registered;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

use crate::Services;
use crate::definition::{Call, Definition};
use crate::result::{ReturnCode, account, account_error};

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Arguments {
    /// User name, the part before `@`.
    user: String,
    /// One of this server's hosts.
    host: String,
}

pub(crate) fn command(services: &Arc<Services>) -> Result<Registered, String> {
    Definition::new("unban_account", "Lifts the ban of an account")
        .description("Its password works again; tokens and API keys from before the ban do not. 1 means that the account was not banned.")
        .tags(&["accounts"])
        .audience(Audience::Admin)
        .idempotent()
        .example("Lift the ban of bob", json!({"user": "bob", "host": "localhost"}), json!(0))
        .run(services, |Call { services, arguments, .. }: Call<Arguments>| async move {
            let account = account(&arguments.user, &arguments.host)?;
            Ok(ReturnCode(services.accounts.unban(&account).await.map_err(account_error)?))
        })
}
