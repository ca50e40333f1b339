//! What the host can do with plugins, in words that name no engine. Commands and command line speak to this trait; the
//! crate that runs plugins implements it.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::time::Duration;

use bytes::Bytes;
use thiserror::Error;

use crate::BoxFuture;
use crate::error::CallError;
use crate::name::PluginName;

/// Longest component, in bytes.
pub const COMPONENT_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Who shares an instance of a plugin.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Isolation {
    /// No sharing: each call has a new instance.
    #[default]
    Call,
    /// Calls of the same caller with the same rights, one at a time; calls at the same time have an instance each.
    Caller,
    /// All calls, one at a time; calls at the same time have an instance each.
    Plugin,
}

impl Isolation {
    /// Every policy there is, strictest first.
    pub const ALL: [Self; 3] = [Self::Call, Self::Caller, Self::Plugin];

    /// The policy as operators write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Call => "call",
            Self::Caller => "caller",
            Self::Plugin => "plugin",
        }
    }

    /// Reads what [`Isolation::as_str`] writes.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|policy| policy.as_str() == text)
    }
}

/// What went wrong with a plugin since it was loaded.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Health {
    /// Calls that ended badly through its fault, by code, those that never happened left out.
    pub faults: BTreeMap<&'static str, u64>,
    /// How often it reached a limit, by name of the limit.
    pub limits: BTreeMap<&'static str, u64>,
    /// What is not run at present, because most calls of it failed.
    pub quarantines: Vec<Quarantine>,
}

/// A command that is not run for a caller for a while.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Quarantine {
    /// The command, as `name` or `name/vN`.
    pub command: String,
    /// The caller, as bounds count it: an account, a client, `console`, or `anonymous` with the network it calls from.
    pub caller: String,
    /// How long yet.
    pub left: Duration,
}

/// A bound on plugins.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct LimitInfo {
    /// Its key below `limits` in the configuration.
    pub name: &'static str,
    /// What it counts.
    pub unit: &'static str,
    /// What it limits.
    pub about: &'static str,
    /// Its default value.
    pub default: u64,
    /// Its value.
    pub value: u64,
    /// How often the installed plugins reached it since they were loaded.
    pub hits: u64,
}

/// One thing a plugin can use, may use, or wanted to use; with how often, since it was loaded.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct GrantLine {
    /// The grant in its one form, or the interface every plugin has.
    pub name: String,
    /// Whether the component imports its interface, or requested it while it ran.
    pub declared: bool,
    /// Whether the plugin has it.
    pub granted: bool,
    /// How often it was used.
    pub used: u64,
    /// How often its use was rejected.
    pub refused: u64,
    /// Why it was refused last; empty when it never was.
    pub last: String,
}

/// A component an operator wants to have as a plugin.
#[derive(Clone, Debug)]
pub struct InstallRequest {
    /// The component.
    pub component: Bytes,
    /// What to call the plugin; the component's own metadata name without.
    pub name: Option<PluginName>,
    /// What is other than for the running version; a new plugin has nothing before.
    pub change: PluginUpdate,
    /// Documentation of exported functions and types, by `package/interface#item`. Only needed for a component with
    /// typed exports.
    pub docs: BTreeMap<String, String>,
}

/// What an operator changes about what a plugin may do, what it reads, and who shares it. The rest stays.
#[derive(Clone, Debug, Default)]
pub struct PluginUpdate {
    /// What it may do from now on too, such as `keyvalue` or `command:status`.
    pub grants: Vec<String>,
    /// Grants to remove.
    pub revoke: Vec<String>,
    /// Settings it gets; it loses those without a value.
    pub settings: BTreeMap<String, Option<String>>,
    /// Who shares an instance; `call` for a new plugin.
    pub isolation: Option<Isolation>,
}

