//! `registered_vhosts`: lists the hosts of this server.

use std::sync::Arc;

use muster_core::registry::Registered;
use serde_json::json;

use crate::Services;
use crate::definition::{Call, Definition, NoArguments};

pub(crate) fn command(services: &Arc<Services>) -> Result<Registered, String> {
    Definition::new("registered_vhosts", "Lists the hosts of this server")
        .tags(&["server"])
        .read_only()
        .example("One host", json!({}), json!(["localhost"]))
        .run(services, |Call { services, .. }: Call<NoArguments>| async move { Ok(services.accounts.hosts()) })
}
