//! `modules_limits`: the bounds on plugins, and how often they were run into.

use std::sync::Arc;

use muster_core::command::Audience;
use muster_core::registry::Registered;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::json;

use crate::Services;
use crate::definition::{Call, Definition, NoArguments};

#[derive(Serialize, JsonSchema)]
struct Limit {
    /// Its key below `limits` in the configuration.
    name: &'static str,
    /// Its value.
    value: u64,
    /// What it counts.
    unit: &'static str,
    /// Its default value.
    default: u64,
    /// How often the installed plugins reached it since they were loaded.
    hits: u64,
    /// What it limits.
    about: &'static str,
}

pub(crate) fn command(services: &Arc<Services>) -> Result<Registered, String> {
    Definition::new("modules_limits", "Lists the limits of plugins and how often each was reached")
        .description("`modules_details` shows which plugin reached them.")
        .tags(&["modules"])
        .audience(Audience::Admin)
        .read_only()
        .example(
            "One limit",
            json!({}),
            json!([{
                "name": "memory_bytes_max", "value": 67_108_864, "unit": "bytes", "default": 67_108_864, "hits": 0,
                "about": "Linear memory of one instance, all its memories together.",
            }]),
        )
        .run(services, |Call { services, .. }: Call<NoArguments>| async move {
            let limits = services.plugins.limits().into_iter().map(|limit| Limit {
                name: limit.name,
                value: limit.value,
                unit: limit.unit,
                default: limit.default,
                hits: limit.hits,
                about: limit.about,
            });
            Ok(limits.collect::<Vec<_>>())
        })
}
