//! `stop`: ends the server.

use std::sync::Arc;

use muster_core::command::Audience;
use muster_core::registry::Registered;
use serde_json::json;

use crate::Services;
use crate::definition::{Call, Definition, NoArguments};
use crate::result::ReturnCode;

pub(crate) fn command(services: &Arc<Services>) -> Result<Registered, String> {
    Definition::new("stop", "Stops the server")
        .description("New calls are rejected; running calls may end first.")
        .tags(&["server"])
        .audience(Audience::Admin)
        .destructive()
        .example("Stop", json!({}), json!(0))
        .run(services, |Call { services, .. }: Call<NoArguments>| async move {
            services.control.stop();
            Ok(ReturnCode::DONE)
        })
}
