//! `muster key …`: API keys of accounts.

use clap::Subcommand;
use muster_core::name::AccountId;
use serde_json::{Value, json};

use super::CliError;
use super::client::Client;
use super::output::{self, Format};

#[derive(Debug, Subcommand)]
pub enum Key {
    /// Create an API key for an account and print it once
    Create {
        /// user@host
        account: String,
        /// What to call it
        name: String,
        /// Scope: a command, '[tag:x]', '[plugin:x]', or '*' for everything the account may call
        #[arg(long = "scope", value_name = "SCOPE", required = true)]
        scopes: Vec<String>,
        /// Lifetime in seconds [default: no expiry]
        #[arg(long, value_name = "SECONDS")]
        ttl: Option<u64>,
    },
    /// List the keys of an account
    List {
        /// user@host
        account: String,
    },
    /// Revoke an API key
    Revoke {
        /// user@host
        account: String,
        /// Id of the key
        id: String,
    },
}

pub fn run(client: &Client, action: Key, format: Format) -> Result<(), CliError> {
    let parse = |text: &str| AccountId::parse(text).map_err(|error| CliError::Usage(error.to_string()));
    match action {
        Key::Create { account, name, scopes, ttl } => {
            let account = parse(&account)?;
            let mut arguments =
                json!({ "user": account.user(), "host": account.host(), "name": name, "scopes": scopes });
            if let (Some(object), Some(ttl)) = (arguments.as_object_mut(), ttl) {
                object.insert("ttl".to_owned(), json!(ttl));
            }
            let created = client.call("key_create", None, &arguments)?;
            let key = created.get("key").and_then(Value::as_str).unwrap_or_default();
            // The key alone, so that a script can take it as it is.
            output::line(key, &created, format);
        }
        Key::List { account } => {
            let account = parse(&account)?;
            match client.call("key_list", None, &json!({ "user": account.user(), "host": account.host() }))? {
                list if list.as_array().is_some_and(Vec::is_empty) => {
                    output::line(&format!("{account} has no keys"), &list, format);
                }
                list => output::value(&list, format),
            }
        }
        Key::Revoke { account, id } => {
            let account = parse(&account)?;
            let arguments = json!({ "user": account.user(), "host": account.host(), "id": id });
            let result = client.call("key_revoke", None, &arguments)?;
            output::line("revoked", &result, format);
        }
    }
    Ok(())
}
