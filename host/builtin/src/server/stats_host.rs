//! `stats_host`: a number about one host.

use std::sync::Arc;

use muster_core::command::Audience;
use muster_core::registry::Registered;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

use crate::Services;
use crate::definition::{Call, Definition};
use crate::result::account_error;

/// What can be asked for.
#[derive(Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Name {
    /// Accounts of the host.
    RegisteredUsers,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Arguments {
    /// What to count.
    name: Name,
    /// One of this server's hosts.
    host: String,
}

pub(crate) fn command(services: &Arc<Services>) -> Result<Registered, String> {
    Definition::new("stats_host", "Returns a number about a host")
        .tags(&["statistics"])
        .audience(Audience::Admin)
        .read_only()
        .example("Accounts", json!({"name": "registeredusers", "host": "localhost"}), json!(2))
        .run(services, |Call { services, arguments, .. }: Call<Arguments>| async move {
            let Name::RegisteredUsers = arguments.name;
            Ok(services.accounts.list(&arguments.host).await.map_err(account_error)?.len() as u64)
        })
}
