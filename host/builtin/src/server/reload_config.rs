//! `reload_config`: reads the configuration again.

use std::sync::Arc;

use muster_core::command::Audience;
use muster_core::error::CallError;
use muster_core::permission::matrix::locked_out;
use muster_core::registry::Registered;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

use crate::Services;
use crate::definition::{Call, Definition};
use crate::lint_context::LintContext;
use crate::result::ReturnCode;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Arguments {
    /// Take rules too under which nobody could reload the configuration who can now.
    #[serde(default)]
    force: bool,
}

pub(crate) fn command(services: &Arc<Services>) -> Result<Registered, String> {
    Definition::new("reload_config", "Reads the configuration file again")
        .description(
            "Rules, rates, the deadline of calls and the log's level change at once; addresses, interfaces and the other `limits` need a restart: `permissions_changes` names those that have changed. A file \
             with a mistake is refused, and everything stays as it was. So are rules that would take this command from \
             the console, or from the last account that may call it, unless `force` is true. `permissions_changes` tells \
             beforehand what changes for whom.",
        )
        .tags(&["config"])
        .audience(Audience::Admin)
        .idempotent()
        .example("Reload", json!({}), json!(0))
        .run(services, |Call { services, arguments, .. }: Call<Arguments>| async move {
            let after = services.control.read_config(None).await.map_err(CallError::Failed)?.rules;
            if !arguments.force {
                let context = LintContext::gather(&services, Some(&after)).await?;
                let reload = context.command("reload_config", None);
                let out = reload.map(|reload| locked_out(&context.rules, &after, &context.callers, reload));
                if let Some(out) = out.filter(|out| !out.is_empty()) {
                    return Err(CallError::Conflict(format!(
                        "nothing was changed: these rules take `reload_config` from {}, and nobody could put them right \
                         that way; call it with `force` if that is meant",
                        out.join(", ")
                    )));
                }
            }
            services.control.reload_config(&after).await.map_err(CallError::Failed)?;
            Ok(ReturnCode::DONE)
        })
}
