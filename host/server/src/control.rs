//! What the host can do to its own process: stop, and read its configuration again.

use std::path::PathBuf;
use std::sync::{Arc, Weak};
use std::time::Instant;

use muster_builtin::Control;
use muster_core::BoxFuture;
use muster_core::authn::Accounts;
use muster_core::dispatch::Dispatcher;
use muster_core::oauth::{AuthorizationServer, Settings};
use tokio::sync::watch;

use crate::config::Config;
use crate::logging::LogLevel;

#[derive(Debug)]
pub(crate) struct Process {
    pub(crate) config_file: Option<PathBuf>,
    pub(crate) log_level: LogLevel,
    pub(crate) dispatcher: Weak<Dispatcher>,
    pub(crate) accounts: Arc<Accounts>,
    pub(crate) tokens: Arc<AuthorizationServer>,
    /// Where the host listens: how it names itself to clients without configuration.
    pub(crate) address: String,
    pub(crate) stopping: watch::Sender<bool>,
    pub(crate) started: Instant,
}

impl Process {
    /// Puts into force what can change while the host runs.
    pub(crate) fn apply(&self, config: Config) {
        self.accounts.set_hosts(config.hosts);
        self.log_level.set(&config.log_level);
        self.tokens.set_settings(Settings {
            issuer: config.oauth.issuer.unwrap_or_else(|| self.address.clone()),
            access_lifetime: config.oauth.access_lifetime,
            refresh_lifetime: config.oauth.refresh_lifetime,
            password_grant: config.oauth.password_grant,
            resources: config.oauth.resources,
            ..Settings::default()
        });
        if let Some(dispatcher) = self.dispatcher.upgrade() {
            dispatcher.set_deadline(config.call_deadline);
            dispatcher.set_permissions(config.permissions);
        }
    }
}

impl Control for Process {
    fn reload_config(&self) -> BoxFuture<'_, Result<(), String>> {
        let path = self.config_file.clone();
        Box::pin(async move {
            let Some(path) = path else {
                return Err("the server was started without a configuration file".to_owned());
            };
            let read = tokio::task::spawn_blocking(move || Config::read(&path)).await;
            self.apply(read.map_err(|error| error.to_string())??);
            tracing::info!("configuration read again");
            Ok(())
        })
    }

    fn stop(&self) {
        self.stopping.send_replace(true);
    }

    fn version(&self) -> &'static str {
        env!("CARGO_PKG_VERSION")
    }

    fn uptime_seconds(&self) -> u64 {
        self.started.elapsed().as_secs()
    }

    fn log_level(&self) -> String {
        self.log_level.name()
    }

    fn set_log_level(&self, level: &str) {
        self.log_level.set(level);
    }
}
