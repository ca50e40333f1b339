//! The host's own commands, one file each. This file only lists them; what they share is in [`definition`].
//!
//! Where a command corresponds to one of ejabberd, it keeps that one's name, arguments and result, so that existing
//! clients work.

mod candidate;
mod clients;
mod definition;
mod paging;
mod result;
mod world;

mod audit_search;
mod audit_verify;
mod backup;
mod ban_account;
mod change_password;
mod check_account;
mod check_password;
mod count_banned;
mod get_ban_details;
mod get_loglevel;
mod help;
mod key_create;
mod key_list;
mod key_revoke;
mod list_banned;
mod module_change;
mod module_check;
mod module_grants;
mod module_install;
mod module_release;
mod module_uninstall;
mod module_upgrade;
mod modules_available;
mod modules_details;
mod modules_installed;
mod modules_limits;
mod oauth_add_client;
mod oauth_add_client_implicit;
mod oauth_add_client_password;
mod oauth_introspect;
mod oauth_issue_token;
mod oauth_list_clients;
mod oauth_list_tokens;
mod oauth_remove_client;
mod oauth_revoke_token;
mod permissions_changes;
mod permissions_check;
mod permissions_explain;
mod permissions_matrix;
mod register;
mod registered_users;
mod registered_vhosts;
mod reload_config;
mod set_loglevel;
mod stats;
mod stats_host;
mod status;
mod stop;
mod unban_account;
mod unregister;

use std::fmt::Debug;
use std::sync::{Arc, Weak};

use muster_core::BoxFuture;
use muster_core::audit::Audit;
use muster_core::authn::{Accounts, Keys};
use muster_core::dispatch::Dispatcher;
use muster_core::error::CallError;
use muster_core::name::FrontendName;
use muster_core::oauth::AuthorizationServer;
use muster_core::permission::Permissions;
use muster_core::plugins::Plugins;
use muster_core::registry::Registered;

/// What there is to say about a configuration that is not in force.
#[derive(Debug)]
pub struct Reading {
    /// Its rules.
    pub rules: Permissions,
    /// Its keys that say something else than at the start, and that only a restart puts into force.
    pub needs_restart: Vec<String>,
}

/// A backup that was written.
#[derive(Clone, Debug)]
pub struct BackupFile {
    /// Where it is.
    pub file: String,
    /// Its length.
    pub bytes: u64,
    /// Entries of the store that are in it.
    pub entries: u64,
}

/// What the process that runs the host can do to itself.
pub trait Control: Debug + Send + Sync {
    /// Reads a configuration without putting it into force: this text, or the configuration file as it is now. The text of
    /// an error says where the mistake is.
    fn read_config(&self, text: Option<String>) -> BoxFuture<'_, Result<Reading, String>>;

    /// Reads the configuration again, whose rules the caller has `reviewed`. The old one stays in force when the new one
    /// is refused or has other rules than those; the text says why.
    fn reload_config<'a>(&'a self, reviewed: &'a Permissions) -> BoxFuture<'a, Result<(), String>>;

    /// Writes a backup to this file in the host's folder of backups. The text of an error is for the operator.
    fn backup(&self, file: String) -> BoxFuture<'_, Result<BackupFile, String>>;

    /// The interfaces rules can speak of.
    fn interfaces(&self) -> &'static [FrontendName];

    /// The tags listeners have.
    fn listener_tags(&self) -> Vec<String>;

    /// Begins to stop: no new calls, running ones end.
    fn stop(&self);

    /// The host's version.
    fn version(&self) -> &'static str;

    /// Seconds since the host started.
    fn uptime_seconds(&self) -> u64;

    /// The level of the log.
    fn log_level(&self) -> String;

    /// Sets the level of the log; one of [`LOG_LEVELS`].
    fn set_log_level(&self, level: &str);
}

/// Levels of the log, quietest first, as ejabberd names them.
pub const LOG_LEVELS: [&str; 5] = ["none", "error", "warning", "info", "debug"];

/// What built-in commands work on.
#[derive(Clone, Debug)]
pub struct Services {
    /// Accounts.
    pub accounts: Arc<Accounts>,
    /// API keys.
    pub keys: Arc<Keys>,
    /// Tokens and the clients they are given to.
    pub tokens: Arc<AuthorizationServer>,
    /// Plugins.
    pub plugins: Arc<dyn Plugins>,
    /// The process.
    pub control: Arc<dyn Control>,
    /// Tells what a caller may call. Weak: the dispatcher's registry holds these commands.
    pub dispatcher: Weak<Dispatcher>,
    /// The record of calls, if there is one.
    pub audit: Option<Arc<dyn Audit>>,
}

impl Services {
    /// The record of calls.
    ///
    /// # Errors
    /// When none is kept.
    fn audit(&self) -> Result<&Arc<dyn Audit>, CallError> {
        self.audit
            .as_ref()
            .ok_or_else(|| CallError::Unavailable("`audit` is not enabled in the configuration".to_owned()))
    }
}

/// Every built-in command.
///
/// # Errors
/// When a definition does not satisfy the rules for commands, which is a mistake in this crate.
pub fn commands(services: &Arc<Services>) -> Result<Vec<Registered>, String> {
    [
        audit_search::command,
        audit_verify::command,
        backup::command,
        ban_account::command,
        change_password::command,
        check_account::command,
        check_password::command,
        count_banned::command,
        get_ban_details::command,
        get_loglevel::command,
        help::command,
        key_create::command,
        key_list::command,
        key_revoke::command,
        list_banned::command,
        module_change::command,
        module_check::command,
        module_grants::command,
        module_install::command,
        module_release::command,
        module_uninstall::command,
        module_upgrade::command,
        modules_available::command,
        modules_details::command,
        modules_installed::command,
        modules_limits::command,
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
        permissions_changes::command,
        permissions_check::command,
        permissions_explain::command,
        permissions_matrix::command,
        register::command,
        registered_users::command,
        registered_vhosts::command,
        reload_config::command,
        set_loglevel::command,
        stats::command,
        stats_host::command,
        status::command,
        stop::command,
        unban_account::command,
        unregister::command,
    ]
    .into_iter()
    .map(|command| command(services))
    .collect()
}
