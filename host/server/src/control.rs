//! What the host can do to its own process: stop, and read its configuration again.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Weak};
use std::time::Instant;

use muster_builtin::{BackupFile, Control, Reading};
use muster_core::BoxFuture;
use muster_core::audit::Query;
use muster_core::authn::Accounts;
use muster_core::command::Command;
use muster_core::dispatch::Dispatcher;
use muster_core::name::FrontendName;
use muster_core::oauth::{AuthorizationServer, Settings};
use muster_core::permission::matrix::sample_callers;
use muster_core::permission::{Permissions, Surroundings};
use muster_issuer::TrustedIssuers;
use muster_storage::RedbStorage;
use muster_wasm::Limits;
use serde_json::json;
use tokio::sync::watch;

use crate::backup;
use crate::certificates::Certificates;
use crate::config::{Config, INTERFACES, Listener, Xmpp};
use crate::events::Events;
use crate::logging::LogLevel;

/// What a file says that only a start puts into force.
#[derive(Debug, Default)]
pub(crate) struct Configured {
    listen: Vec<Listener>,
    entrance: muster_frontend::http::entrance::Settings,
    xmlrpc: Option<String>,
    xmpp: Option<Xmpp>,
    audit: Option<muster_audit::Options>,
    plugins_available: Option<PathBuf>,
    mcp: muster_frontend::mcp::Settings,
    /// Those below `limits`, by name.
    limits: BTreeMap<&'static str, u128>,
}

impl Configured {
    pub(crate) fn of(config: &Config) -> Self {
        // Every key is named, so that a new one is thought about: what stands behind `_` is put into force by a reload.
        let Config {
            listen,
            entrance,
            xmlrpc,
            xmpp,
            audit,
            plugins_available,
            mcp,
            limits: _,
            body_bytes_max: _,
            connections_max: _,
            connections_per_address_max: _,
            idle_deadline_ms: _,
            write_deadline_ms: _,
            unsent_bytes_max: _,
            unsent_bytes_per_caller_max: _,
            drain_deadline: _,
            hosts: _,
            log_level: _,
            call_deadline: _,
            rates: _,
            passwords: _,
            oauth: _,
            issuers: _,
            permissions: _,
        } = config;
        let of_plugins = Limits::ALL.iter().map(|limit| limit.name);
        let of_plugins = of_plugins.map(|name| (name, config.limits.get(name).unwrap_or_default().into()));
        let of_host = [
            ("body_bytes_max", config.body_bytes_max as u128),
            ("connections_max", config.connections_max as u128),
            ("connections_per_address_max", config.connections_per_address_max.unwrap_or_default() as u128),
            ("idle_deadline_ms", config.idle_deadline_ms.into()),
            ("write_deadline_ms", config.write_deadline_ms.into()),
            ("unsent_bytes_max", config.unsent_bytes_max.into()),
            ("unsent_bytes_per_caller_max", config.unsent_bytes_per_caller_max.into()),
            ("drain_deadline_ms", config.drain_deadline.as_millis()),
        ];
        Self {
            listen: listen.clone(),
            entrance: entrance.clone(),
            xmlrpc: xmlrpc.clone(),
            xmpp: xmpp.clone(),
            audit: audit.clone(),
            plugins_available: plugins_available.clone(),
            mcp: mcp.clone(),
            limits: of_plugins.chain(of_host).collect(),
        }
    }

    /// The keys that say something else there.
    fn changes(&self, other: &Self) -> Vec<String> {
        let Self { listen, entrance, xmlrpc, xmpp, audit, plugins_available, mcp, limits } = self;
        let changes = [
            ("listen", *listen != other.listen),
            ("allowed_hosts", entrance.allowed_hosts != other.entrance.allowed_hosts),
            ("cors", entrance.cors != other.entrance.cors),
            ("mcp.allowed_hosts", entrance.mcp_hosts != other.entrance.mcp_hosts),
            ("mcp.allowed_origins", entrance.mcp_origins != other.entrance.mcp_origins),
            ("xmlrpc", *xmlrpc != other.xmlrpc),
            ("xmpp", *xmpp != other.xmpp),
            ("audit", *audit != other.audit),
            ("plugins_available", *plugins_available != other.plugins_available),
            ("mcp", *mcp != other.mcp),
        ];
        let changes = changes.into_iter().filter(|(_, changed)| *changed).map(|(key, _)| key.to_owned());
        let limits = limits.iter().filter(|(name, value)| other.limits.get(*name) != Some(*value));
        changes.chain(limits.map(|(name, _)| format!("limits.{name}"))).collect()
    }
}

