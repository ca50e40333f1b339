//! What a person or a script reads: results on standard output, errors on standard error.
#![expect(clippy::wildcard_enum_match_arm, reason = "the enums matched here are of a foreign crate and grow")]
#![expect(clippy::print_stderr, reason = "printing is what this file is for")]

use std::io::{IsTerminal, Write};
use std::os::fd::AsFd;
use std::process::{Command, Stdio};
use std::time::Duration;

use clap::ValueEnum;
use comfy_table::{ContentArrangement, Table};
use console::Term;
use indicatif::{ProgressBar, ProgressStyle};
use muster_core::printable;
use saphyr::{LoadableYamlNode, Yaml, YamlEmitter};
use serde_json::{Value, json};
use tokio::io::Interest;
use tokio::net::unix::pipe::Sender;

use super::CliError;
use super::client::ClientError;

/// In which form to print.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub enum Format {
    // Tables and sentences, for a person.
    Table,
    // One line, for a script.
    Json,
    Yaml,
    // Bare values: a line for each, tabs between columns, no headings.
    Plain,
}

/// Prints a result.
pub fn value(value: &Value, format: Format) {
    match format {
        Format::Json => print(&value.to_string()),
        Format::Yaml => print(&yaml(value)),
        Format::Plain => printed(&bare(value)),
        Format::Table => printed(&printable::lines(&text(value))),
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

/// A value without anything around it: lines, with tabs where a line has several parts. A text that is all there is stays
/// as it is.
fn bare(value: &Value) -> String {
    let part = |value: &Value| printable::one_line(&cell(value));
    let row = |row: &Value| match row {
        Value::Object(members) => members.values().map(part).collect::<Vec<_>>().join("\t"),
        other => part(other),
    };
    match value {
        Value::Array(items) => items.iter().map(|item| row(item) + "\n").collect(),
        Value::Object(members) => {
            members.iter().map(|(key, value)| [&printable::one_line(key), "\t", &part(value), "\n"].concat()).collect()
        }
        other => cell(other),
    }
}

/// Prints a line for a person; a script gets `value`.
pub fn line(line: &str, json: &Value, format: Format) {
    match format {
        Format::Json | Format::Yaml => value(json, format),
        Format::Plain | Format::Table => print(&printable::lines(line)),
    }
}

/// Writes a text to standard output: through a pager where a person would see only its end. A reader that has seen enough
/// (`| head`) is no mistake, and ends this program; where nothing can be written, nothing was done.
fn print(text: &str) {
    if paged(text) {
        return;
    }
    let mut output = std::io::stdout().lock();
    match writeln!(output, "{text}").and_then(|()| output.flush()) {
        Ok(()) => {}
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => std::process::exit(0),
        Err(error) => {
            eprintln!("error: the result cannot be written: {error}");
            std::process::exit(1);
        }
    }
}

/// Whether standard output still has a reader, as far as that can be detected without writing.
pub(crate) fn is_read() -> bool {
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else { return true };
    runtime.block_on(async {
        let pipe = std::io::stdout().as_fd().try_clone_to_owned();
        // What is no pipe has no reader that could go.
        let Ok(pipe) = pipe.and_then(Sender::from_owned_fd_unchecked) else { return true };
        let ready = tokio::time::timeout(Duration::from_millis(20), pipe.ready(Interest::WRITABLE)).await;
        !matches!(ready, Ok(Ok(ready)) if ready.is_write_closed())
    })
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
pub fn error(error: &CliError, format: Format) {
    match (format, error) {
        (Format::Json, CliError::Client(ClientError::Refused(problem))) => eprintln!("{}", problem.value),
        (Format::Json, other) => eprintln!("{}", json!({ "title": "Error", "detail": other.to_string() })),
        (Format::Table | Format::Yaml | Format::Plain, other) => {
            eprintln!("error: {}", printable::lines(&other.to_string()));
        }
    }
}

/// Prints a status line of a long-running program to standard error, beside its results.
pub(crate) fn note(text: &str) {
    eprintln!("{}", printable::lines(text));
}

/// Shows on a terminal that something takes its time, until it is dropped.
pub fn spinner(text: &str) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new_spinner().with_message(text.to_owned());
    bar.enable_steady_tick(Duration::from_millis(100));
    bar
}

/// Shows how far a command says it is.
pub(crate) fn heard(bar: &ProgressBar, report: &Value) {
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

/// Terminals that say they are narrower do not know their width.
const WIDTH_MIN: u16 = 20;

/// A table without lines, as wide as the terminal.
pub fn plain() -> Table {
    let mut table = Table::new();
    let arrangement = arrangement(table.width());
    table.load_style(comfy_table::presets::NOTHING).set_content_arrangement(arrangement);
    table
}

/// How cells share a terminal of this width, if there is one.
fn arrangement(width: Option<u16>) -> ContentArrangement {
    match width {
        Some(..WIDTH_MIN) => ContentArrangement::Disabled,
        Some(WIDTH_MIN..) | None => ContentArrangement::Dynamic,
    }
}

/// The table as text, without the blanks that fill its last column.
pub fn rendered(table: &Table) -> String {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_without_a_width_breaks_no_words() {
        for (width, is_shared) in [(None, true), (Some(0), false), (Some(19), false), (Some(20), true)] {
            assert_eq!(matches!(arrangement(width), ContentArrangement::Dynamic), is_shared, "{width:?}");
        }
    }

    #[test]
    fn texts_of_others_move_nothing() {
        let rows = json!([{ "a": "x\ty", "b": "1\n2" }, { "a": "\u{1b}[2J", "b": "ü\u{9b}\u{202e}" }]);
        assert_eq!(bare(&rows), "x\\ty\t1\\n2\n\\u{1b}[2J\tü\\u{9b}\\u{202e}\n");
        assert_eq!(bare(&json!({ "a\tb": "c\r" })), "a\\tb\tc\\r\n");
        assert_eq!(bare(&json!("two\nlines\tand a tab")), "two\nlines\tand a tab");
        for (text, expected) in [
            ("two\nlines\tand a tab", "two\nlines\tand a tab"),
            ("\u{1b}]0;title\u{7}", "\\u{1b}]0;title\\u{7}"),
            ("gone\rback", "gone\\rback"),
        ] {
            assert_eq!(printable::lines(text), expected);
        }
    }
}
