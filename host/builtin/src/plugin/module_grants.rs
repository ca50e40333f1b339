//! `module_grants`: what a plugin can use, may use, and used.

use std::sync::Arc;

use muster_core::command::Audience;
use muster_core::registry::Registered;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::Services;
use crate::definition::{Call, Definition};
use crate::result::plugin_name;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Arguments {
    /// Name of the plugin.
    module: String,
}

#[derive(Serialize, JsonSchema)]
struct Line {
    /// The grant, or an interface that every plugin has.
    grant: String,
    /// Whether the component imports its interface, or requested it while it ran.
    declared: bool,
    /// Whether the plugin has it.
    granted: bool,
    /// How often it was used since the plugin was loaded.
    used: u64,
    /// How often its use was rejected.
    refused: u64,
    /// Reason of the last rejection.
    last: String,
}

pub(crate) fn command(services: &Arc<Services>) -> Result<Registered, String> {
    Definition::new("module_grants", "Shows the grants of a plugin and how often each was used")
        .description(
            "Counts start when the plugin is loaded. A grant that is not declared or not used can be \
                      revoked. An entry that is not granted is a request of the plugin.",
        )
        .tags(&["modules"])
        .audience(Audience::Admin)
        .read_only()
        .example(
            "One plugin",
            json!({"module": "roster"}),
            json!([{
                "grant": "keyvalue", "declared": true, "granted": true, "used": 12, "refused": 0, "last": "",
            }]),
        )
        .run(services, |Call { services, arguments, .. }: Call<Arguments>| async move {
            let lines = services.plugins.grants(&plugin_name(&arguments.module)?)?;
            let lines = lines.into_iter().map(|line| Line {
                grant: line.name,
                declared: line.declared,
                granted: line.granted,
                used: line.used,
                refused: line.refused,
                last: line.last,
            });
            Ok(lines.collect::<Vec<_>>())
        })
}
