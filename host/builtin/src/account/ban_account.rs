//! `ban_account`: takes every credential of an account out of use.

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
    /// Reason of the ban.
    #[schemars(length(max = 1000))]
    reason: String,
}

pub(crate) fn command(services: &Arc<Services>) -> Result<Registered, String> {
    Definition::new("ban_account", "Bans an account")
        .description(
            "Its password, tokens and API keys stop working at once. `unban_account` restores only the \
                      password. 1 means that the account was banned already.",
        )
        .tags(&["accounts"])
        .audience(Audience::Admin)
        .idempotent()
        .example("Ban bob", json!({"user": "bob", "host": "localhost", "reason": "Spamming other users"}), json!(0))
        .run(services, |Call { services, arguments, .. }: Call<Arguments>| async move {
            let account = account(&arguments.user, &arguments.host)?;
            Ok(ReturnCode(services.accounts.ban(&account, arguments.reason).await.map_err(account_error)?))
        })
}
