//! `audit_search`: records of calls and of what the host did.

use std::sync::Arc;

use muster_core::audit::Query;
use muster_core::command::Audience;
use muster_core::error::CallError;
use muster_core::registry::Registered;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::Services;
use crate::definition::{Call, Definition};
use crate::paging::Paging;

/// Records given where nothing else is said.
const LIMIT: u16 = 100;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Arguments {
    /// Records after this number, oldest first.
    after_seq: Option<u64>,
    /// Records before this number; without `after_seq`, newest first.
    before_seq: Option<u64>,
    /// Maximum number of records; default: 100.
    #[schemars(range(min = 1, max = 1000))]
    limit: Option<u16>,
    /// The call with this request id, and the calls that plugins made for it.
    request_id: Option<String>,
    /// Calls by this account or client, or by `console`, `anonymous`.
    caller: Option<String>,
    /// Calls of this command.
    command: Option<String>,
    /// Calls with this outcome: `ok`, `abandoned`, or an error code such as `forbidden`.
    outcome: Option<String>,
    /// Not before this time, such as `2026-11-23T20:00:00Z`.
    since: Option<String>,
    /// Not after this time.
    until: Option<String>,
}

#[derive(Serialize, JsonSchema)]
struct Found {
    /// The records.
    records: Vec<Map<String, Value>>,
    /// `after_seq` (or `before_seq`, if the search had no `after_seq`) of the next search; absent if there are no more
    /// records.
    next: Option<u64>,
}

pub(crate) fn command(services: &Arc<Services>) -> Result<Registered, String> {
    Definition::new("audit_search", "Finds records of the audit log")
        .description(
            "The audit log has a record of every call, also of rejected ones: the caller, the interface, the command \
             and its arguments (secrets masked), the rule that allowed it, and the outcome. Only records that match \
             all conditions are returned.",
        )
        .tags(&["audit"])
        .audience(Audience::Admin)
        .read_only()
        .paged(Paging::Number)
        .example(
            "Calls that were forbidden",
            json!({"outcome": "forbidden", "limit": 1}),
            json!({"records": [{"seq": 17, "prev": "…", "time": "2026-11-23T20:00:00Z", "kind": "call",
                "caller": "ann@localhost", "via": "rest", "command": "stop", "verdict": "refused",
                "outcome": "forbidden", "duration_us": 40}], "next": 17}),
        )
        .run(services, |Call { services, arguments, .. }: Call<Arguments>| async move {
            let audit = services.audit()?;
            let query = Query {
                after_seq: arguments.after_seq,
                before_seq: arguments.before_seq,
                limit: usize::from(arguments.limit.unwrap_or(LIMIT)),
                request_id: arguments.request_id,
                caller: arguments.caller,
                command: arguments.command,
                outcome: arguments.outcome,
                since: arguments.since,
                until: arguments.until,
            };
            let page = audit.search(query).await?;
            let object = |record: Value| match record {
                Value::Object(members) => Ok(members),
                Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
                    Err(CallError::internal_from("a record is not an object"))
                }
            };
            Ok(Found { records: page.records.into_iter().map(object).collect::<Result<_, _>>()?, next: page.next })
        })
}
