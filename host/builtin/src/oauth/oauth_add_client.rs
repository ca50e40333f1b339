//! `oauth_add_client`: registers an OAuth client of any kind.

use std::sync::Arc;

use muster_core::command::Audience;
use muster_core::error::CallError;
use muster_core::name::AccountId;
use muster_core::oauth::{Grant, NewClient, NewSecret};
use muster_core::registry::Registered;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::clients;
use crate::Services;
use crate::definition::{Call, Definition};

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Arguments {
    /// The id of the client: 1 to 100 letters, digits, `.`, `_` or `-`.
    client_id: String,
    /// Name on the login page.
    client_name: String,
    /// Grant types.
    #[schemars(length(min = 1))]
    grants: Vec<GrantName>,
    /// Redirect addresses for `authorization_code`: https, http to `127.0.0.1` or `[::1]` (any port if none is given),
    /// or the scheme of an application.
    #[serde(default)]
    redirect_uris: Vec<String>,
    /// Whether the client has a secret, which the server generates and shows only once. A client that cannot keep a
    /// secret, such as a web page or an app, has none.
    #[serde(default)]
    confidential: bool,
    /// The account `user@host` for `client_credentials`; default: the client itself.
    account: Option<String>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum GrantName {
    AuthorizationCode,
    RefreshToken,
    ClientCredentials,
    Password,
}

#[derive(Serialize, JsonSchema)]
struct Added {
    /// The id of the client.
    client_id: String,
    /// Its secret, if it has one. It is shown only once.
    client_secret: Option<String>,
}

pub(crate) fn command(services: &Arc<Services>) -> Result<Registered, String> {
    Definition::new("oauth_add_client", "Registers an OAuth client")
        .description(
            "A back end that acts for itself is confidential and has the grant type `client_credentials`. An \
                      application that users log in with has `authorization_code`, `refresh_token` and its redirect \
                      addresses.",
        )
        .tags(&["oauth"])
        .audience(Audience::Admin)
        .example(
            "A web application",
            json!({
                "client_id": "shop", "client_name": "The shop", "grants": ["authorization_code", "refresh_token"],
                "redirect_uris": ["https://shop.example.org/callback"],
            }),
            json!({"client_id": "shop", "client_secret": null}),
        )
        .run(services, |Call { services, arguments, .. }: Call<Arguments>| async move {
            let account = arguments.account.as_deref().map(AccountId::parse).transpose();
            let account = account.map_err(|error| CallError::argument("/account", error.to_string()))?;
            let grant = |name: &GrantName| match name {
                GrantName::AuthorizationCode => Grant::AuthorizationCode,
                GrantName::RefreshToken => Grant::RefreshToken,
                GrantName::ClientCredentials => Grant::ClientCredentials,
                GrantName::Password => Grant::Password,
            };
            let new = NewClient {
                id: arguments.client_id.clone(),
                name: arguments.client_name,
                secret: if arguments.confidential { NewSecret::Made } else { NewSecret::None },
                redirect_uris: arguments.redirect_uris,
                grants: arguments.grants.iter().map(grant).collect(),
                account,
            };
            let client_secret = clients::add(&services, new).await?;
            Ok(Added { client_id: arguments.client_id, client_secret })
        })
}
