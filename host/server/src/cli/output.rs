//! What a person or a script reads: results on standard output, errors on standard error.
#![expect(clippy::wildcard_enum_match_arm, reason = "the enums matched here are of a foreign crate and grow")]
#![expect(clippy::print_stderr, reason = "printing is what this file is for")]

use std::io::{IsTerminal, Write};
use std::time::Duration;

use comfy_table::{ContentArrangement, Table};
use indicatif::ProgressBar;
use serde_json::{Value, json};

use super::CliError;
use super::client::ClientError;

/// In which form to print.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Format {
    /// For a person.
    Text,
    /// For a script.
    Json,
}

/// Prints a result.
pub(super) fn value(value: &Value, format: Format) {
    match format {
        Format::Json => print(&value.to_string()),
        Format::Text => {
            let text = text(value);
            if !text.is_empty() {
                print(text.trim_end());
            }
        }
    }
}

/// Prints a line for a person; a script gets `value`.
pub(super) fn line(line: &str, json: &Value, format: Format) {
    match format {
        Format::Json => print(&json.to_string()),
        Format::Text => print(line),
    }
}

/// Writes a line to standard output. A reader that has seen enough (`| head`) is no mistake.
fn print(line: &str) {
    let _ = writeln!(std::io::stdout(), "{line}");
}

/// Prints an error.
pub(super) fn error(error: &CliError, format: Format) {
    match (format, error) {
        (Format::Json, CliError::Client(ClientError::Refused(problem))) => eprintln!("{}", problem.0),
        (Format::Json, other) => eprintln!("{}", json!({ "title": "Error", "detail": other.to_string() })),
        (Format::Text, other) => eprintln!("error: {other}"),
    }
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
