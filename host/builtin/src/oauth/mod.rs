//! OAuth: clients and the tokens they are given.

mod clients;

mod oauth_add_client;
mod oauth_add_client_implicit;
mod oauth_add_client_password;
mod oauth_introspect;
mod oauth_issue_token;
mod oauth_list_clients;
mod oauth_list_tokens;
mod oauth_remove_client;
mod oauth_revoke_token;

use crate::Command;

/// What there is, one file each.
pub(crate) const COMMANDS: &[Command] = &[
    oauth_add_client::command,
    oauth_add_client_implicit::command,
    oauth_add_client_password::command,
    oauth_introspect::command,
    oauth_issue_token::as_text,
    oauth_issue_token::as_list,
    oauth_list_clients::command,
    oauth_list_tokens::command,
    oauth_remove_client::command,
    oauth_revoke_token::command,
];
