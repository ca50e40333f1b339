//! `module_uninstall`: removes a plugin.

use std::sync::Arc;

use muster_core::command::Audience;
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
    Definition::new("module_uninstall", "Removes a plugin and its commands")
        .description("Running calls end first. Its data is kept for a later installation under the same name.")
        .tags(&["modules"])
        .audience(Audience::Admin)
        .destructive()
        .example("Remove", json!({"module": "roster"}), json!(0))
        .run(services, |Call { services, arguments, .. }: Call<Arguments>| async move {
            let name = plugin_name(&arguments.module)?;
            services.plugins.uninstall(&name).await?;
            Ok(ReturnCode::DONE)
        })
}
