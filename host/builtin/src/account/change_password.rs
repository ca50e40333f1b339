//! `change_password`: gives an account another password.

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
    /// The new password, 1 to 1024 bytes.
    #[schemars(length(min = 1, max = 1024), extend("format" = "password", "writeOnly" = true))]
    newpass: String,
}

pub(crate) fn command(services: &Arc<Services>) -> Result<Registered, String> {
    Definition::new("change_password", "Changes the password of an account")
        .description("Credentials with the old password stop working at once.")
        .tags(&["accounts"])
        .idempotent()
        .example("Change bob's", json!({"user": "bob", "host": "localhost", "newpass": "blank"}), json!(0))
        .run(services, |Call { services, arguments, .. }: Call<Arguments>| async move {
            let account = account(&arguments.user, &arguments.host)?;
            services.accounts.change_password(&account, arguments.newpass).await.map_err(account_error)?;
            Ok(ReturnCode::DONE)
        })
}
