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
    Definition::new("module_upgrade", "Replaces a plugin by another version of it")
        .description("No call fails meanwhile: those that run end in the old version. What the running version may do and reads stays, but for what is said here. A component that cannot be loaded is refused with the reason, and the running version goes on.")
        .tags(&["modules"])
        .audience(Audience::Admin)
        .destructive()
        .input_bytes_max(INPUT_BYTES_MAX)
        .deadline_least(time(services))
        .example("Upgrade from a component that lies ready", json!({"module": "roster", "grants": ["keyvalue"]}), json!(0))
        .run(services, |Call { services, arguments, .. }: Call<Arguments>| async move {
            let candidate = arguments.candidate(&services).await?;
            services.plugins.upgrade(candidate).await?;
            Ok(ReturnCode::DONE)
        })
}
