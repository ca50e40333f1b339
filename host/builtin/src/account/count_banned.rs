//! `count_banned`: counts banned accounts.

use std::sync::Arc;

use muster_core::registry::Registered;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

use crate::Services;
use crate::definition::{Call, Definition};
use crate::result::account_error;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Arguments {
    /// One of this server's hosts, or `all`.
    host: String,
}

pub(crate) fn command(services: &Arc<Services>) -> Result<Registered, String> {
    Definition::new("count_banned", "Counts the banned accounts of a host")
        .tags(&["accounts"])
        .read_only()
        .example("Everywhere", json!({"host": "all"}), json!(2))
        .run(services, |Call { services, arguments, .. }: Call<Arguments>| async move {
            let host = (arguments.host != "all").then_some(arguments.host.as_str());
            Ok(services.accounts.list_banned(host).await.map_err(account_error)?.len())
        })
}
