//! `muster client …`: programs that may ask for tokens.

use clap::{Args, Subcommand, ValueEnum};
use serde_json::{Value, json};

use super::CliError;
use super::client::Client;
use super::output::{self, Format};

#[derive(Debug, Subcommand)]
pub enum OAuthClient {
    /// Register a client; its secret is printed once
    Add(Add),
    /// List the registered clients
    List,
    /// Remove a client and revoke its tokens
    Remove {
        /// The client
        id: String,
    },
}

#[derive(Args, Debug)]
pub struct Add {
    /// The id of the client: letters, digits, `.`, `_`, `-`
    id: String,
    /// Name on the login page [default: the id]
    #[arg(long)]
    name: Option<String>,
    /// Grant type [default: authorization-code and refresh-token with a redirect address, else client-credentials]
    #[arg(long = "grant", value_enum)]
    grants: Vec<Grant>,
    /// Redirect address
    #[arg(long = "redirect-uri", value_name = "URI")]
    redirect_uris: Vec<String>,
    /// Create a secret; a client without redirect address always has one
    #[arg(long)]
    confidential: bool,
    /// The account for `client_credentials` [default: the client itself]
    #[arg(long, value_name = "USER@HOST")]
    account: Option<String>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Grant {
    AuthorizationCode,
    RefreshToken,
    ClientCredentials,
    Password,
}

impl Grant {
    fn as_str(self) -> &'static str {
        match self {
            Self::AuthorizationCode => "authorization_code",
            Self::RefreshToken => "refresh_token",
            Self::ClientCredentials => "client_credentials",
            Self::Password => "password",
        }
    }
}

pub fn run(client: &Client, action: OAuthClient, format: Format) -> Result<(), CliError> {
    match action {
        OAuthClient::Add(add) => {
            let added = client.call("oauth_add_client", None, &arguments(add))?;
            let text = match added.get("client_secret").and_then(Value::as_str) {
                Some(secret) => secret.to_owned(),
                None => "added".to_owned(),
            };
            output::line(&text, &added, format);
        }
        OAuthClient::List => match client.call("oauth_list_clients", None, &json!({}))? {
            list if list.as_array().is_some_and(Vec::is_empty) => {
                output::line("no clients are registered", &list, format);
            }
            list => output::value(&list, format),
        },
        OAuthClient::Remove { id } => {
            let result = client.call("oauth_remove_client", None, &json!({ "client_id": id }))?;
            output::line("removed", &result, format);
        }
    }
    Ok(())
}

fn arguments(add: Add) -> Value {
    let has_page = !add.redirect_uris.is_empty();
    let grants: Vec<&str> = match add.grants.as_slice() {
        [] if has_page => vec!["authorization_code", "refresh_token"],
        [] => vec!["client_credentials"],
        grants => grants.iter().map(|grant| grant.as_str()).collect(),
    };
    let mut arguments = json!({
        "client_id": add.id, "client_name": add.name.unwrap_or_else(|| add.id.clone()), "grants": grants,
        "redirect_uris": add.redirect_uris, "confidential": add.confidential || !has_page,
    });
    if let (Some(object), Some(account)) = (arguments.as_object_mut(), add.account) {
        object.insert("account".to_owned(), json!(account));
    }
    arguments
}
