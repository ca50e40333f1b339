//! `oauth_list_clients`: lists the registered clients.

use std::sync::Arc;

use muster_core::oauth::{Client, Grant};
use muster_core::registry::Registered;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::json;

use crate::Services;
use crate::definition::{Call, Definition, NoArguments};
use crate::paging::Paging;
use crate::result::moment;

#[derive(Serialize, JsonSchema)]
struct Entry {
    /// The id of the client.
    client_id: String,
    /// Name on the login page.
    client_name: String,
    /// Whether the client has a secret.
    confidential: bool,
    /// Grant types.
    grants: Vec<String>,
    /// Redirect addresses.
    redirect_uris: Vec<String>,
    /// The account for `client_credentials`.
    account: Option<String>,
    /// When it was registered, as RFC 3339.
    created: String,
}

pub(crate) fn command(services: &Arc<Services>) -> Result<Registered, String> {
    Definition::new("oauth_list_clients", "Lists the registered OAuth clients")
        .description("Secrets are not shown.")
        .tags(&["oauth"])
        .read_only()
        .paged(Paging::Member("client_id"))
        .example("None", json!({}), json!([]))
        .run(services, |Call { services, .. }: Call<NoArguments>| async move {
            let entry = |client: Client| Entry {
                client_id: client.id,
                client_name: client.name,
                confidential: client.confidential,
                grants: client.grants.into_iter().map(Grant::as_str).map(str::to_owned).collect(),
                redirect_uris: client.redirect_uris,
                account: client.account.map(|account| account.to_string()),
                created: moment(client.created_seconds),
            };
            Ok(services.tokens.clients().list().await?.into_iter().map(entry).collect::<Vec<_>>())
        })
}
