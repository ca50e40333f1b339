//! `stats`: a number about the server.

use std::sync::Arc;

use muster_core::command::Audience;
use muster_core::dispatch::Counts;
use muster_core::error::CallError;
use muster_core::registry::Registered;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

use crate::Services;
use crate::definition::{Call, Definition};
use crate::result::account_error;

/// What can be asked for.
#[derive(Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Name {
    /// Accounts, of all hosts.
    RegisteredUsers,
    /// Seconds since the server started.
    UptimeSeconds,
    /// Calls that were accepted.
    Calls,
    /// Calls that were rejected: wrong credentials, rules, rate limits.
    CallsRefused,
    /// Wrong passwords and other secrets.
    LoginFailures,
    /// Logins that were rejected by login throttling.
    LoginsThrottled,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Arguments {
    /// The number to return. Counters start at 0 when the server starts.
    name: Name,
}

pub(crate) fn command(services: &Arc<Services>) -> Result<Registered, String> {
    Definition::new("stats", "Returns a number about the server")
        .tags(&["statistics"])
        .audience(Audience::Admin)
        .read_only()
        .example("Accounts", json!({"name": "registeredusers"}), json!(2))
        .run(services, |Call { services, arguments, .. }: Call<Arguments>| async move {
            let counts = services.dispatcher.upgrade();
            let counts = counts.as_ref().map(|dispatcher| dispatcher.counts());
            Ok(match arguments.name {
                Name::RegisteredUsers => registered_users(&services).await?,
                Name::UptimeSeconds => services.control.uptime_seconds(),
                Name::Calls => counts.map_or(0, Counts::calls),
                Name::CallsRefused => counts.map_or(0, Counts::refused),
                Name::LoginFailures => services.accounts.throttle().failures(),
                Name::LoginsThrottled => services.accounts.throttle().throttled(),
            })
        })
}

async fn registered_users(services: &Services) -> Result<u64, CallError> {
    let mut accounts = 0;
    for host in services.accounts.hosts() {
        accounts += services.accounts.list(&host).await.map_err(account_error)?.len();
    }
    Ok(accounts as u64)
}
