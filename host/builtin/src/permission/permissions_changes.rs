//! `permissions_changes`: what other rules would change, and for whom.

use std::sync::Arc;

use muster_core::command::Audience;
use muster_core::error::CallError;
use muster_core::permission::matrix::{changes, locked_out};
use muster_core::registry::Registered;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::definition::{Call, Definition};
use crate::lint_context::LintContext;
use crate::{Reading, Services};

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Arguments {
    /// A configuration to compare with, as YAML, instead of the configuration file as it is now.
    config: Option<String>,
    /// Whether to look at rights too, or only at what needs a restart. Yes without.
    #[serde(default = "yes")]
    rights: bool,
}

fn yes() -> bool {
    true
}

#[derive(Serialize, JsonSchema)]
struct Review {
    /// Everyone for whom something changes.
    changes: Vec<Change>,
    /// Who could no longer reload the configuration: the console, or the last accounts that could. `reload_config` then
    /// wants to be told that this is meant.
    locked_out: Vec<String>,
    /// Keys beside the rules that have changed since the start, and that only a restart puts into force.
    needs_restart: Vec<String>,
    /// Whether there were too many callers to look at all of them in time; absent where not.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    cut_short: bool,
}

#[derive(Serialize, JsonSchema)]
struct Change {
    /// Who: an account, `anonymous`, `console`, and what sets them apart, such as `from 10.0.0.0/8`.
    caller: String,
    /// Commands that become allowed.
    gained: Vec<String>,
    /// Commands that are no longer allowed.
    lost: Vec<String>,
    /// Commands that become allowed with other arguments than before.
    changed: Vec<String>,
}

pub(crate) fn command(services: &Arc<Services>) -> Result<Registered, String> {
    Definition::new("permissions_changes", "Tells what other rules would change, and for whom")
        .description("Compares the rules in force with those of the configuration file, before they are reloaded, and names what only a restart puts into force. Nothing changes.")
        .tags(&["permissions"])
        .audience(Audience::Admin)
        .read_only()
        .example("The file was not touched", json!({}), json!({"changes": [], "locked_out": [], "needs_restart": []}))
        .run(services, |Call { services, arguments, .. }: Call<Arguments>| async move {
            let reading = services.control.read_config(arguments.config).await.map_err(CallError::Failed)?;
            let Reading { rules: after, needs_restart } = reading;
            if !arguments.rights {
                return Ok(Review { changes: Vec::new(), locked_out: Vec::new(), needs_restart, cut_short: false });
            }
            let context = LintContext::gather(&services, Some(&after)).await?;
            let (changes, all) = changes(&context.rules, &after, &context.callers, &context.commands());
            let reload = context.command("reload_config", None);
            let locked_out = reload.map(|reload| locked_out(&context.rules, &after, &context.callers, reload));
            Ok(Review {
                changes: changes
                    .into_iter()
                    .map(|change| Change {
                        caller: change.label,
                        gained: change.gained,
                        lost: change.lost,
                        changed: change.changed,
                    })
                    .collect(),
                locked_out: locked_out.unwrap_or_default(),
                needs_restart,
                cut_short: !all,
            })
        })
}
