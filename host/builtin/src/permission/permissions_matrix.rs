//! `permissions_matrix`: who may call what.

use std::collections::BTreeMap;
use std::sync::Arc;

use muster_core::command::Audience;
use muster_core::error::CallError;
use muster_core::permission::matrix::matrix;
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
struct Rights {
    /// The caller: an account, `anonymous` or `console`, with properties such as `from 10.0.0.0/8`.
    caller: String,
    /// Commands they may call: `yes`, or `depends` when it depends on the arguments.
    commands: BTreeMap<String, String>,
}

pub(crate) fn command(services: &Arc<Services>) -> Result<Registered, String> {
    Definition::new("permissions_matrix", "Lists which callers may call which commands")
        .description(
            "Evaluates the rules for sample callers that represent every difference the rules can make: the console, \
             an anonymous caller, every \
             account (at most 50, those rules name first), another one at each host, and each of them from networks, with tokens and through \
             interfaces rules speak of, where that makes a difference.",
        )
        .tags(&["permissions"])
        .audience(Audience::Admin)
        .read_only()
        .example(
            "Only the console may call commands",
            json!({"config": "api_permissions: {'console commands': {from: console, who: all, what: status}}"}),
            json!([{"caller": "console", "commands": {"status": "yes"}}, {"caller": "anonymous", "commands": {}}]),
        )
        .run(services, |Call { services, arguments, .. }: Call<Arguments>| async move {
            let candidate = match arguments.config {
                Some(text) => Some(services.control.read_config(Some(text)).await.map_err(CallError::Failed)?.rules),
                None => None,
            };
            let context = LintContext::gather(&services, candidate.as_ref()).await?;
            let rows = matrix(candidate.as_ref().unwrap_or(&context.rules), &context.callers, &context.commands());
            let rights = rows.into_iter().map(|row| Rights {
                caller: row.label,
                commands: row.rights.into_iter().map(|(name, answer)| (name, answer.as_str().to_owned())).collect(),
            });
            Ok(rights.collect::<Vec<_>>())
        })
}
