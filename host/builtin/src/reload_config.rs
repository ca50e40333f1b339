//! `reload_config`: reads the configuration again.

use std::sync::Arc;

use muster_core::command::Audience;
use muster_core::error::CallError;
use muster_core::registry::Registered;
use serde_json::json;

use crate::Services;
use crate::definition::{Call, Definition, NoArguments};
use crate::result::ReturnCode;

pub(crate) fn command(services: &Arc<Services>) -> Result<Registered, String> {
    Definition::new("reload_config", "Reads the configuration file again")
        .description("Rules, limits on time and the log's level change at once; addresses and directories need a restart. A file with a mistake is refused, and everything stays as it was.")
        .tags(&["config"])
        .audience(Audience::Admin)
        .idempotent()
        .example("Reload", json!({}), json!(0))
        .run(services, |Call { services, .. }: Call<NoArguments>| async move {
            services.control.reload_config().await.map_err(CallError::Failed)?;
            Ok(ReturnCode::DONE)
        })
}
