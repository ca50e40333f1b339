//! `modules_details`: everything about the installed plugins.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use muster_core::command::Audience;
use muster_core::plugins;
use muster_core::registry::Registered;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::Services;
use crate::definition::{Call, Definition};
use crate::paging::Paging;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Arguments {
    /// Show only this plugin.
    module: Option<String>,
}

#[derive(Serialize, JsonSchema)]
struct Details {
    /// Its name.
    name: String,
    /// Its version, as its metadata says.
    version: String,
    /// A summary of one line.
    summary: String,
    /// `sha256:` and 64 hexadecimal digits.
    digest: String,
    /// Length of the component.
    size_bytes: usize,
    /// Interfaces it imports.
    imports: Vec<String>,
    /// Grants its imports need.
    requests: Vec<String>,
    /// Grants it has.
    grants: Vec<String>,
    /// Its settings. Secret settings are masked; if the plugin does not declare which are secret, all are masked.
    settings: BTreeMap<String, String>,
    /// Its commands, as `name` or `name/vN`.
    commands: Vec<String>,
    /// Notes of the loader: exports that are not commands, and why.
    notes: Vec<String>,
    /// Which calls share an instance: none (`call`), those of the same caller (`caller`), or all (`plugin`).
    isolation: &'static str,
    /// Calls that failed because of the plugin since it was loaded, by error code.
    faults: BTreeMap<&'static str, u64>,
    /// How often it reached a limit, by name of the limit.
    limits: BTreeMap<&'static str, u64>,
    /// Seconds until the last of `quarantines` ends; absent if there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    quarantined_s: Option<u64>,
    /// Commands that are quarantined for a caller, because most calls of that caller failed.
    quarantines: Vec<Quarantine>,
    /// Why it could not be loaded when the host started; absent if it is loaded. `module_change` loads it again.
    #[serde(skip_serializing_if = "Option::is_none")]
    not_loaded: Option<String>,
}

#[derive(Serialize, JsonSchema)]
struct Quarantine {
    /// The command, as `name` or `name/vN`.
    command: String,
    /// The caller: an account, a client, `console`, or `anonymous` with the network it calls from.
    caller: String,
    /// Seconds until the quarantine ends.
    seconds: u64,
}

impl From<plugins::Quarantine> for Quarantine {
    fn from(quarantine: plugins::Quarantine) -> Self {
        let plugins::Quarantine { command, caller, left } = quarantine;
        Self { command, caller, seconds: seconds(left) }
    }
}

/// Whole seconds after which it is over for sure.
fn seconds(left: Duration) -> u64 {
    left.as_secs() + 1
}

pub(crate) fn command(services: &Arc<Services>) -> Result<Registered, String> {
    Definition::new("modules_details", "Shows details of the installed plugins")
        .tags(&["modules"])
        .audience(Audience::Admin)
        .read_only()
        .paged(Paging::Member("name"))
        .example(
            "One plugin",
            json!({"module": "hello"}),
            json!([{
                "name": "hello", "version": "0.1.0", "summary": "Greets people",
                "digest": "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08", "size_bytes": 61440,
                "imports": ["wasi:logging/logging@0.1.0-draft"], "requests": [], "grants": [], "settings": {}, "commands": ["hello"],
                "notes": [], "isolation": "call", "faults": {"plugin-trapped": 1}, "limits": {}, "quarantines": [],
            }]),
        )
        .run(services, |Call { services, arguments, .. }: Call<Arguments>| async move {
            let wanted = |name: &str| arguments.module.as_deref().is_none_or(|module| module == name);
            let details = services.plugins.list().into_iter().filter(|info| wanted(info.name.as_str()));
            Ok(details
                .map(|info| Details {
                    name: info.name.as_str().to_owned(),
                    version: info.version,
                    summary: info.summary,
                    digest: info.digest,
                    size_bytes: info.size_bytes,
                    imports: info.imports,
                    requests: info.requests,
                    grants: info.grants,
                    settings: info.settings,
                    commands: info.commands,
                    notes: info.notes,
                    isolation: info.isolation.as_str(),
                    faults: info.health.faults,
                    limits: info.health.limits,
                    quarantined_s: info.health.quarantines.iter().map(|one| seconds(one.left)).max(),
                    quarantines: info.health.quarantines.into_iter().map(Quarantine::from).collect(),
                    not_loaded: info.not_loaded,
                })
                .collect::<Vec<_>>())
        })
}
