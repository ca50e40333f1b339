//! `registered_users`: lists the accounts of a host.

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
    /// One of this server's hosts.
    host: String,
}

pub(crate) fn command(services: &Arc<Services>) -> Result<Registered, String> {
    Definition::new("registered_users", "Lists the accounts of a host")
        .description("User names in ascending order.")
        .tags(&["accounts"])
        .read_only()
        .paged(Paging::Item)
        .example("Two accounts", json!({"host": "localhost"}), json!(["ann", "bob"]))
        .run(services, |Call { services, arguments, .. }: Call<Arguments>| async move {
            services.accounts.list(&arguments.host).await.map_err(account_error)
        })
}
