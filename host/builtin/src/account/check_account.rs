//! `check_account`: tells whether an account exists.

use std::sync::Arc;

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
    Definition::new("check_account", "Checks whether an account exists")
        .description("0 means it exists, 1 that it does not.")
        .tags(&["accounts"])
        .read_only()
        .example("No such account", json!({"user": "bob", "host": "localhost"}), json!(1))
        .run(services, |Call { services, arguments, .. }: Call<Arguments>| async move {
            let account = account(&arguments.user, &arguments.host)?;
            Ok(ReturnCode(services.accounts.exists(&account).await.map_err(account_error)?))
        })
}
