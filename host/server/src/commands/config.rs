//! `muster config …`: reads a configuration file as `serve` would, and has the running host read it again.

use std::path::{Path, PathBuf};

use clap::Subcommand;
use muster_core::permission::matrix::sample_callers;
use muster_core::permission::{Names, Permissions, Surroundings};
use serde_json::{Value, json};

use crate::config::{Config, INTERFACES};
use crate::serve::CONFIG;
use muster_cli::CliError;
use muster_cli::Client;
use muster_cli::output::{self, Format};

#[derive(Debug, Subcommand)]
pub(super) enum Action {
    /// Report all mistakes of a configuration file
    Check {
        /// The file [default: muster.yaml in the data directory]
        file: Option<PathBuf>,
    },
    /// Make the running host reload its configuration
    Reload {
        /// Only show what would change, and for which callers
        #[arg(long)]
        dry_run: bool,
        /// Apply rules even if no caller could reload the configuration afterwards
        #[arg(long)]
        force: bool,
    },
}

pub(super) fn run(
    client: impl FnOnce() -> Result<Client, CliError>,
    data: &Path,
    action: &Action,
    format: Format,
) -> Result<(), CliError> {
    match action {
        Action::Check { file } => check(&file.clone().unwrap_or_else(|| data.join(CONFIG)), format),
        Action::Reload { dry_run: true, .. } => changes(&client()?, format),
        Action::Reload { force, .. } => {
            let arguments = if *force { json!({ "force": true }) } else { json!({}) };
            let client = client()?;
            let result = client.call("reload_config", None, &arguments)?;
            // Who may not ask what else has changed has it in the host's log.
            let found = client.call("permissions_changes", None, &json!({ "rights": false })).unwrap_or_default();
            let waiting = words(&found, "needs_restart");
            let waiting =
                if waiting.is_empty() { String::new() } else { format!("; a restart is needed for {waiting}") };
            output::line(&format!("configuration reloaded{waiting}"), &result, format);
            Ok(())
        }
    }
}

fn check(file: &Path, format: Format) -> Result<(), CliError> {
    let config = Config::check(file).map_err(|mistakes| CliError::Failed(mistakes.join("\n")))?;
    let mistakes = config.unusable_files();
    if !mistakes.is_empty() {
        return Err(CliError::Failed(mistakes.join("\n")));
    }
    let callers = sample_callers(&[&config.permissions], &[], &INTERFACES);
    let tags: Vec<String> = config.listen.iter().filter_map(|listener| listener.tag.clone()).collect();
    let surroundings = Surroundings { commands: &[], callers: &callers, tags: Some(&tags) };
    // Rules that stand in no file are no mistake in this one.
    let unwritten = Permissions::with_default_groups(Names::default()).groups() == config.permissions.groups();
    let warnings = if unwritten { Vec::new() } else { config.permissions.warnings(surroundings) };
    let warnings: Vec<String> = warnings
        .into_iter()
        .map(|finding| format!("{}: {}: {}", file.display(), finding.place, finding.text))
        .collect();
    if !warnings.is_empty() {
        return Err(CliError::Failed(warnings.join("\n")));
    }
    let groups: Vec<_> = config.permissions.groups().iter().map(|group| &*group.name).collect();
    let warnings = config.warnings();
    let mut line = format!("{}: no mistakes found; rule groups: {}", file.display(), groups.join(", "));
    for warning in &warnings {
        line.push_str("\nwarning: ");
        line.push_str(warning);
    }
    let found = json!({ "file": file.display().to_string(), "groups": groups, "warnings": warnings });
    output::line(&line, &found, format);
    Ok(())
}

/// What the file would change for whom: a line for each caller.
fn changes(client: &Client, format: Format) -> Result<(), CliError> {
    let found = client.call("permissions_changes", None, &json!({}))?;
    if format != Format::Table {
        output::value(&found, format);
        return Ok(());
    }
    let changes = list(&found, "changes");
    if changes.is_empty() {
        output::line("no permissions change", &Value::Null, format);
    }
    for change in &changes {
        let caller = change.get("caller").and_then(Value::as_str).unwrap_or_default();
        let parts = [("gained", "gains"), ("lost", "loses"), ("changed", "allowed with other arguments than before")];
        let parts = parts.iter().map(|(key, verb)| (words(change, key), verb)).filter(|(words, _)| !words.is_empty());
        let text = parts.map(|(words, verb)| format!("{verb} {words}")).collect::<Vec<_>>().join("; ");
        output::line(&format!("{caller}: {text}"), &Value::Null, format);
    }
    let out = words(&found, "locked_out");
    if !out.is_empty() {
        let text = format!("{out} could no longer call reload_config; the host applies this only with --force");
        output::line(&text, &Value::Null, format);
    }
    let waiting = words(&found, "needs_restart");
    if !waiting.is_empty() {
        output::line(&format!("a restart is needed for {waiting}"), &Value::Null, format);
    }
    Ok(())
}

fn list(value: &Value, key: &str) -> Vec<Value> {
    value.get(key).and_then(Value::as_array).cloned().unwrap_or_default()
}

fn words(value: &Value, key: &str) -> String {
    list(value, key).iter().filter_map(Value::as_str).collect::<Vec<_>>().join(", ")
}
