//! `muster account …`: accounts of the host, by its own commands.

use std::io::IsTerminal;

use clap::Subcommand;
use muster_core::name::AccountId;
use serde_json::json;

use super::CliError;
use super::client::Client;
use super::output::{self, Format};

#[derive(Debug, Subcommand)]
pub enum Account {
    /// Add an account
    Add {
        /// user@host
        account: String,
        /// Read the password from standard input
        #[arg(long)]
        password_stdin: bool,
    },
    /// List the accounts of a host
    List {
        /// The host
        #[arg(default_value = "localhost")]
        host: String,
    },
    /// Remove an account
    Remove {
        /// user@host
        account: String,
    },
    /// Change the password of an account
    Password {
        /// user@host
        account: String,
        /// Read the password from standard input
        #[arg(long)]
        password_stdin: bool,
    },
}

pub fn run(client: &Client, action: Account, format: Format) -> Result<(), CliError> {
    let parse = |text: &str| AccountId::parse(text).map_err(|error| CliError::Usage(error.to_string()));
    let (command, arguments) = match action {
        Account::Add { account, password_stdin } => {
            let account = parse(&account)?;
            let password = new_password(&account, password_stdin)?;
            ("register", json!({ "user": account.user(), "host": account.host(), "password": password }))
        }
        Account::List { host } => ("registered_users", json!({ "host": host })),
        Account::Remove { account } => {
            let account = parse(&account)?;
            // The command succeeds for accounts there are not, as clients of ejabberd expect. A person is told.
            let name = json!({ "user": account.user(), "host": account.host() });
            if client.call("check_account", None, &name).is_ok_and(|found| found == json!(1)) {
                return Err(CliError::Missing(format!("there is no account {account}")));
            }
            ("unregister", json!({ "user": account.user(), "host": account.host() }))
        }
        Account::Password { account, password_stdin } => {
            let account = parse(&account)?;
            let password = new_password(&account, password_stdin)?;
            ("change_password", json!({ "user": account.user(), "host": account.host(), "newpass": password }))
        }
    };
    let result = client.call(command, None, &arguments)?;
    match command {
        "unregister" => output::line("removed", &result, format),
        "change_password" => output::line("changed", &result, format),
        _ => output::value(&result, format),
    }
    Ok(())
}

/// The password to call as this account with: from the environment, or asked for.
pub(crate) fn password_of(account: &str) -> Result<String, CliError> {
    #[expect(clippy::disallowed_methods, reason = "a secret that may come by the environment")]
    let given = std::env::var("MUSTER_PASSWORD");
    match given {
        Ok(password) => Ok(password),
        Err(_) => ask(&format!("Password of {account}: ")),
    }
}

/// The token or key to call with, from the environment.
pub(crate) fn token_of_environment() -> Option<String> {
    #[expect(clippy::disallowed_methods, reason = "the other secret that may come by the environment")]
    std::env::var("MUSTER_TOKEN").ok().filter(|token| !token.is_empty())
}

/// The token or key to call with, from the first line of standard input.
pub(crate) fn token_of_input() -> Result<String, CliError> {
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).map_err(|error| CliError::Usage(error.to_string()))?;
    match line.trim() {
        "" => Err(CliError::Usage("--token-stdin: standard input contains no token".to_owned())),
        token => Ok(token.to_owned()),
    }
}

fn new_password(account: &AccountId, from_stdin: bool) -> Result<String, CliError> {
    if from_stdin {
        let mut line = String::new();
        std::io::stdin().read_line(&mut line).map_err(|error| CliError::Usage(error.to_string()))?;
        return Ok(line.trim_end_matches(['\r', '\n']).to_owned());
    }
    let first = ask(&format!("New password of {account}: "))?;
    if ask("Once more: ")? == first { Ok(first) } else { Err(CliError::Usage("the two passwords differ".to_owned())) }
}

fn ask(prompt: &str) -> Result<String, CliError> {
    if !std::io::stdin().is_terminal() {
        return Err(CliError::Usage(
            "a password is required, and there is no terminal to ask for it; set MUSTER_PASSWORD, or use \
             --password-stdin"
                .to_owned(),
        ));
    }
    rpassword::prompt_password(prompt).map_err(|error| CliError::Usage(error.to_string()))
}
