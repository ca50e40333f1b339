//! `permissions_check`: problems of the rules.

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
    /// A configuration as YAML, instead of the active rules.
    config: Option<String>,
}

#[derive(Serialize, JsonSchema)]
struct Odd {
    /// `warning` for a probable mistake, `notice` for information.
    severity: String,
    /// Where it is, such as `group admins`; empty if it concerns all rules.
    place: String,
    /// The problem, and what to do.
    text: String,
}

pub(crate) fn command(services: &Arc<Services>) -> Result<Registered, String> {
    Definition::new("permissions_check", "Reports problems of the rules")
        .description(
            "Reports groups that can never allow a call, undefined names, and commands that no caller or every caller \
             may call. \
             The most important problems come first. Rules are compared with the existing commands and accounts.",
        )
        .tags(&["permissions"])
        .audience(Audience::Admin)
        .read_only()
        .example(
            "A group without `who`",
            json!({"config": "api_permissions: {public: {what: status}}"}),
            json!([{
                "severity": "warning", "place": "group public",
                "text": "the group has no `who`, so it matches no caller; add `who: all` to match every caller",
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
