//! `module_install`: makes a plugin of a component.

use std::sync::Arc;

use muster_core::command::Audience;
use muster_core::registry::Registered;
use serde_json::json;

use super::candidate::{Arguments, INPUT_BYTES_MAX, time};
use crate::Services;
use crate::definition::{Call, Definition};
use crate::result::ReturnCode;

pub(crate) fn command(services: &Arc<Services>) -> Result<Registered, String> {
    Definition::new("module_install", "Installs a plugin")
        .description(
            "The commands of the plugin can be called as soon as this returns, also after a restart. If the \
                      component cannot be loaded, the error contains the reason and nothing changes.",
        )
        .tags(&["modules"])
        .audience(Audience::Admin)
        .input_bytes_max(INPUT_BYTES_MAX)
        .deadline_least(time(services))
        .example("Install an available component", json!({"module": "roster", "grants": ["keyvalue"]}), json!(0))
        .run(services, |Call { services, arguments, .. }: Call<Arguments>| async move {
            let candidate = arguments.candidate(&services).await?;
            services.plugins.install(candidate).await?;
            Ok(ReturnCode::DONE)
        })
}
