//! `register`: makes an account.

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
    /// Password, 1 to 1024 bytes.
    #[schemars(length(min = 1, max = 1024), extend("format" = "password", "writeOnly" = true))]
    password: String,
}

pub(crate) fn command(services: &Arc<Services>) -> Result<Registered, String> {
    Definition::new("register", "Registers an account")
        .tags(&["accounts"])
        .audience(Audience::Admin)
        .example(
            "Register bob",
            json!({"user": "bob", "host": "localhost", "password": "SomEPass44"}),
            json!("User bob@localhost successfully registered"),
        )
        .run(services, |Call { services, arguments, .. }: Call<Arguments>| async move {
            let account = account(&arguments.user, &arguments.host)?;
            services.accounts.create(&account, arguments.password).await.map_err(account_error)?;
            Ok(format!("User {account} successfully registered"))
        })
}
