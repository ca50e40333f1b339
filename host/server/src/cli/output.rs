//! What a person or a script reads: results on standard output, errors on standard error.
#![expect(clippy::wildcard_enum_match_arm, reason = "the enums matched here are of a foreign crate and grow")]
#![expect(clippy::print_stderr, reason = "printing is what this file is for")]

use std::io::{IsTerminal, Write};
use std::process::{Command, Stdio};
use std::time::Duration;

use clap::ValueEnum;
use comfy_table::{ContentArrangement, Table};
use console::Term;
use indicatif::{ProgressBar, ProgressStyle};
use saphyr::{LoadableYamlNode, Yaml, YamlEmitter};
use serde_json::{Value, json};

use super::CliError;
use super::client::ClientError;

/// In which form to print.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(super) enum Format {
    // Tables and sentences, for a person.
    Table,
    // One line, for a script.
    Json,
    Yaml,
    // Bare values: a line for each, tabs between columns, no headings.
    Plain,
}

/// Prints a result.
pub(super) fn value(value: &Value, format: Format) {
    match format {
        Format::Json => print(&value.to_string()),
        Format::Yaml => print(&yaml(value)),
        Format::Plain => printed(&bare(value)),
        Format::Table => printed(&text(value)),
    }
}

/// Prints a text, unless there is none.
fn printed(text: &str) {
    if !text.is_empty() {
        print(text.trim_end_matches('\n'));
    }
}

/// A value as YAML, of which JSON is a part.
fn yaml(value: &Value) -> String {
    let (json, mut text) = (value.to_string(), String::new());
    let written = Yaml::load_from_str(&json).ok().and_then(|documents| {
        let document = documents.first()?;
        YamlEmitter::new(&mut text).dump(document).ok()
    });
    match written {
        Some(()) => text.trim_start_matches("---\n").to_owned(),
        None => json,
    }
}

/// A value without anything around it: lines, with tabs where a line has several parts.
fn bare(value: &Value) -> String {
    let row = |row: &Value| match row {
        Value::Object(members) => members.values().map(cell).collect::<Vec<_>>().join("\t"),
        other => cell(other),
    };
    match value {
        Value::Array(items) => items.iter().map(|item| row(item) + "\n").collect(),
        Value::Object(members) => members.iter().map(|(key, value)| [key, "\t", &cell(value), "\n"].concat()).collect(),
        other => cell(other),
    }
}

/// Prints a line for a person; a script gets `value`.
pub(super) fn line(line: &str, json: &Value, format: Format) {
    match format {
        Format::Json | Format::Yaml => value(json, format),
        Format::Plain | Format::Table => print(line),
    }
}

/// Writes a text to standard output: through a pager where a person would see only its end. A reader that has seen enough
/// (`| head`) is no mistake.
fn print(text: &str) {
    if !paged(text) {
        let _ = writeln!(std::io::stdout(), "{text}");
    }
}

/// Shows a text with `$PAGER`, or `less` that leaves it on the screen. Tells whether it was shown.
#[expect(clippy::disallowed_methods, reason = "the pager is chosen by everybody's convention")]
fn paged(text: &str) -> bool {
    let stdout = std::io::stdout();
    let height = Term::stdout().size_checked().map(|(rows, _)| usize::from(rows));
    if !stdout.is_terminal() || height.is_none_or(|height| text.lines().count() < height) {
        return false;
    }
    let pager = std::env::var("PAGER").unwrap_or_else(|_| "less -FRX".to_owned());
    let mut words = pager.split_whitespace();
    let Some(program) = words.next() else { return false };
    let Ok(mut pager) = Command::new(program).args(words).stdin(Stdio::piped()).spawn() else { return false };
    if let Some(mut input) = pager.stdin.take() {
        let _ = writeln!(input, "{text}");
    }
    let _ = pager.wait();
    true
}

/// Prints an error.
pub(super) fn error(error: &CliError, format: Format) {
    match (format, error) {
        (Format::Json, CliError::Client(ClientError::Refused(problem))) => eprintln!("{}", problem.0),
        (Format::Json, other) => eprintln!("{}", json!({ "title": "Error", "detail": other.to_string() })),
        (Format::Table | Format::Yaml | Format::Plain, other) => eprintln!("error: {other}"),
    }
}

/// Prints a line beside results, for whoever looks after a program that goes on.
pub(super) fn note(text: &str) {
    eprintln!("{text}");
}

/// Shows on a terminal that something takes its time, until it is dropped.
pub(super) fn spinner(text: &str) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new_spinner().with_message(text.to_owned());
    bar.enable_steady_tick(Duration::from_millis(100));
    bar
}

/// Shows how far a command says it is.
pub(super) fn heard(bar: &ProgressBar, report: &Value) {
    let number = |key: &str| report.get(key).and_then(Value::as_u64);
    let message = report.get("message").and_then(Value::as_str).unwrap_or_default();
    // What a plugin says must not move the cursor.
    let message: String = message.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    if let (Some(total), true) = (number("total"), bar.length().is_none())
        && let Ok(style) = ProgressStyle::with_template("{bar:30} {pos}/{len} {wide_msg} {eta}")
    {
        bar.set_style(style);
        bar.set_length(total);
    }
    bar.set_position(number("done").unwrap_or_default());
    bar.set_message(message);
}

fn text(value: &Value) -> String {
    match value {
        Value::Array(items) if items.iter().all(Value::is_object) && !items.is_empty() => table(items),
        Value::Array(items) => items.iter().map(|item| cell(item) + "\n").collect(),
        Value::Object(members) => {
            let mut table = plain();
            for (key, value) in members {
                let lines = match value {
                    Value::Array(items) => items.iter().map(cell).collect::<Vec<_>>().join("\n"),
                    other => cell(other),
                };
                table.add_row([key.clone(), lines]);
            }
            rendered(&table)
        }
        other => cell(other),
    }
}

/// Rows with the columns of the first one; members only later rows have get columns behind.
fn table(rows: &[Value]) -> String {
    let mut columns: Vec<&String> = Vec::new();
    for row in rows.iter().filter_map(Value::as_object) {
        columns.extend(row.keys().filter(|key| !columns.contains(key)).collect::<Vec<_>>());
    }
    let mut table = plain();
    table.set_header(columns.iter().map(|column| column.to_uppercase()));
    for row in rows {
        table.add_row(columns.iter().map(|column| row.get(column.as_str()).map(cell).unwrap_or_default()));
    }
    rendered(&table)
}

/// A table without lines, as wide as the terminal.
pub(super) fn plain() -> Table {
    let mut table = Table::new();
    table.load_style(comfy_table::presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
    table
}

/// The table as text, without the blanks that fill its last column.
pub(super) fn rendered(table: &Table) -> String {
    table.to_string().lines().map(str::trim_end).collect::<Vec<_>>().join("\n")
}

/// A value in one cell: texts as they are, lists of plain values with commas.
fn cell(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Array(items) if items.iter().all(|item| !item.is_object() && !item.is_array()) => {
            items.iter().map(cell).collect::<Vec<_>>().join(", ")
        }
        other => other.to_string(),
    }
}
