//! `module_release`: ends the quarantine of a plugin.

use std::sync::Arc;

use muster_core::command::Audience;
use muster_core::error::CallError;
use muster_core::registry::Registered;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

use crate::Services;
use crate::definition::{Call, Definition};
use crate::result::{ReturnCode, plugin_name};

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Arguments {
    /// Name of the plugin.
    module: String,
}

pub(crate) fn command(services: &Arc<Services>) -> Result<Registered, String> {
    Definition::new("module_release", "Ends the quarantine of a plugin")
        .description(
            "If most calls of a command by a caller fail, the command is quarantined for this caller; \
                      `modules_details` shows which, and for how long. After the release the command is on probation: \
                      its next fault starts a quarantine that is twice as long.",
        )
        .tags(&["modules"])
        .audience(Audience::Admin)
        .example("Release", json!({"module": "roster"}), json!(0))
        .run(services, |Call { services, arguments, .. }: Call<Arguments>| async move {
            let name = plugin_name(&arguments.module)?;
            if services.plugins.release(&name)? {
                Ok(ReturnCode::DONE)
            } else {
                Err(CallError::Conflict(format!("the plugin `{name}` is not in quarantine")))
            }
        })
}
