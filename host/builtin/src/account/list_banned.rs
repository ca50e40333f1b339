//! `list_banned`: lists banned accounts.

use std::sync::Arc;

use muster_core::registry::Registered;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

use crate::Services;
use crate::definition::{Call, Definition};
use crate::paging::Paging;
use crate::result::account_error;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Arguments {
    /// One of this server's hosts, or `all`.
    host: String,
}

pub(crate) fn command(services: &Arc<Services>) -> Result<Registered, String> {
    Definition::new("list_banned", "Lists the banned accounts of a host")
        .tags(&["accounts"])
        .read_only()
        .paged(Paging::Item)
        .example("At localhost", json!({"host": "localhost"}), json!(["bob@localhost"]))
        .run(services, |Call { services, arguments, .. }: Call<Arguments>| async move {
            let host = (arguments.host != "all").then_some(arguments.host.as_str());
            let banned = services.accounts.list_banned(host).await.map_err(account_error)?;
            Ok(banned.iter().map(ToString::to_string).collect::<Vec<_>>())
        })
}
