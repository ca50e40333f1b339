//! `muster help [COMMAND|TAG|PATTERN]`: what may be called, from the running host, so that it never lags behind.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use clap::Args;
use clap_complete::engine::ArgValueCompleter;
use muster_core::suggest::closest;
use serde_json::{Value, json};

use super::CliError;
use super::client::Client;
use super::command_help;
use super::complete;
use super::output::{self, Format};
use super::schema;

#[derive(Args, Debug)]
pub struct Help {
    /// A command, a tag, a pattern such as '*roster*', `commands` or `tags`
    #[arg(add = ArgValueCompleter::new(complete::words))]
    topic: Option<String>,
}

pub fn run(client: &Client, help: &Help, format: Format) -> Result<(), CliError> {
    let topic = match help.topic.as_deref() {
        None | Some("commands") => {
            list(&command_help::entries(client, None)?, format);
            return Ok(());
        }
        Some("tags") => {
            tags(&command_help::entries(client, None)?, format);
            return Ok(());
        }
        Some(topic) => topic.replace('-', "_"),
    };
    let entries = command_help::entries(client, Some(&topic))?;
    match entries.as_slice() {
        [] => return Err(CliError::Missing(nothing_about(&topic, &command_help::entries(client, None)?))),
        entries if entries.iter().all(|entry| text(entry, "name") == topic) => {
            let forms: Vec<_> = entries.iter().enumerate().map(|(place, entry)| (entry, place == 0)).collect();
            describe(client, &forms, format);
        }
        entries => list(entries, format),
    }
    Ok(())
}

/// Describes the form of a command that would answer a call. `entries`: what is known of it.
pub(crate) fn one(
    client: &Client,
    entries: &[Value],
    command: &str,
    version: Option<u32>,
    format: Format,
) -> Result<(), CliError> {
    match (command_help::form(entries, command, version), version) {
        (Some(form), Some(_)) => {
            let is_latest = command_help::form(entries, command, None) == Some(form);
            describe(client, &[(form, is_latest)], format);
            Ok(())
        }
        (None, Some(version)) if command_help::form(entries, command, None).is_some() => {
            Err(CliError::Missing(format!("`{command}` has no version {version}")))
        }
        _ => run(client, &Help { topic: Some(command.to_owned()) }, format),
    }
}

/// What to say of a topic that nothing matches: what may have been meant.
fn nothing_about(topic: &str, entries: &[Value]) -> String {
    let plain = topic.trim_matches(['*', '?']);
    let names = entries.iter().map(|entry| text(entry, "name"));
    let known: BTreeSet<&str> = names.chain(entries.iter().flat_map(|entry| words(entry, "tags"))).collect();
    // `plugins` may be meant for `muster plugin`.
    let (own, one) = (super::program(), plain.trim_end_matches('s').to_owned());
    let mut subcommands = own.get_subcommands().map(clap::Command::get_name);
    let begun = known.iter().find(|name| !plain.is_empty() && name.starts_with(plain));
    let advice = if let Some(close) = begun.copied().or_else(|| closest(plain, known.iter().copied())) {
        format!("did you mean `{close}`?")
    } else if let Some(close) = subcommands.find(|name| *name == plain || *name == one) {
        format!("did you mean `muster {close} --help`?")
    } else {
        "`muster help` lists all commands you may call, `muster help tags` the tags".to_owned()
    };
    format!("no command or tag that you may use matches `{topic}`; {advice}")
}

fn text<'a>(entry: &'a Value, key: &str) -> &'a str {
    entry.get(key).and_then(Value::as_str).unwrap_or_default()
}

fn words<'a>(entry: &'a Value, key: &str) -> Vec<&'a str> {
    entry.get(key).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect()
}

fn list(entries: &[Value], format: Format) {
    if format != Format::Table {
        output::value(&json!(entries), format);
        return;
    }
    let mut table = output::plain();
    for versions in entries.chunk_by(|one, other| text(one, "name") == text(other, "name")) {
        if let Some(latest) = versions.first() {
            table.add_row([text(latest, "name"), text(latest, "summary"), &words(latest, "tags").join(", ")]);
        }
    }
    output::line(&output::rendered(&table), &Value::Null, format);
}

fn tags(entries: &[Value], format: Format) {
    let mut tags: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for entry in entries {
        for tag in words(entry, "tags") {
            tags.entry(tag).or_default().insert(text(entry, "name"));
        }
    }
    let value = match format {
        Format::Json | Format::Yaml | Format::Plain => json!(tags),
        Format::Table => {
            tags.into_iter().map(|(tag, names)| (tag.to_owned(), json!(Vec::from_iter(names).join(", ")))).collect()
        }
    };
    output::value(&value, format);
}

/// Prints forms of a command, each with whether it is the latest.
fn describe(client: &Client, forms: &[(&Value, bool)], format: Format) {
    if format != Format::Table {
        output::value(&forms.iter().map(|(entry, _)| (*entry).clone()).collect::<Value>(), format);
        return;
    }
    let texts: Vec<String> = forms.iter().map(|(entry, is_latest)| description(client, entry, *is_latest)).collect();
    output::line(texts.join("\n\n").trim_end(), &Value::Null, format);
}

fn description(client: &Client, entry: &Value, latest: bool) -> String {
    let mut page = String::new();
    let name = text(entry, "name");
    let version = entry.get("version").and_then(Value::as_u64).unwrap_or_default();
    let suffix = if version == 0 && latest { String::new() } else { format!("/v{version}") };
    let option = if latest { String::new() } else { format!("--api-version {version} ") };
    let _ = writeln!(page, "{name}{suffix}: {}", text(entry, "summary"));
    if !text(entry, "description").is_empty() {
        let _ = writeln!(page, "\n{}", text(entry, "description"));
    }
    if let Some(instead) = entry.get("deprecated").and_then(Value::as_str) {
        let _ = writeln!(page, "\nDeprecated: {instead}");
    }
    let schema = |key: &str| entry.get(key).unwrap_or(&Value::Null);
    section(&mut page, "Arguments", schema::members(schema("input"), schema("input"), true));
    let result = schema("output");
    let or_null = if schema::may_be_null(result, result) { " or null" } else { "" };
    let _ = writeln!(page, "\nResult: {}{or_null}", schema::kind(result, result));
    section(&mut page, "", schema::members(result, schema::rows_of(result, result), false));
    for (label, key) in [("Tags", "tags"), ("Effects", "effects")] {
        let words = words(entry, key);
        if !words.is_empty() {
            let _ = writeln!(page, "{label}: {}", words.join(", "));
        }
    }
    let _ = writeln!(page, "From: {}", text(entry, "origin"));
    for example in entry.get("examples").and_then(Value::as_array).into_iter().flatten() {
        let (input, output) =
            (example.get("input").unwrap_or(&Value::Null), example.get("output").unwrap_or(&Value::Null));
        let quoted = input.to_string().replace('\'', "'\\''");
        let _ = writeln!(page, "\n{}", text(example, "title"));
        let _ = writeln!(page, "  muster call {option}{name} '{quoted}'");
        let _ = writeln!(page, "  curl -u USER@HOST -d '{quoted}' {}/api/{name}{suffix}", client.name());
        let _ = writeln!(page, "  {output}");
    }
    page
}

/// Adds a table of members, if there are any.
fn section(page: &mut String, title: &str, members: Vec<[String; 4]>) {
    if members.is_empty() {
        return;
    }
    let mut table = output::plain();
    table.add_rows(members);
    let title = if title.is_empty() { String::new() } else { format!("\n{title}\n") };
    let _ = writeln!(page, "{title}{}", output::rendered(&table));
}
