//! `module_change`: changes what an installed plugin may do and reads.

use std::collections::BTreeMap;
use std::sync::Arc;

use muster_core::command::Audience;
use muster_core::plugins::{Isolation, PluginUpdate};
use muster_core::registry::Registered;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

use super::candidate::time;
use crate::Services;
use crate::definition::{Call, Definition};
use crate::result::{ReturnCode, plugin_name};

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Arguments {
    /// Name of the plugin.
    module: String,
    /// What it may do from now on too, as `module_install` takes it.
    #[serde(default)]
    grants: Vec<String>,
    /// What it may do no longer.
    #[serde(default)]
    revoke: Vec<String>,
    /// Settings it gets; some may be secret. It loses those that are `null`.
    #[serde(default)]
    #[schemars(extend("writeOnly" = true))]
    settings: BTreeMap<String, Option<String>>,
    /// Who shares an instance of it from now on: nobody (`call`), calls of the same caller with the same rights
    /// (`caller`), or all calls (`plugin`).
    #[schemars(extend("enum" = ["call", "caller", "plugin"]))]
    isolation: Option<String>,
}

pub(crate) fn command(services: &Arc<Services>) -> Result<Registered, String> {
    Definition::new("module_change", "Changes what a plugin may do, what it reads, and who shares it")
        .description("It keeps its component, and what is not said here stays. No call fails meanwhile: those that run end as they began. A plugin that could not be loaded when the host started is tried again, also without a change.")
        .tags(&["modules"])
        .audience(Audience::Admin)
        .deadline_least(time(services))
        .example(
            "Take a grant away, give another",
            json!({"module": "roster", "revoke": ["command:status"], "grants": ["command:stats"]}),
            json!(0),
        )
        .run(services, |Call { services, arguments, .. }: Call<Arguments>| async move {
            let name = plugin_name(&arguments.module)?;
            let change = PluginUpdate {
                grants: arguments.grants,
                revoke: arguments.revoke,
                settings: arguments.settings,
                isolation: arguments.isolation.as_deref().and_then(Isolation::parse),
            };
            services.plugins.change(&name, change).await?;
            Ok(ReturnCode::DONE)
        })
}
