//! `permissions_check`: what is odd about the rules.

use std::sync::Arc;

use muster_core::command::Audience;
use muster_core::error::CallError;
use muster_core::permission::{Finding, Surroundings};
use muster_core::registry::Registered;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::Services;
use crate::definition::{Call, Definition};
use crate::lint_context::LintContext;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Arguments {
    /// A configuration to look at, as YAML, instead of the rules in force.
    config: Option<String>,
}

#[derive(Serialize, JsonSchema)]
struct Odd {
    /// `warning` for what was most likely not meant, `notice` for what is good to know.
    severity: String,
    /// Where it is, such as `group admins`; empty when it is about all rules.
    place: String,
    /// What it is, and what to do.
    text: String,
}

pub(crate) fn command(services: &Arc<Services>) -> Result<Registered, String> {
    Definition::new("permissions_check", "Tells what is odd about the rules")
        .description(
            "Groups that can never allow anything and why, names nothing has, commands nobody or anybody may call. \
             What matters most comes first. Rules are held against the commands and accounts there are.",
        )
        .tags(&["permissions"])
        .audience(Audience::Admin)
        .read_only()
        .example(
            "A group that forgot whom it is about",
            json!({"config": "api_permissions: {public: {what: status}}"}),
            json!([{
                "severity": "warning", "place": "group public",
                "text": "it has no `who` and so allows nobody anything; write `who: all` if everybody is meant",
            }]),
        )
        .run(services, |Call { services, arguments, .. }: Call<Arguments>| async move {
            let candidate = match arguments.config {
                Some(text) => Some(services.control.read_config(Some(text)).await.map_err(CallError::Failed)?.rules),
                None => None,
            };
            let context = LintContext::gather(&services, candidate.as_ref()).await?;
            let rules = candidate.as_ref().unwrap_or(&context.rules);
            let surroundings =
                Surroundings { commands: &context.latest(), callers: &context.callers, tags: Some(&context.tags) };
            Ok(rules.lint(surroundings).into_iter().map(odd).collect::<Vec<_>>())
        })
}

fn odd(finding: Finding) -> Odd {
    Odd { severity: finding.severity.as_str().to_owned(), place: finding.place, text: finding.text }
}
