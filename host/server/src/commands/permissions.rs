//! `muster permissions …`: who may call what, and why. The host is asked; only `check FILE` also works without one.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use muster_core::permission::Surroundings;
use muster_core::permission::matrix::sample_callers;
use serde_json::{Map, Value, json};

use super::call;
use crate::config::{Config, INTERFACES};
use muster_cli::CliError;
use muster_cli::output::{self, Format};
use muster_cli::{Client, ClientError};

#[derive(Debug, Subcommand)]
pub(super) enum Action {
    /// Explain why a call is allowed or denied, and what would allow it
    Explain(Explain),
    /// Report problems of the rules: groups that never match, undefined names, commands open to every caller
    Check {
        /// A configuration file, instead of the active rules
        file: Option<PathBuf>,
    },
    /// List which callers may call which commands
    Matrix {
        /// A configuration file, instead of the active rules
        file: Option<PathBuf>,
    },
}

#[derive(Args, Debug)]
pub(super) struct Explain {
    /// Caller: user@host, anonymous, console, or client:ID
    #[arg(long = "as", value_name = "WHO")]
    who: Option<String>,
    /// Interface: rest, cli, console, …
    #[arg(long)]
    via: Option<String>,
    /// Address of the caller
    #[arg(long = "from", value_name = "ADDRESS")]
    address: Option<String>,
    /// Tag of the listener
    #[arg(long)]
    tag: Option<String>,
    /// Scope of the token; repeat it for several
    #[arg(long = "scope", value_name = "SCOPE")]
    scopes: Vec<String>,
    /// Version of the command
    #[arg(long, value_name = "N")]
    api_version: Option<u32>,
    /// Explain the recorded call with this request id
    #[arg(long, value_name = "ID", conflicts_with_all = ["who", "via", "address", "tag", "scopes", "api_version", "words"])]
    request: Option<String>,
    /// The command and its arguments as in `muster call`; without arguments, the explanation covers all calls of the
    /// command
    #[arg(trailing_var_arg = true, required_unless_present = "request", value_name = "COMMAND [ARGUMENTS]")]
    words: Vec<String>,
}

pub(super) fn run(client: &Client, action: Action, format: Format) -> Result<(), CliError> {
    match action {
        Action::Explain(explain) => self::explain(client, explain, format),
        Action::Check { file } => check(client, file.as_deref(), format),
        Action::Matrix { file } => matrix(client, file.as_deref(), format),
    }
}

fn explain(client: &Client, explain: Explain, format: Format) -> Result<(), CliError> {
    let mut words = explain.words.into_iter();
    let command = words.next().unwrap_or_default().replace('-', "_");
    let words: Vec<String> = words.collect();
    if let Some(id) = explain.request {
        let explanation = client.call("permissions_explain", None, &json!({ "request_id": id }))?;
        print(&explanation, format);
        return Ok(());
    }
    let mut question = Map::new();
    let mut ask = |key: &str, value: Option<Value>| {
        question.extend(value.map(|value| (key.to_owned(), value)));
    };
    if !words.is_empty() {
        ask("arguments", Some(Value::Object(call::arguments_of(client, &command, explain.api_version, words)?)));
    }
    ask("command", Some(json!(command)));
    ask("version", explain.api_version.map(Value::from));
    ask("as", explain.who.map(Value::from));
    ask("via", explain.via.map(Value::from));
    ask("address", explain.address.map(Value::from));
    ask("tag", explain.tag.map(Value::from));
    ask("scopes", (!explain.scopes.is_empty()).then(|| json!(explain.scopes)));
    print(&client.call("permissions_explain", None, &Value::Object(question))?, format);
    Ok(())
}

fn print(explanation: &Value, format: Format) {
    if format == Format::Table {
        output::line(&in_words(explanation), &Value::Null, format);
    } else {
        output::value(explanation, format);
    }
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}

fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value.get(key).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

/// The explanation for a person: the verdict, each group with its parts, and what to change.
fn in_words(explanation: &Value) -> String {
    let caller = explanation.get("caller").unwrap_or(&Value::Null);
    let mut lines = Vec::new();
    let verdict = match (text(explanation, "answer"), text(explanation, "group")) {
        ("yes", group) => format!("allowed by the group `{group}`"),
        ("depends", _) => "allowed with some arguments".to_owned(),
        _ => "denied".to_owned(),
    };
    let mut who = format!("{} through {}", text(caller, "who"), text(caller, "via"));
    for (key, word) in [("address", "from"), ("tag", "at the listener")] {
        if !text(caller, key).is_empty() {
            who = format!("{who} {word} {}", text(caller, key));
        }
    }
    lines.push(format!("{verdict}: `{}` for {who}", text(explanation, "command")));
    if let Some(recorded) = explanation.get("recorded") {
        lines.push(format!("recorded: {} at {}", text(recorded, "outcome"), text(recorded, "time")));
    }
    if !text(explanation, "note").is_empty() {
        lines.push(format!("note: {}", text(explanation, "note")));
    }
    if let Some(credential) = explanation.get("credential") {
        lines.push(format!("credential: {}", text(credential, "text")));
    }
    for group in list(explanation, "groups") {
        lines.push(format!("{} group {}", mark(group), text(group, "group")));
        for part in ["from", "who", "what"] {
            if let Some(reason) = group.get(part) {
                reason_in_words(reason, &format!("{part}: "), 1, &mut lines);
            }
        }
    }
    let changes = list(explanation, "changes");
    if !changes.is_empty() {
        lines.push("to allow it, one of these:".to_owned());
        lines.extend(changes.iter().filter_map(Value::as_str).map(|change| format!("  - {change}")));
    }
    lines.join("\n")
}

