//! `modules_available`: lists available components.

use std::collections::BTreeMap;
use std::sync::Arc;

use muster_core::command::Audience;
use muster_core::registry::Registered;
use serde_json::json;

use crate::Services;
use crate::definition::{Call, Definition, NoArguments};
use crate::paging::Paging;

pub(crate) fn command(services: &Arc<Services>) -> Result<Registered, String> {
    Definition::new("modules_available", "Lists components that can be installed by name")
        .description("An object from names to summaries; `modules_details` shows more about installed plugins.")
        .tags(&["modules"])
        .audience(Audience::Admin)
        .read_only()
        .paged(Paging::Item)
        .example("One", json!({}), json!({"roster": "Contact lists of accounts"}))
        .run(services, |Call { services, .. }: Call<NoArguments>| async move {
            let summaries: BTreeMap<String, String> = services
                .plugins
                .available()
                .await
                .into_iter()
                .map(|(name, info)| (name.as_str().to_owned(), info.summary))
                .collect();
            Ok(summaries)
        })
}
