//! From a record to the JSON of its line. Runs on the writer's thread, since masking takes its time.

use std::fmt::Write as _;
use std::net::IpAddr;
use std::time::Duration;

use muster_core::audit::{CallRecord, Record, Subject};
use muster_core::caller::{Authority, Identity};
use muster_core::command::Origin;
use muster_core::name::AccountId;
use muster_core::schema::{DEPTH_MAX, Schema, mask, parse_json};
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// Longest arguments that are shown without looking for long texts in them, in bytes.
const WHOLE_BYTES_MAX: usize = 256;

/// Most scopes of a token that are shown: another issuer's can have hundreds.
const SCOPES_MAX: usize = 64;

/// Makes lines. Written by hand, member by member: a line is made for every call, and a tree of values for each would be
/// most of what a record costs.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    /// The second that was last written, and its text.
    second: (u64, String),
    line: Line,
}

impl Lines {
    /// The record as the text of an object.
    pub(crate) fn text(&mut self, record: &Record, with_arguments: bool) -> &str {
        self.line.0.clear();
        self.time(record.time);
        let line = &mut self.line;
        match &record.subject {
            Subject::Event { name, detail } => {
                line.word("kind", "event");
                line.word("event", name);
                line.value("detail", detail);
            }
            Subject::Call(call) => describe(call, with_arguments, line),
        }
        line.0.push('}');
        &line.0
    }

    /// A moment since 1970 as RFC 3339 writes it, to the microsecond.
    fn time(&mut self, since_epoch: Duration) {
        let second = since_epoch.as_secs();
        if self.second.0 != second || self.second.1.is_empty() {
            let text = time_text(Duration::from_secs(second));
            self.second = (second, text.trim_end_matches('Z').to_owned());
        }
        self.line.key("time");
        let mut micros = itoa::Buffer::new();
        // With a one in front, so that zeros are written.
        let micros = micros.format(1_000_000 + since_epoch.subsec_micros()).get(1..).unwrap_or_default();
        for part in ["\"", &self.second.1, ".", micros, "Z\""] {
            self.line.0.push_str(part);
        }
    }
}

/// A moment since 1970 as RFC 3339 writes it.
pub(crate) fn time_text(since_epoch: Duration) -> String {
    let nanos = i128::try_from(since_epoch.as_micros()).unwrap_or_default() * 1000;
    let time = OffsetDateTime::from_unix_timestamp_nanos(nanos).ok();
    time.and_then(|time| time.format(&Rfc3339).ok()).unwrap_or_default()
}

/// An object being written.
#[derive(Debug, Default)]
struct Line(String);

impl Line {
    fn key(&mut self, key: &str) {
        self.0.push_str(if self.0.is_empty() { "{\"" } else { ",\"" });
        self.0.push_str(key);
        self.0.push_str("\":");
    }

    /// A word of ours, in which nothing is to be escaped.
    fn word(&mut self, key: &str, word: &'static str) {
        self.key(key);
        self.quoted(word);
    }

    fn quoted(&mut self, plain: &str) {
        self.0.push('"');
        self.0.push_str(plain);
        self.0.push('"');
    }

    fn text(&mut self, key: &str, text: &str) {
        self.key(key);
        // Most texts are names, in which nothing is to be escaped.
        // Every byte is looked at, several at a time.
        let escaped = |byte: &u8| matches!(byte, 0..=0x1F | b'"' | b'\\');
        if text.bytes().filter(escaped).count() == 0 {
            self.quoted(text);
        } else {
            self.0.push_str(&Value::from(text).to_string());
        }
    }

    fn maybe(&mut self, key: &str, text: Option<&str>) {
        if let Some(text) = text {
            self.text(key, text);
        }
    }

    fn number(&mut self, key: &str, number: u64) {
        self.key(key);
        self.0.push_str(itoa::Buffer::new().format(number));
    }

    fn address(&mut self, key: &str, address: IpAddr) {
        self.key(key);
        self.0.push('"');
        match address {
            IpAddr::V4(v4) => {
                for (at, part) in v4.octets().into_iter().enumerate() {
                    self.0.push_str(if at == 0 { "" } else { "." });
                    self.0.push_str(itoa::Buffer::new().format(part));
                }
            }
            IpAddr::V6(v6) => {
                let _ = write!(self.0, "{v6}");
            }
        }
        self.0.push('"');
    }

    fn value(&mut self, key: &str, value: &Value) {
        self.key(key);
        let _ = write!(self.0, "{value}");
    }
}

fn describe(call: &CallRecord, with_arguments: bool, line: &mut Line) {
    line.word("kind", "call");
    line.text("request_id", call.source.request_id.as_str());
    if let Some(sent) = call.source.request_id.sent() {
        line.text("sent_request_id", sent);
    }
    if let Some(caller) = &call.caller {
        line.text("caller", caller.label());
        line.word(
            "identity",
            match &caller.identity {
                Identity::Anonymous => "anonymous",
                Identity::Console => "console",
                Identity::Account(_) => "account",
                Identity::Client(_) => "client",
            },
        );
        match &caller.authority {
            Authority::Full => line.word("authority", "full"),
            Authority::Token(scopes) => {
                line.word("authority", "token");
                line.value("scopes", &json!(scopes.get(..SCOPES_MAX).unwrap_or(scopes)));
                if let Some(more @ 1..) = scopes.len().checked_sub(SCOPES_MAX) {
                    line.number("scopes_left_out", more as u64);
                }
            }
            Authority::Narrowed(what) => {
                line.word("authority", "narrowed");
                line.value("scopes", &what.items().iter().map(|item| item.selector.to_string()).collect());
            }
        }
        if caller.through_plugin {
            line.value("through_plugin", &Value::Bool(true));
        }
    }
    if let Some(rejected) = call.rejected {
        line.word("rejected", rejected.code());
    }
    line.maybe("claimed", call.claimed.as_ref().map(AccountId::as_str));
    line.word("via", call.source.via.0);
    line.maybe("tag", call.source.tag.as_deref());
    if let Some(address) = call.source.address {
        line.address("address", muster_core::address::canonical(address));
    }
    if let Some(registered) = &call.registered {
        line.text("command", registered.command.name.as_str());
        line.number("version", registered.command.version.into());
        if let Origin::Plugin { name, version } = &registered.command.origin {
            line.text("plugin", &format!("{name}@{version}"));
        }
    } else if !call.name.is_empty() {
        line.text("command", &call.name);
    }
    line.word("verdict", if call.allowed { "allowed" } else { "refused" });
    line.maybe("group", call.group.as_deref());
    if let (true, Some(text), Some(registered)) = (with_arguments, &call.arguments, &call.registered) {
        arguments(text, &registered.command.input, line);
    }
    line.word("outcome", call.outcome);
    line.number("duration_us", call.duration_us);
}

/// Arguments as they may be shown. Short ones of a command that takes no secrets are shown as they came.
fn arguments(text: &[u8], schema: &Schema, line: &mut Line) {
    if let (true, true, Ok(text)) = (schema.has_no_secrets(), text.len() <= WHOLE_BYTES_MAX, std::str::from_utf8(text))
    {
        line.key("arguments");
        // In JSON a line break can only stand between values.
        if text.contains(['\n', '\r']) {
            line.0.push_str(&text.replace(['\n', '\r'], " "));
        } else {
            line.0.push_str(text);
        }
    } else if let Ok(value) = parse_json(text, DEPTH_MAX) {
        line.value("arguments", &mask(schema.json(), &value));
    }
}
