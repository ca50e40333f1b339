//! `muster help [COMMAND|TAG|PATTERN]`: what may be called, from the running host, so that it never lags behind.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use clap::Args;
use clap_complete::engine::ArgValueCompleter;
use serde_json::{Value, json};

use super::CliError;
use super::client::Client;
use super::complete;
use super::output::{self, Format};

#[derive(Args, Debug)]
pub(super) struct Help {
    /// A command, a tag, a pattern such as '*roster*', `commands` or `tags`
    #[arg(add = ArgValueCompleter::new(complete::words))]
    topic: Option<String>,
}

pub(super) fn run(client: &Client, help: &Help, format: Format) -> Result<(), CliError> {
    match help.topic.as_deref() {
        None | Some("commands") => list(&client.help(None)?, format),
        Some("tags") => tags(&client.help(None)?, format),
        Some(topic) => {
            let topic = topic.replace('-', "_");
            let entries = client.help(Some(&topic))?;
            match entries.as_slice() {
                [] => Err(CliError::Missing(format!("no command or tag you may use matches `{topic}`"))),
                entries if entries.iter().all(|entry| text(entry, "name") == topic) => {
                    describe(client, entries, format);
                    return Ok(());
                }
                entries => {
                    list(entries, format);
                    return Ok(());
                }
            }?;
        }
    }
    Ok(())
}

/// Describes one command.
pub(super) fn one(client: &Client, command: &str, format: Format) -> Result<(), CliError> {
    run(client, &Help { topic: Some(command.to_owned()) }, format)
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

fn describe(client: &Client, entries: &[Value], format: Format) {
    if format != Format::Table {
        output::value(&json!(entries), format);
        return;
    }
    let texts: Vec<String> =
        entries.iter().enumerate().map(|(place, entry)| description(client, entry, place == 0)).collect();
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
    let input = entry.get("input").unwrap_or(&Value::Null);
    let arguments = arguments(input);
    if !arguments.is_empty() {
        let mut table = output::plain();
        table.add_rows(arguments);
        let _ = writeln!(page, "\nArguments\n{}", output::rendered(&table));
    }
    let output_schema = entry.get("output").unwrap_or(&Value::Null);
    let _ = writeln!(page, "\nResult: {}", kind(output_schema, output_schema));
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

/// A row for each argument: name, type, whether it is needed, what it is.
fn arguments(input: &Value) -> Vec<[String; 4]> {
    let required = words(input, "required");
    let properties = input.get("properties").and_then(Value::as_object).into_iter().flatten();
    properties
        .map(|(name, schema)| {
            let needed = if required.contains(&name.as_str()) { "required" } else { "optional" };
            [format!("  {name}"), kind(input, schema), needed.to_owned(), text(schema, "description").to_owned()]
        })
        .collect()
}

/// A schema in a few words.
fn kind(root: &Value, schema: &Value) -> String {
    if let Some(target) = schema
        .get("$ref")
        .and_then(Value::as_str)
        .and_then(|reference| reference.strip_prefix('#'))
        .and_then(|pointer| root.pointer(pointer))
    {
        return kind(&Value::Null, target);
    }
    if let Some(values) = schema.get("enum").and_then(Value::as_array) {
        return values.iter().map(ToString::to_string).collect::<Vec<_>>().join(" | ");
    }
    match schema.get("type") {
        Some(Value::String(one)) if one == "array" => {
            format!("list of {}", kind(root, schema.get("items").unwrap_or(&Value::Null)))
        }
        Some(Value::String(one)) => one.clone(),
        Some(Value::Array(several)) => {
            several.iter().filter_map(Value::as_str).filter(|one| *one != "null").collect::<Vec<_>>().join(" or ")
        }
        _ => "any".to_owned(),
    }
}
