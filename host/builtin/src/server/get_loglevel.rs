//! `get_loglevel`: tells the level of the log.

use std::sync::Arc;

use muster_core::command::Audience;
use muster_core::registry::Registered;
use serde_json::json;

use crate::Services;
use crate::definition::{Call, Definition, NoArguments};

pub(crate) fn command(services: &Arc<Services>) -> Result<Registered, String> {
    Definition::new("get_loglevel", "Shows the log level")
        .tags(&["logs"])
        .audience(Audience::Admin)
        .read_only()
        .example("The default", json!({}), json!("info"))
        .run(services, |Call { services, .. }: Call<NoArguments>| async move { Ok(services.control.log_level()) })
}
