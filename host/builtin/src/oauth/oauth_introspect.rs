//! `oauth_introspect`: what is known about a token (RFC 7662), for resources that are given tokens of this server.

use std::sync::Arc;

use muster_core::oauth::{Holder, Introspection};
use muster_core::registry::Registered;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::Services;
use crate::definition::{Call, Definition};

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Arguments {
    /// The token.
    #[schemars(extend("format" = "password", "writeOnly" = true))]
    token: String,
}

/// The members of RFC 7662 §2.2.
#[derive(Default, Serialize, JsonSchema)]
#[serde(default)]
#[schemars(inline)]
struct Answer {
    /// Whether the token is valid now. An invalid token has no other members.
    active: bool,
    /// Its scopes, separated by spaces.
    #[serde(skip_serializing_if = "Option::is_none")]
    scope: Option<String>,
    /// The client it was issued to.
    #[serde(skip_serializing_if = "Option::is_none")]
    client_id: Option<String>,
    /// The account of the token.
    #[serde(skip_serializing_if = "Option::is_none")]
    username: Option<String>,
    /// The subject of the token: an account or a client.
    #[serde(skip_serializing_if = "Option::is_none")]
    sub: Option<String>,
    /// The resource it was issued for.
    #[serde(skip_serializing_if = "Option::is_none")]
    aud: Option<String>,
    /// When it was issued, in seconds since the epoch.
    #[serde(skip_serializing_if = "Option::is_none")]
    iat: Option<u64>,
    /// When it expires, in seconds since the epoch.
    #[serde(skip_serializing_if = "Option::is_none")]
    exp: Option<u64>,
}

pub(crate) fn command(services: &Arc<Services>) -> Result<Registered, String> {
    Definition::new("oauth_introspect", "Shows whether a token is valid, and its scopes")
        .description("A caller who may call this command may also use `POST /oauth/introspect` (RFC 7662).")
        .tags(&["oauth"])
        // Not marked as read-only: a token has no place in an address, which is logged along the way.
        .idempotent()
        .example("Not valid", json!({"token": "something"}), json!({"active": false}))
        .run(services, |Call { services, arguments, .. }: Call<Arguments>| async move {
            Ok(services.tokens.introspect(&arguments.token).await?.map_or_else(Answer::default, answer))
        })
}

fn answer(known: Introspection) -> Answer {
    let (username, sub) = match known.holder {
        Holder::Account(account) => (Some(account.to_string()), account.to_string()),
        Holder::Client(client) => (None, client),
    };
    Answer {
        active: true,
        scope: Some(known.scopes.join(" ")),
        client_id: known.client_id,
        username,
        sub: Some(sub),
        aud: Some(known.audience),
        iat: Some(known.issued_seconds),
        exp: Some(known.expires_seconds),
    }
}
