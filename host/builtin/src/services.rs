//! What built-in commands work on.

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

/// A configuration that is not active yet.
#[derive(Debug)]
pub struct Reading {
    /// Its rules.
    pub rules: Permissions,
    /// Its keys that say something else than at the start, and that need a restart.
    pub needs_restart: Vec<String>,
}

/// A backup that was written.
#[derive(Clone, Debug)]
pub struct BackupFile {
    /// Where it is.
    pub file: String,
    /// Its length.
    pub bytes: u64,
    /// Number of entries of the store in the backup.
    pub entries: u64,
}

/// What the process that runs the host can do to itself.
pub trait Control: Debug + Send + Sync {
    /// Reads a configuration without activating it: this text, or the configuration file as it is now. The text of an
    /// error says where the mistake is.
    fn read_config(&self, text: Option<String>) -> BoxFuture<'_, Result<Reading, String>>;

    /// Reloads the configuration, whose rules the caller has `reviewed`. The old one stays active if the new one is
    /// rejected or has other rules than those; the error says why.
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

    /// Sets the log level; one of [`LOG_LEVELS`].
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
    pub(crate) fn audit(&self) -> Result<&Arc<dyn Audit>, CallError> {
        self.audit
            .as_ref()
            .ok_or_else(|| CallError::Unavailable("`audit` is not enabled in the configuration".to_owned()))
    }
}
