//! `check_password`: tells whether a password is right.

use std::sync::Arc;

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
    /// The password to check.
    #[schemars(length(max = 1024), extend("format" = "password", "writeOnly" = true))]
    password: String,
}

pub(crate) fn command(services: &Arc<Services>) -> Result<Registered, String> {
    Definition::new("check_password", "Checks the password of an account")
        .description(
            "0 means that the password is correct, 1 that it is wrong or that there is no such account. \
                      Login throttling does not apply to this command; `rate_limits` in the configuration limits how \
                      often it can be called.",
        )
        .tags(&["accounts"])
        .idempotent()
        .example("Wrong", json!({"user": "bob", "host": "localhost", "password": "guess"}), json!(1))
        .run(services, |Call { services, arguments, .. }: Call<Arguments>| async move {
            let account = account(&arguments.user, &arguments.host)?;
            Ok(ReturnCode(services.accounts.is_password(&account, arguments.password).await?))
        })
}