/// What is known about a plugin, installed or only looked at.
#[derive(Clone, Debug)]
pub struct PluginInfo {
    /// Its name.
    pub name: PluginName,
    /// Its version, as its metadata says; `0.0.0` without.
    pub version: String,
    /// A summary of one line.
    pub summary: String,
    /// `sha256:` and 64 hexadecimal digits.
    pub digest: String,
    /// Length of the component.
    pub size_bytes: usize,
    /// Interfaces it imports.
    pub imports: Vec<String>,
    /// Grants its imports need.
    pub requests: Vec<String>,
    /// Grants it has.
    pub grants: Vec<String>,
    /// Its commands, as `name` or `name/vN`; empty when it was only looked at.
    pub commands: Vec<String>,
    /// Its settings, secrets masked.
    pub settings: BTreeMap<String, String>,
    /// Notes of the loader: exports that are not commands, and why.
    pub notes: Vec<String>,
    /// Who shares an instance of it.
    pub isolation: Isolation,
    /// What went wrong since it was loaded.
    pub health: Health,
    /// Why it has no commands although it is installed: it could not be loaded when the host started.
    pub not_loaded: Option<String>,
}

/// Why nothing was done with a plugin. Everything is as it was before.
#[derive(Debug, Error)]
pub enum PluginError {
    /// There is no plugin of that name.
    #[error("there is no plugin `{0}`")]
    Missing(PluginName),
    /// A plugin of that name is installed already.
    #[error("the plugin `{0}` is already installed; upgrade it instead")]
    Installed(PluginName),
    /// The component cannot be a plugin here; the text says why and what to do.
    #[error("{text}")]
    Refused {
        /// Why, as a stable slug.
        code: &'static str,
        /// What it wanted, what there is, and what to do.
        text: String,
    },
    /// Its commands clash with others.
    #[error("{0}")]
    Clash(String),
    /// Something below failed.
    #[error(transparent)]
    Below(#[from] CallError),
}

impl From<PluginError> for CallError {
    fn from(error: PluginError) -> Self {
        let text = error.to_string();
        match error {
            PluginError::Missing(_) => Self::NotFound(text),
            PluginError::Installed(_) | PluginError::Clash(_) => Self::Conflict(text),
            PluginError::Refused { code, .. } => Self::PluginRefused { code, text },
            PluginError::Below(below) => below,
        }
    }
}

/// The plugins of a host.
pub trait Plugins: Debug + Send + Sync {
    /// Makes a new plugin of the component. Its commands can be called when this returns, also after a restart.
    fn install(&self, candidate: InstallRequest) -> BoxFuture<'_, Result<PluginInfo, PluginError>>;

    /// Puts the component in the place of the installed plugin of its name, without a call failing meanwhile.
    fn upgrade(&self, candidate: InstallRequest) -> BoxFuture<'_, Result<PluginInfo, PluginError>>;

    /// Changes what an installed plugin may do and reads, with the component it has. One that could not be loaded is
    /// tried again, also where nothing changes.
    fn change<'a>(
        &'a self,
        name: &'a PluginName,
        change: PluginUpdate,
    ) -> BoxFuture<'a, Result<PluginInfo, PluginError>>;

    /// Does everything an installation does but the last step: nothing changes.
    fn check(&self, candidate: InstallRequest) -> BoxFuture<'_, Result<PluginInfo, PluginError>>;

    /// Removes a plugin and its commands. Its data stays for a later installation of the same name.
    fn uninstall<'a>(&'a self, name: &'a PluginName) -> BoxFuture<'a, Result<(), PluginError>>;

    /// Ends the quarantine of a plugin; tells whether it was in one.
    ///
    /// # Errors
    /// When there is no such plugin.
    fn release(&self, name: &PluginName) -> Result<bool, PluginError>;

    /// What a plugin can use, may use, and wanted to use.
    ///
    /// # Errors
    /// When there is no such plugin.
    fn grants(&self, name: &PluginName) -> Result<Vec<GrantLine>, PluginError>;

    /// The bounds on plugins.
    fn limits(&self) -> Vec<LimitInfo>;

    /// What is installed, by name.
    fn list(&self) -> Vec<PluginInfo>;

    /// Available components on the host's disk, by file name without `.wasm`; unusable ones are left out.
    fn available(&self) -> BoxFuture<'_, Vec<(PluginName, PluginInfo)>>;

    /// Reads an available component.
    fn read_available<'a>(&'a self, name: &'a PluginName) -> BoxFuture<'a, Result<Bytes, PluginError>>;
}
