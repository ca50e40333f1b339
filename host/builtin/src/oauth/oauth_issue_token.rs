//! `oauth_issue_token`: makes a token for an account. Its first form, as in ejabberd, has scopes as one text.

use std::sync::Arc;
use std::time::Duration;

use muster_core::caller::Caller;
use muster_core::command::Audience;
use muster_core::error::CallError;
use muster_core::name::AccountId;
use muster_core::oauth::Issued;
use muster_core::registry::Registered;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::clients::{dispatcher, oauth_error};
use crate::Services;
use crate::definition::{Call, Definition};
use crate::result::refuse_widening;

const NAME: &str = "oauth_issue_token";
const SUMMARY: &str = "Issues an OAuth token for an account";
const DESCRIPTION: &str = "The token is shown only once; `oauth_list_tokens` lists its id. It becomes invalid when \
                           the password of the account changes, or when the account is banned or removed. A caller \
                           with a key or token cannot issue tokens for its own account.";

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct WithText {
    /// The account, `user@host`.
    jid: String,
    /// Lifetime in seconds.
    #[schemars(range(min = 1, max = 315_360_000))]
    ttl: u64,
    /// Scopes, separated by `;`.
    scopes: String,
}

#[derive(Serialize, JsonSchema)]
struct IssuedWithText {
    /// The token. It is shown only once.
    token: String,
    /// Its scopes, separated by `;`.
    scopes: String,
    /// Lifetime in seconds.
    expires_in: String,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct WithList {
    /// The account, `user@host`.
    jid: String,
    /// Lifetime in seconds.
    #[schemars(range(min = 1, max = 315_360_000))]
    ttl: u64,
    /// Scopes: names of commands, `[tag:x]`, `muster:user`, `muster:admin`, or scopes of the rules.
    #[schemars(length(min = 1, max = 64))]
    scopes: Vec<String>,
}

#[derive(Serialize, JsonSchema)]
struct IssuedWithList {
    /// The token. It is shown only once.
    token: String,
    /// Its scopes.
    scopes: Vec<String>,
    /// Lifetime in seconds.
    expires_in: String,
}

const EXAMPLE: &str = "muster_at_0123456789abcdef01234567mYsEcReTmYsEcReTmYsEcReTmYsEcReTmYsEcReTmYs";

/// The form until version 1.
pub(crate) fn as_text(services: &Arc<Services>) -> Result<Registered, String> {
    Definition::new(NAME, SUMMARY)
        .description(DESCRIPTION)
        .tags(&["oauth"])
        .audience(Audience::Admin)
        .example(
            "For an hour",
            json!({"jid": "bob@localhost", "ttl": 3600, "scopes": "status;muster:user"}),
            json!({"token": EXAMPLE, "scopes": "status;muster:user", "expires_in": "3600 seconds"}),
        )
        .run(services, |Call { services, caller, arguments }: Call<WithText>| async move {
            let scopes = arguments.scopes.replace(';', " ");
            let issued = issue(&services, &caller, &arguments.jid, arguments.ttl, &scopes).await?;
            Ok(IssuedWithText {
                token: issued.access,
                scopes: issued.scopes.join(";"),
                expires_in: format!("{} seconds", issued.expires_in_seconds),
            })
        })
}

/// The form since version 1.
pub(crate) fn as_list(services: &Arc<Services>) -> Result<Registered, String> {
    Definition::new(NAME, SUMMARY)
        .version(1)
        .description(DESCRIPTION)
        .tags(&["oauth"])
        .audience(Audience::Admin)
        .example(
            "For an hour",
            json!({"jid": "bob@localhost", "ttl": 3600, "scopes": ["status", "muster:user"]}),
            json!({"token": EXAMPLE, "scopes": ["status", "muster:user"], "expires_in": "3600 seconds"}),
        )
        .run(services, |Call { services, caller, arguments }: Call<WithList>| async move {
            let issued = issue(&services, &caller, &arguments.jid, arguments.ttl, &arguments.scopes.join(" ")).await?;
            Ok(IssuedWithList {
                token: issued.access,
                scopes: issued.scopes,
                expires_in: format!("{} seconds", issued.expires_in_seconds),
            })
        })
}

async fn issue(services: &Services, caller: &Caller, jid: &str, ttl: u64, scopes: &str) -> Result<Issued, CallError> {
    let account = AccountId::parse(jid).map_err(|error| CallError::argument("/jid", error.to_string()))?;
    refuse_widening(caller, &account)?;
    let dispatcher = dispatcher(services)?;
    let snapshot = Arc::clone(&dispatcher.registry().snapshot());
    services.tokens.issue(&account, Duration::from_secs(ttl), scopes, &snapshot).await.map_err(oauth_error)
}
