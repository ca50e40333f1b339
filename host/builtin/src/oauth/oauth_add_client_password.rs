//! `oauth_add_client_password`: registers a confidential client with a chosen secret.

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
    /// Its secret, 8 to 1024 bytes. `oauth_add_client` generates a random secret instead.
    #[schemars(length(min = 8, max = 1024), extend("format" = "password", "writeOnly" = true))]
    secret: String,
}

pub(crate) fn command(services: &Arc<Services>) -> Result<Registered, String> {
    Definition::new("oauth_add_client_password", "Registers an OAuth client with a secret")
        .description(
            "It may use the grants `client_credentials` and, if the setting `password_grant` allows it, \
                      `password` with `refresh_token`. The result is an empty string.",
        )
        .tags(&["oauth"])
        .audience(Audience::Admin)
        .example(
            "A back end",
            json!({"client_id": "billing", "client_name": "Billing", "secret": "correct horse battery staple"}),
            json!(""),
        )
        .run(services, |Call { services, arguments, .. }: Call<Arguments>| async move {
            let new = NewClient {
                id: arguments.client_id,
                name: arguments.client_name,
                secret: NewSecret::Chosen(arguments.secret),
                redirect_uris: Vec::new(),
                grants: vec![Grant::ClientCredentials, Grant::Password, Grant::RefreshToken],
                account: None,
            };
            clients::add(&services, new).await?;
            Ok(String::new())
        })
}