fn reason_in_words(reason: &Value, prefix: &str, depth: usize, lines: &mut Vec<String>) {
    lines.push(format!("{}{} {prefix}{}", "  ".repeat(depth), mark(reason), text(reason, "text")));
    for part in list(reason, "parts") {
        reason_in_words(part, "", depth + 1, lines);
    }
}

fn mark(of: &Value) -> &'static str {
    match text(of, "answer") {
        "yes" => "[yes]",
        "depends" => "[ ? ]",
        _ => "[no ]",
    }
}

fn read(file: &Path) -> Result<String, CliError> {
    crate::config::text_of(file)
        .map_err(|error| CliError::Missing(format!("{} cannot be read: {error}", file.display())))
}

/// The arguments that make a command look at a file instead of the active rules.
fn of_file(file: Option<&Path>) -> Result<Value, CliError> {
    Ok(match file {
        Some(file) => json!({ "config": read(file)? }),
        None => json!({}),
    })
}

fn check(client: &Client, file: Option<&Path>, format: Format) -> Result<(), CliError> {
    let findings = match (client.call("permissions_check", None, &of_file(file)?), file) {
        (Ok(findings), _) => findings,
        // The grammar and the logic of the rules can be checked without a host, its commands and accounts cannot.
        (Err(ClientError::Unreachable(_)), Some(file)) => offline(file)?,
        (Err(error), _) => return Err(error.into()),
    };
    let found = findings.as_array().map(Vec::as_slice).unwrap_or_default();
    if format != Format::Table {
        output::value(&findings, format);
    } else if found.is_empty() {
        output::line("no problems found", &Value::Null, format);
    } else {
        for finding in found {
            let place = text(finding, "place");
            let place = if place.is_empty() { String::new() } else { format!("{place}: ") };
            let line = format!("{}: {place}{}", text(finding, "severity"), text(finding, "text"));
            output::line(&line, &Value::Null, format);
        }
    }
    match found.iter().filter(|finding| text(finding, "severity") == "warning").count() {
        0 => Ok(()),
        1 => Err(CliError::Failed("1 warning".to_owned())),
        count => Err(CliError::Failed(format!("{count} warnings"))),
    }
}

fn offline(file: &Path) -> Result<Value, CliError> {
    let config = Config::read(file).map_err(CliError::Failed)?;
    let callers = sample_callers(&[&config.permissions], &[], &INTERFACES);
    let findings = config.permissions.lint(Surroundings { commands: &[], callers: &callers, tags: None });
    let mut findings: Vec<Value> = findings
        .into_iter()
        .map(|finding| json!({ "severity": finding.severity.as_str(), "place": finding.place, "text": finding.text }))
        .collect();
    let text = "no host is running, so names of commands were not checked";
    findings.push(json!({ "severity": "notice", "place": "", "text": text }));
    Ok(Value::Array(findings))
}

/// A table of commands × callers.
fn matrix(client: &Client, file: Option<&Path>, format: Format) -> Result<(), CliError> {
    let rows = client.call("permissions_matrix", None, &of_file(file)?)?;
    if format != Format::Table {
        output::value(&rows, format);
        return Ok(());
    }
    let rows = rows.as_array().map(Vec::as_slice).unwrap_or_default();
    let commands_of = |row: &Value| row.get("commands").and_then(Value::as_object).cloned().unwrap_or_default();
    let mut commands: Vec<String> =
        rows.iter().flat_map(|row| commands_of(row).into_iter().map(|(name, _)| name)).collect();
    commands.sort_unstable();
    commands.dedup();
    let mut table = output::plain();
    let callers = rows.iter().map(|row| text(row, "caller"));
    table.set_header(std::iter::once("").chain(callers));
    for command in commands {
        let cells = rows.iter().map(|row| {
            commands_of(row)
                .get(&command)
                .map_or_else(|| "-".to_owned(), |cell| cell.as_str().unwrap_or_default().to_owned())
        });
        table.add_row(std::iter::once(command.clone()).chain(cells));
    }
    output::line(&output::rendered(&table), &Value::Null, format);
    Ok(())
}
