//! `muster token …`: OAuth tokens of the host.

use clap::Subcommand;
use serde_json::json;

use super::CliError;
use super::client::Client;
use super::output::{self, Format};

#[derive(Debug, Subcommand)]
pub enum Token {
    /// Issue a token for an account and print it once
    Issue {
        /// user@host
        account: String,
        /// Scope: a command, '[tag:x]', muster:user, muster:admin, or a scope of the rules
        #[arg(required = true)]
        scopes: Vec<String>,
        /// Lifetime in seconds
        #[arg(long, value_name = "SECONDS", default_value_t = 3600)]
        ttl: u64,
    },
    /// List the ids of valid tokens
    List,
    /// Revoke a token and all tokens of the same authorization
    Revoke {
        /// Id of the token
        id: String,
    },
}

pub fn run(client: &Client, action: Token, format: Format) -> Result<(), CliError> {
    match action {
        Token::Issue { account, scopes, ttl } => {
            let arguments = json!({ "jid": account, "ttl": ttl, "scopes": scopes });
            let issued = client.call("oauth_issue_token", None, &arguments)?;
            let token = issued.get("token").and_then(serde_json::Value::as_str).unwrap_or_default();
            // The token alone, so that a script can take it as it is.
            output::line(token, &issued, format);
        }
        Token::List => match client.call("oauth_list_tokens", None, &json!({}))? {
            list if list.as_array().is_some_and(Vec::is_empty) => output::line("no tokens are valid", &list, format),
            list => output::value(&list, format),
        },
        Token::Revoke { id } => {
            let result = client.call("oauth_revoke_token", None, &json!({ "token": id }))?;
            output::line("revoked", &result, format);
        }
    }
    Ok(())
}
