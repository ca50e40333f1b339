//! `oauth_add_client_implicit`: registers a public client. The name is ejabberd's; the implicit grant itself is gone
//! (RFC 9700 §2.1.2), and the client uses authorization codes with PKCE.

use std::sync::Arc;

use muster_core::command::Audience;
use muster_core::oauth::{Grant, NewClient, NewSecret};
use muster_core::registry::Registered;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

use super::clients;
use crate::Services;
use crate::definition::{Call, Definition};

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Arguments {
    /// The id of the client.
    client_id: String,
    /// Name on the login page.
    client_name: String,
    /// The redirect address.
    redirect_uri: String,
}

pub(crate) fn command(services: &Arc<Services>) -> Result<Registered, String> {
    Definition::new("oauth_add_client_implicit", "Registers an OAuth client without a secret")
        .description(
            "It may use authorization codes with PKCE, and refresh tokens, which replace the implicit grant. \
                      The result is an empty string.",
        )
        .tags(&["oauth"])
        .audience(Audience::Admin)
        .example(
            "A page",
            json!({
                "client_id": "dashboard", "client_name": "Dashboard",
                "redirect_uri": "https://dashboard.example.org/callback",
            }),
            json!(""),
        )
        .run(services, |Call { services, arguments, .. }: Call<Arguments>| async move {
            let new = NewClient {
                id: arguments.client_id,
                name: arguments.client_name,
                secret: NewSecret::None,
                redirect_uris: vec![arguments.redirect_uri],
                grants: vec![Grant::AuthorizationCode, Grant::RefreshToken],
                account: None,
            };
            clients::add(&services, new).await?;
            Ok(String::new())
        })
}
