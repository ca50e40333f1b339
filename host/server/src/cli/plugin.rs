//! `muster plugin …`: plugins of the host. `inspect` needs no host: it looks into a file without running any of it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use clap::{Args, Subcommand};
use muster_core::name::PluginName;
use muster_core::plugins::Isolation;
use serde_json::{Value, json};

use super::CliError;
use super::client::Client;
use super::output::{self, Format};

#[derive(Debug, Subcommand)]
pub(super) enum Plugin {
    /// Make a plugin of a component
    Install(Candidate),
    /// Replace a plugin by another version of it, without a call failing meanwhile
    Upgrade(Candidate),
    /// Tell whether a component could be installed
    Check(Candidate),
    /// Remove a plugin and its commands; its data stays
    Uninstall {
        /// The plugin
        name: String,
    },
    /// End the quarantine of a plugin most of whose calls failed
    Release {
        /// The plugin
        name: String,
    },
    /// List the limits of plugins, and how often they were reached
    Limits,
    /// List the installed plugins
    List,
    /// Look into a component without running it
    Inspect {
        /// The .wasm file
        file: PathBuf,
    },
}

#[derive(Args, Debug)]
pub(super) struct Candidate {
    /// The .wasm file
    file: PathBuf,
    /// Name of the plugin, instead of the one in the component's metadata
    #[arg(long)]
    name: Option<String>,
    /// Allow it something: keyvalue (durable data of its own), command:NAME (call that command for its callers)
    #[arg(long = "grant", value_name = "GRANT")]
    grants: Vec<String>,
    /// Give it a setting
    #[arg(long = "set", value_name = "KEY=VALUE")]
    settings: Vec<String>,
    /// Who shares an instance of it: nobody, calls of the same caller with the same rights, or all calls
    #[arg(long, value_name = "POLICY", value_parser = Isolation::ALL.map(Isolation::as_str))]
    isolation: Option<String>,
}

pub(super) fn run(
    client: impl FnOnce() -> Result<Client, CliError>,
    action: Plugin,
    format: Format,
) -> Result<(), CliError> {
    match action {
        Plugin::Install(candidate) => put(&client()?, "module_install", "installed", &candidate, format),
        Plugin::Upgrade(candidate) => put(&client()?, "module_upgrade", "upgraded", &candidate, format),
        Plugin::Check(candidate) => {
            let (arguments, name) = arguments(&candidate)?;
            client()?.call("module_check", None, &arguments)?;
            output::line(
                &format!("{name} can be installed"),
                &json!({ "module": name.as_str(), "usable": true }),
                format,
            );
            Ok(())
        }
        Plugin::Uninstall { name } => {
            let result = client()?.call("module_uninstall", None, &json!({ "module": name }))?;
            output::line(&format!("{name} removed"), &result, format);
            Ok(())
        }
        Plugin::Release { name } => {
            let result = client()?.call("module_release", None, &json!({ "module": name }))?;
            output::line(&format!("{name} is called again"), &result, format);
            Ok(())
        }
        Plugin::Limits => {
            output::value(&client()?.call("modules_limits", None, &json!({}))?, format);
            Ok(())
        }
        Plugin::List => list(&client()?, format),
        Plugin::Inspect { file } => inspect(&file, format),
    }
}

fn read(file: &Path) -> Result<Vec<u8>, CliError> {
    std::fs::read(file).map_err(|error| CliError::Missing(format!("{} cannot be read: {error}", file.display())))
}

