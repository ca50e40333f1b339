//! `module_upgrade`: replaces a plugin's component.

use std::sync::Arc;

use muster_core::command::Audience;
use muster_core::registry::Registered;
use serde_json::json;

use super::candidate::{Arguments, INPUT_BYTES_MAX, time};
use crate::Services;
use crate::definition::{Call, Definition};
use crate::result::ReturnCode;

pub(crate) fn command(services: &Arc<Services>) -> Result<Registered, String> {
    Definition::new("module_upgrade", "Upgrades a plugin without dropping calls")
        .description(
            "Running calls end in the old version. Grants and settings are kept unless changed here. If the \
                      component cannot be loaded, the error contains the reason and the running version stays.",
        )
        .tags(&["modules"])
        .audience(Audience::Admin)
        .destructive()
        .input_bytes_max(INPUT_BYTES_MAX)
        .deadline_least(time(services))
        .example("Upgrade from an available component", json!({"module": "roster", "grants": ["keyvalue"]}), json!(0))
        .run(services, |Call { services, arguments, .. }: Call<Arguments>| async move {
            let candidate = arguments.candidate(&services).await?;
            services.plugins.upgrade(candidate).await?;
            Ok(ReturnCode::DONE)
        })
}
