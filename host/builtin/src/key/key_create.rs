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
    /// User name of the account whose rights the key carries.
    user: String,
    /// The account's host.
    host: String,
    /// What its owner calls it.
    #[schemars(length(min = 1, max = 100))]
    name: String,
    /// The commands it is for: names, `[tag:x]`, `[plugin:x]`, `*` for everything the account may do, each also with
    /// `!` before it to leave something out.
    #[schemars(length(min = 1, max = 64))]
    scopes: Vec<String>,
    /// How long it lives, in seconds; for ever without.
    #[schemars(range(min = 1, max = 315_360_000))]
    ttl: Option<u64>,
}

#[derive(Serialize, JsonSchema)]
struct Created {
    /// Names the key for `key_revoke`; no secret.
    id: String,
    /// The key itself. It is shown this one time.
    key: String,
    /// When it ends, as RFC 3339; nothing when it does not.
    expires: Option<String>,
}

pub(crate) fn command(services: &Arc<Services>) -> Result<Registered, String> {
    Definition::new("key_create", "Makes an API key for an account")
        .description("The key carries the rights its account has for the commands in `scopes`, and is sent as `Authorization: Bearer KEY`. It outlives a change of password, and ends with a ban or the removal of the account. A caller with a key or token cannot make keys for its own account: they could be worth more than what it has.")
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
