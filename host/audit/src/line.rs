//! From a record to the JSON of its line. Runs on the writer's thread, since masking takes its time.

use std::time::Duration;

use muster_core::audit::{CallRecord, Record, Subject};
use muster_core::caller::{Authority, Identity};
use muster_core::command::Origin;
use muster_core::schema::{DEPTH_MAX, mask, parse_json};
use serde_json::{Map, Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// The record as the text of an object.
pub(crate) fn text(record: Record, with_arguments: bool) -> String {
    let mut members = Map::new();
    members.insert("time".to_owned(), time_text(record.time).into());
    match record.subject {
        Subject::Event { name, detail } => {
            members.insert("kind".to_owned(), "event".into());
            members.insert("event".to_owned(), name.into());
            members.insert("detail".to_owned(), detail);
        }
        Subject::Call(call) => describe(*call, with_arguments, &mut members),
    }
    Value::Object(members).to_string()
}

/// A moment since 1970 as RFC 3339 writes it.
pub(crate) fn time_text(since_epoch: Duration) -> String {
    let nanos = i128::try_from(since_epoch.as_micros()).unwrap_or_default() * 1000;
    let time = OffsetDateTime::from_unix_timestamp_nanos(nanos).ok();
    time.and_then(|time| time.format(&Rfc3339).ok()).unwrap_or_default()
}

fn describe(call: CallRecord, with_arguments: bool, members: &mut Map<String, Value>) {
    let mut put = |key: &str, value: Value| {
        if !value.is_null() {
            members.insert(key.to_owned(), value);
        }
    };
    put("kind", "call".into());
    put("request_id", call.source.request_id.as_str().into());
    if let Some(caller) = &call.caller {
        put("caller", caller.label().into());
        let kind = match &caller.identity {
            Identity::Anonymous => "anonymous",
            Identity::Console => "console",
            Identity::Account(_) => "account",
            Identity::Client(_) => "client",
        };
        put("identity", kind.into());
        match &caller.authority {
            Authority::Full => put("authority", "full".into()),
            Authority::Token(scopes) => {
                put("authority", "token".into());
                put("scopes", json!(scopes.to_vec()));
            }
            Authority::Narrowed(what) => {
                put("authority", "narrowed".into());
                put("scopes", what.items().iter().map(|item| item.selector.to_string()).collect());
            }
        }
        put("through_plugin", caller.through_plugin.then_some(true).into());
    }
    put("claimed", call.claimed.map(|account| account.as_str().to_owned()).into());
    put("via", call.source.via.0.into());
    put("tag", call.source.tag.as_deref().into());
    put("address", call.source.address.map(|address| muster_core::authn::canonical(address).to_string()).into());
    if let Some(registered) = &call.registered {
        put("command", registered.command.name.as_str().into());
        put("version", registered.command.version.into());
        if let Origin::Plugin { name, version } = &registered.command.origin {
            put("plugin", format!("{name}@{version}").into());
        }
    }
    if call.registered.is_none() && !call.name.is_empty() {
        put("command", call.name.into());
    }
    put("verdict", if call.allowed { "allowed" } else { "refused" }.into());
    put("group", call.group.as_deref().into());
    if let (true, Some(text), Some(registered)) = (with_arguments, &call.arguments, &call.registered) {
        let arguments = parse_json(text, DEPTH_MAX).ok();
        put("arguments", arguments.map_or(Value::Null, |value| mask(registered.command.input.json(), &value)));
    }
    put("outcome", call.outcome.into());
    put("duration_us", call.duration_us.into());
}