#[derive(Debug)]
pub(crate) struct Process {
    pub(crate) config_file: Option<PathBuf>,
    pub(crate) log_level: Arc<LogLevel>,
    pub(crate) dispatcher: Weak<Dispatcher>,
    pub(crate) accounts: Arc<Accounts>,
    pub(crate) tokens: Arc<AuthorizationServer>,
    pub(crate) issuers: Arc<TrustedIssuers>,
    /// Where the host listens: how it names itself to clients without configuration.
    pub(crate) address: String,
    pub(crate) stopping: watch::Sender<bool>,
    pub(crate) started: Instant,
    /// What was opened at the start.
    pub(crate) listen: Vec<Listener>,
    /// What the file said then, which the command line may have overridden.
    pub(crate) configured: Configured,
    pub(crate) certificates: Certificates,
    pub(crate) journal: Events,
    /// The data directory, and the store in it: what a backup is made of.
    pub(crate) data: PathBuf,
    pub(crate) storage: Arc<RedbStorage>,
}

impl Process {
    /// Reads a configuration: this text, or the file.
    async fn read(&self, text: Option<String>) -> Result<Config, String> {
        if let Some(text) = text {
            return Config::parse("config", &text).map_err(|error| error.to_string());
        }
        let path = self.config_file.clone().ok_or("the server was started without a configuration file")?;
        let read = tokio::task::spawn_blocking(move || Config::read(&path)).await;
        read.map_err(|error| error.to_string())?
    }

    /// Logs warnings about the active rules.
    pub(crate) fn warn_about_rules(&self) {
        let Some(dispatcher) = self.dispatcher.upgrade() else { return };
        let (rules, snapshot) = (dispatcher.permissions(), dispatcher.registry().snapshot());
        let mut commands: Vec<&Command> = snapshot.iter().map(|registered| &registered.command).collect();
        commands.dedup_by(|later, first| later.name == first.name);
        let callers = sample_callers(&[&rules], &[], &INTERFACES);
        let tags = self.listener_tags();
        let surroundings = Surroundings { commands: &commands, callers: &callers, tags: Some(&tags) };
        for finding in rules.warnings(surroundings) {
            tracing::warn!(place = finding.place, "{}; see `muster permissions check`", finding.text);
        }
    }

    /// Puts into force what can change while the host runs.
    pub(crate) fn apply(&self, config: Config) {
        self.accounts.set_hosts(config.hosts);
        self.accounts.set_policy(config.passwords);
        self.log_level.set(&config.log_level);
        let rules = Arc::new(config.permissions);
        self.tokens.set_settings(Settings {
            issuer: config.oauth.issuer.unwrap_or_else(|| self.address.clone()),
            access_lifetime: config.oauth.access_lifetime,
            refresh_lifetime: config.oauth.refresh_lifetime,
            password_grant: config.oauth.password_grant,
            resources: config.oauth.resources,
            rules: Arc::clone(&rules),
        });
        self.issuers.set(config.issuers);
        if let Some(dispatcher) = self.dispatcher.upgrade() {
            dispatcher.set_deadline(config.call_deadline);
            dispatcher.set_rates(config.rates);
            dispatcher.set_permissions(rules);
        }
    }
}

impl Control for Process {
    fn read_config(&self, text: Option<String>) -> BoxFuture<'_, Result<Reading, String>> {
        Box::pin(async move {
            let config = self.read(text).await?;
            let needs_restart = self.configured.changes(&Configured::of(&config));
            Ok(Reading { rules: config.permissions, needs_restart })
        })
    }

    fn reload_config<'a>(&'a self, reviewed: &'a Permissions) -> BoxFuture<'a, Result<(), String>> {
        Box::pin(async move {
            let config = self.read(None).await?;
            if config.permissions != *reviewed {
                return Err("the configuration file was changed during the reload; try again".to_owned());
            }
            let certificates = self.certificates.clone();
            let reloaded = tokio::task::spawn_blocking(move || certificates.reload()).await;
            reloaded.map_err(|error| error.to_string())??;
            for key in &self.configured.changes(&Configured::of(&config)) {
                tracing::warn!("`{key}` has changed, which needs a restart");
            }
            let groups: Vec<_> = config.permissions.groups().iter().map(|group| group.name.to_string()).collect();
            self.apply(config);
            self.warn_about_rules();
            self.journal.event("config-reloaded", json!({ "groups": groups }));
            tracing::info!("configuration reloaded");
            Ok(())
        })
    }

    fn backup(&self, file: String) -> BoxFuture<'_, Result<BackupFile, String>> {
        Box::pin(async move {
            if let Some(audit) = &self.journal.audit {
                // What was recorded so far is in files then, and the store knows of it.
                audit.search(Query { limit: 1, ..Query::default() }).await.map_err(|error| error.to_string())?;
            }
            let (data, storage, time) = (self.data.clone(), Arc::clone(&self.storage), self.journal.now());
            let write = move || backup::write(&data, &storage, &file, time);
            let summary = tokio::task::spawn_blocking(write).await.map_err(|error| error.to_string())??;
            let file = summary.file.display().to_string();
            self.journal.event("backup-written", json!({ "file": file, "bytes": summary.bytes }));
            Ok(BackupFile { file, bytes: summary.bytes, entries: summary.entries })
        })
    }

    fn interfaces(&self) -> &'static [FrontendName] {
        &INTERFACES
    }

    fn listener_tags(&self) -> Vec<String> {
        self.listen.iter().filter_map(|listener| listener.tag.clone()).collect()
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
