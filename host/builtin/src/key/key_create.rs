//! `key_create`: makes an API key.

use std::sync::Arc;
use std::time::Duration;

use muster_core::authn::KeyError;
use muster_core::command::Audience;
use muster_core::error::CallError;
use muster_core::permission::Selector;
use muster_core::registry::Registered;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::Services;
use crate::definition::{Call, Definition};
use crate::result::{account, moment, refuse_widening};

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Arguments {
    /// User name of the account whose permissions the key has.
    user: String,
    /// The account's host.
    host: String,
    /// Name of the key.
    #[schemars(length(min = 1, max = 100))]
    name: String,
    /// Scopes: names of commands, `[tag:x]`, `[plugin:x]`, or `*` for everything the account may call. A scope with `!`
    /// before it is excluded.
    #[schemars(length(min = 1, max = 64))]
    scopes: Vec<String>,
    /// Lifetime in seconds; default: no expiry.
    #[schemars(range(min = 1, max = 315_360_000))]
    ttl: Option<u64>,
}

#[derive(Serialize, JsonSchema)]
struct Created {
    /// Id of the key for `key_revoke`. It is not secret.
    id: String,
    /// The key itself. It is shown only once.
    key: String,
    /// When it expires, as RFC 3339; absent if it does not expire.
    expires: Option<String>,
}

pub(crate) fn command(services: &Arc<Services>) -> Result<Registered, String> {
    Definition::new("key_create", "Creates an API key for an account")
        .description(
            "The key has the permissions of its account for the commands in `scopes`, and is sent as \
                      `Authorization: Bearer KEY`. It stays valid when the password changes, and ends when the \
                      account is banned or removed. A caller with a key or token cannot create keys for its own \
                      account: they could have more permissions than what it has.",
        )
        .tags(&["keys"])
        .audience(Audience::Admin)
        .example(
            "For one command",
            json!({"user": "bob", "host": "localhost", "name": "nightly report", "scopes": ["registered_users"]}),
            json!({
                "id": "0123456789abcdef01234567", "expires": null,
                "key": "muster_key_0123456789abcdef01234567_mYsEcReTmYsEcReTmYsEcReTmYsEcReTmYsEcReTmYs",
            }),
        )
        .run(services, |Call { services, caller, arguments }: Call<Arguments>| async move {
            let account = account(&arguments.user, &arguments.host)?;
            refuse_widening(&caller, &account)?;
            let scope = |(index, scope): (usize, &String)| {
                Selector::parse(scope)
                    .map_err(|error| CallError::argument(format!("/scopes/{index}"), error.to_string()))
            };
            let scopes = arguments.scopes.iter().enumerate().map(scope).collect::<Result<Vec<_>, _>>()?;
            let lifetime = arguments.ttl.map(Duration::from_secs);
            let created = services.keys.create(&account, &arguments.name, &scopes, lifetime).await;
            let (key, text) = created.map_err(|error| {
                let text = error.to_string();
                match error {
                    KeyError::NoAccount(_) => CallError::NotFound(text),
                    KeyError::Name => CallError::argument("/name", text),
                    KeyError::Scopes => CallError::argument("/scopes", text),
                    KeyError::Below(below) => below,
                }
            })?;
            Ok(Created { id: key.id, key: text, expires: key.expires_seconds.map(moment) })
        })
}