/// The arguments of the `module_…` commands, and the plugin's name.
fn arguments(candidate: &Candidate) -> Result<(Value, PluginName), CliError> {
    let bytes = read(&candidate.file)?;
    let named = candidate.name.as_deref().map(PluginName::parse).transpose();
    let named = named.map_err(|error| CliError::Usage(error.to_string()))?;
    // Looking here already tells most mistakes before anything is sent.
    let inspection = muster_wasm::inspect(&bytes).map_err(|error| refuse(&candidate.file, &error))?;
    let name = inspection.plugin_name(named.as_ref()).map_err(|error| refuse(&candidate.file, &error))?;
    let mut arguments = json!({ "module": name.as_str(), "component": STANDARD.encode(bytes) });
    if let Some(object) = arguments.as_object_mut() {
        if !candidate.grants.is_empty() {
            object.insert("grants".to_owned(), json!(candidate.grants));
        }
        if let Some(isolation) = &candidate.isolation {
            object.insert("isolation".to_owned(), json!(isolation));
        }
        if !candidate.settings.is_empty() {
            let settings = candidate.settings.iter().map(|setting| {
                setting
                    .split_once('=')
                    .ok_or_else(|| CliError::Usage(format!("`{setting}` has not the form KEY=VALUE")))
            });
            object.insert("settings".to_owned(), json!(settings.collect::<Result<BTreeMap<_, _>, _>>()?));
        }
    }
    Ok((arguments, name))
}

fn refuse(file: &Path, error: &muster_wasm::LoadError) -> CliError {
    CliError::Failed(format!("{}: {error}", file.display()))
}

fn put(client: &Client, command: &str, done: &str, candidate: &Candidate, format: Format) -> Result<(), CliError> {
    let (arguments, name) = arguments(candidate)?;
    let spinner = output::spinner(&format!("compiling {name}"));
    client.call(command, None, &arguments)?;
    spinner.finish_and_clear();
    let details = client.call("modules_details", None, &json!({ "module": name.as_str() }))?;
    let details = details.get(0).cloned().unwrap_or_default();
    let commands = details.get("commands").and_then(Value::as_array).into_iter().flatten();
    let commands = commands.filter_map(Value::as_str).collect::<Vec<_>>().join(", ");
    let version = details.get("version").and_then(Value::as_str).unwrap_or_default();
    output::line(&format!("{name} {version} {done}: {commands}"), &details, format);
    Ok(())
}

fn list(client: &Client, format: Format) -> Result<(), CliError> {
    let details = client.call("modules_details", None, &json!({}))?;
    if format == Format::Json {
        output::value(&details, format);
        return Ok(());
    }
    let rows: Vec<Value> = details
        .as_array()
        .into_iter()
        .flatten()
        .map(|plugin| {
            let part = |key: &str| plugin.get(key).cloned().unwrap_or_default();
            json!({
                "name": part("name"), "version": part("version"), "commands": part("commands"),
                "grants": part("grants"), "isolation": part("isolation"), "state": state(plugin),
                "summary": part("summary"),
            })
        })
        .collect();
    match rows.as_slice() {
        [] => output::line("no plugins are installed", &Value::Null, format),
        rows => output::value(&json!(rows), format),
    }
    Ok(())
}

/// How a plugin does, in a few words.
fn state(plugin: &Value) -> String {
    if let Some(seconds) = plugin.get("quarantined_s").and_then(Value::as_u64) {
        return format!("quarantined, {seconds} s left");
    }
    let faults = plugin.get("faults").and_then(Value::as_object).into_iter().flatten();
    match faults.filter_map(|(_, count)| count.as_u64()).sum() {
        0_u64 => "well".to_owned(),
        1 => "1 fault".to_owned(),
        faults => format!("{faults} faults"),
    }
}

fn inspect(file: &Path, format: Format) -> Result<(), CliError> {
    let inspection = muster_wasm::inspect(&read(file)?).map_err(|error| refuse(file, &error))?;
    output::value(
        &json!({
            "name": inspection.name, "version": inspection.version, "description": inspection.description,
            "digest": inspection.digest, "size_bytes": inspection.size_bytes, "producers": inspection.producers,
            "imports": inspection.imports, "exports": inspection.exports, "requests": inspection.requests(),
        }),
        format,
    );
    Ok(())
}
