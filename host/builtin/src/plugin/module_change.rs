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
    /// Grants to add, in the form of `module_install`.
    #[serde(default)]
    grants: Vec<String>,
    /// Grants to remove.
    #[serde(default)]
    revoke: Vec<String>,
    /// Settings to set; some may be secret. The value `null` removes a setting.
    #[serde(default)]
    #[schemars(extend("writeOnly" = true))]
    settings: BTreeMap<String, Option<String>>,
    /// Which calls share an instance from now on: none (`call`), those of the same caller with the same permissions
    /// (`caller`), or all (`plugin`).
    #[schemars(extend("enum" = ["call", "caller", "plugin"]))]
    isolation: Option<String>,
}

pub(crate) fn command(services: &Arc<Services>) -> Result<Registered, String> {
    Definition::new("module_change", "Changes grants, settings or isolation of a plugin")
        .description(
            "The component is kept, and so is everything that is not changed here. No call fails during the \
                      change: running calls end with the old values. A plugin that could not be loaded when the host \
                      started is loaded again, even without a change.",
        )
        .tags(&["modules"])
        .audience(Audience::Admin)
        .deadline_least(time(services))
        .example(
            "Revoke a grant, add another",
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
