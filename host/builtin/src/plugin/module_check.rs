//! `module_check`: tells whether a component could be installed.

use std::sync::Arc;

use muster_core::command::Audience;
use muster_core::registry::Registered;
use serde_json::json;

use super::candidate::{Arguments, INPUT_BYTES_MAX, time};
use crate::Services;
use crate::definition::{Call, Definition};
use crate::result::ReturnCode;

pub(crate) fn command(services: &Arc<Services>) -> Result<Registered, String> {
    Definition::new("module_check", "Checks whether a component could be installed or replace the installed one")
        .description("Does every step of an installation except the last one. Nothing changes.")
        .tags(&["modules"])
        .audience(Audience::Admin)
        .read_only()
        .input_bytes_max(INPUT_BYTES_MAX)
        .deadline_least(time(services))
        .example("Check an available component", json!({"module": "roster", "grants": ["keyvalue"]}), json!(0))
        .run(services, |Call { services, arguments, .. }: Call<Arguments>| async move {
            let candidate = arguments.candidate(&services).await?;
            services.plugins.check(candidate).await?;
            Ok(ReturnCode::DONE)
        })
}
