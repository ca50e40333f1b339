//! `key_list`: lists the API keys of an account.

use std::sync::Arc;

use muster_core::registry::Registered;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::Services;
use crate::definition::{Call, Definition};
use crate::paging::Paging;
use crate::result::{account, moment};

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Arguments {
    /// User name, the part before `@`.
    user: String,
    /// One of this server's hosts.
    host: String,
}

#[derive(Serialize, JsonSchema)]
struct Entry {
    /// Id of the key for `key_revoke`. It is not secret.
    id: String,
    /// Name of the key.
    name: String,
    /// Its scopes.
    scopes: Vec<String>,
    /// When it was created, as RFC 3339.
    created: String,
    /// When it expires, as RFC 3339; absent if it does not expire.
    expires: Option<String>,
    /// When it was last used, as RFC 3339, to about a minute; absent if it was never used.
    last_used: Option<String>,
}

pub(crate) fn command(services: &Arc<Services>) -> Result<Registered, String> {
    Definition::new("key_list", "Lists the API keys of an account")
        .description("The keys themselves are not stored, so they cannot be shown.")
        .tags(&["keys"])
        .read_only()
        .paged(Paging::Member("id"))
        .example("No keys", json!({"user": "bob", "host": "localhost"}), json!([]))
        .run(services, |Call { services, arguments, .. }: Call<Arguments>| async move {
            let account = account(&arguments.user, &arguments.host)?;
            let keys = services.keys.list(Some(&account)).await?;
            let entry = |key: muster_core::authn::ApiKey| Entry {
                id: key.id,
                name: key.name,
                scopes: key.scopes,
                created: moment(key.created_seconds),
                expires: key.expires_seconds.map(moment),
                last_used: key.used_seconds.map(moment),
            };
            Ok(keys.into_iter().map(entry).collect::<Vec<_>>())
        })
}
