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
    /// A configuration as YAML to compare with, instead of the configuration file.
    config: Option<String>,
    /// Whether to compare permissions too, not only keys that need a restart; default: true.
    #[serde(default = "yes")]
    rights: bool,
}

fn yes() -> bool {
    true
}

#[derive(Serialize, JsonSchema)]
struct Review {
    /// Callers whose permissions change.
    changes: Vec<Change>,
    /// Callers who could no longer reload the configuration: the console, or the last accounts that could.
    /// `reload_config` then needs `force`.
    locked_out: Vec<String>,
    /// Keys other than rules that have changed since the start and need a restart.
    needs_restart: Vec<String>,
    /// Whether there were too many callers to compare all of them in time; absent if not.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    cut_short: bool,
}

#[derive(Serialize, JsonSchema)]
struct Change {
    /// The caller: an account, `anonymous` or `console`, with properties such as `from 10.0.0.0/8`.
    caller: String,
    /// Commands that become allowed.
    gained: Vec<String>,
    /// Commands that are no longer allowed.
    lost: Vec<String>,
    /// Commands that become allowed with other arguments than before.
    changed: Vec<String>,
}

pub(crate) fn command(services: &Arc<Services>) -> Result<Registered, String> {
    Definition::new("permissions_changes", "Shows what other rules would change, and for which callers")
        .description(
            "Compares the active rules with those of the configuration file before it is reloaded, and lists \
                      the changed keys that need a restart. Nothing changes.",
        )
        .tags(&["permissions"])
        .audience(Audience::Admin)
        .read_only()
        .example("The file was not changed", json!({}), json!({"changes": [], "locked_out": [], "needs_restart": []}))
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
