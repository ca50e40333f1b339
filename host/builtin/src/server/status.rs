//! `status`: tells that the server runs, and its version.

use std::sync::Arc;

use muster_core::command::Audience;
use muster_core::registry::Registered;
use serde_json::json;

use crate::Services;
use crate::definition::{Call, Definition, NoArguments};

pub(crate) fn command(services: &Arc<Services>) -> Result<Registered, String> {
    Definition::new("status", "Shows whether the server runs, and its version")
        .tags(&["server"])
        .audience(Audience::Admin)
        .read_only()
        .example("Running", json!({}), json!("Muster 0.1.0 is running. Uptime: 42 seconds"))
        .run(services, |Call { services, .. }: Call<NoArguments>| async move {
            let control = &services.control;
            Ok(format!("Muster {} is running. Uptime: {} seconds", control.version(), control.uptime_seconds()))
        })
}
