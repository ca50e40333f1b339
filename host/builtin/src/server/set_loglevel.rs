//! `set_loglevel`: sets the level of the log.

use std::sync::Arc;

use muster_core::command::Audience;
use muster_core::registry::Registered;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

use crate::Services;
use crate::definition::{Call, Definition};
use crate::result::ReturnCode;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Arguments {
    /// One of none, error, warning, info, debug.
    #[schemars(extend("enum" = crate::LOG_LEVELS))]
    loglevel: String,
}

pub(crate) fn command(services: &Arc<Services>) -> Result<Registered, String> {
    Definition::new("set_loglevel", "Sets the log level")
        .description("Until the configuration is reloaded or the server restarts.")
        .tags(&["logs"])
        .audience(Audience::Admin)
        .idempotent()
        .example("Everything", json!({"loglevel": "debug"}), json!(0))
        .run(services, |Call { services, arguments, .. }: Call<Arguments>| async move {
            services.control.set_log_level(&arguments.loglevel);
            Ok(ReturnCode::DONE)
        })
}
