//! `get_ban_details`: tells why and since when an account is banned.

use std::sync::Arc;

use muster_core::registry::Registered;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::Services;
use crate::definition::{Call, Definition};
use crate::result::{account, account_error, moment};

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Arguments {
    /// User name, the part before `@`.
    user: String,
    /// One of this server's hosts.
    host: String,
}

#[derive(Default, Serialize, JsonSchema)]
struct Details {
    /// Why.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    /// Since when, as RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    bandate: Option<String>,
}

pub(crate) fn command(services: &Arc<Services>) -> Result<Registered, String> {
    Definition::new("get_ban_details", "Shows reason and time of the ban of an account")
        .description("The result is an empty object if the account is not banned.")
        .tags(&["accounts"])
        .read_only()
        .example(
            "Ask about bob",
            json!({"user": "bob", "host": "localhost"}),
            json!({"reason": "Spamming other users", "bandate": "2026-04-22T09:16:47Z"}),
        )
        .run(services, |Call { services, arguments, .. }: Call<Arguments>| async move {
            let account = account(&arguments.user, &arguments.host)?;
            let ban = services.accounts.ban_of(&account).await.map_err(account_error)?;
            Ok(ban.map_or_else(Details::default, |ban| Details {
                reason: Some(ban.reason),
                bandate: Some(moment(ban.since_seconds)),
            }))
        })
}
