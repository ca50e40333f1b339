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
    /// Apply rules even if no caller could reload the configuration afterwards.
    #[serde(default)]
    force: bool,
}

pub(crate) fn command(services: &Arc<Services>) -> Result<Registered, String> {
    Definition::new("reload_config", "Reloads the configuration file")
        .description(
            "Rules, rate limits, the deadline of calls and the log level change immediately. Addresses, interfaces \
             and the other `limits` need a restart: `permissions_changes` lists the changed ones. A file with a \
             mistake is rejected, and nothing changes. Rules that would take this command from the console, or from \
             the last account that may call it, are rejected too, unless `force` is true. `permissions_changes` shows \
             beforehand what changes for which callers.",
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
                        "the new rules no longer allow `reload_config` to {}, so \
                         no caller could reload the configuration again; call it with `force` to apply them anyway",
                        out.join(", ")
                    )));
                }
            }
            services.control.reload_config(&after).await.map_err(CallError::Failed)?;
            Ok(ReturnCode::DONE)
        })
}
