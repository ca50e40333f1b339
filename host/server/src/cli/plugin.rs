//! `muster plugin …`: plugins of the host. `inspect` needs no host: it looks into a file without running any of it.

mod inspect;
mod pack;
mod rehearse;
mod source;

use std::collections::BTreeMap;
use std::io::{IsTerminal, Write as _};
use std::path::PathBuf;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use clap::{Args, Subcommand};
use clap_complete::engine::ArgValueCompleter;
use muster_core::name::PluginName;
use muster_core::plugins::Isolation;
use muster_wasm::Inspection;
use serde_json::{Value, json};

use super::CliError;
use super::client::Client;
use super::complete;
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
        #[arg(add = ArgValueCompleter::new(complete::plugins))]
        name: String,
    },
    /// End the quarantine of a plugin most of whose calls failed
    Release {
        /// The plugin
        #[arg(add = ArgValueCompleter::new(complete::plugins))]
        name: String,
    },
    /// Tell what a plugin may do, and what of it it did
    Grants {
        /// The plugin
        #[arg(add = ArgValueCompleter::new(complete::plugins))]
        name: String,
    },
    /// List the limits of plugins, and how often they were reached
    Limits,
    /// List the installed plugins
    List,
    /// Look into a component without running it
    Inspect {
        /// The .wasm file, or its address
        #[arg(value_name = "FILE|URL")]
        source: String,
        /// The WIT a component with typed exports was built from: a directory or file, for the texts in it
        #[arg(long, value_name = "DIR")]
        wit: Option<PathBuf>,
    },
    /// Put into a component what it asks for, reads and offers, so that it can be looked at without running it
    Pack(pack::Pack),
    /// Run a plugin's examples without a host, and find out whether anything leaks from call to call
    Test(rehearse::Rehearsal),
}

/// What can be allowed.
const GRANT: &str = "Allow it something: keyvalue (durable data of its own), command:NAME (call that command for its \
                     callers), http:[METHODS ]SCHEME://HOST[:PORT] or http-private:… (make requests there), \
                     directory:GUEST_PATH=HOST_DIRECTORY or directory-rw:… (see that directory)";

#[derive(Args, Debug)]
pub(super) struct Candidate {
    /// The .wasm file, or its address
    #[arg(value_name = "FILE|URL")]
    source: String,
    /// Name of the plugin, instead of the one in the component's metadata
    #[arg(long, add = ArgValueCompleter::new(complete::plugins))]
    name: Option<String>,
    /// Allow it something
    #[arg(long = "grant", value_name = "GRANT", help = GRANT)]
    grants: Vec<String>,
    /// Allow it everything it asks for, too
    #[arg(long)]
    grant_requested: bool,
    /// Give it a setting; @FILE as the value takes the text of a file, as secrets should be given
    #[arg(long = "set", value_name = "KEY=VALUE")]
    settings: Vec<String>,
    /// Who shares an instance of it: nobody, calls of the same caller with the same rights, or all calls
    #[arg(long, value_name = "POLICY", value_parser = Isolation::ALL.map(Isolation::as_str))]
    isolation: Option<String>,
    /// The WIT a component with typed exports was built from: a directory or file, for the texts in it
    #[arg(long, value_name = "DIR")]
    wit: Option<PathBuf>,
}

pub(super) fn run(
    client: impl FnOnce() -> Result<Client, CliError>,
    action: Plugin,
    format: Format,
) -> Result<(), CliError> {
    match action {
        Plugin::Install(candidate) => {
            let mut chosen = candidate.choose()?;
            candidate.ask(&mut chosen, format)?;
            put(&client()?, "module_install", "installed", &candidate, chosen, format)
        }
        Plugin::Upgrade(candidate) => {
            let chosen = candidate.choose()?;
            put(&client()?, "module_upgrade", "upgraded", &candidate, chosen, format)
        }
        Plugin::Check(candidate) => {
            let (arguments, name) = arguments(&candidate, candidate.choose()?)?;
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
        Plugin::Grants { name } => {
            output::value(&client()?.call("module_grants", None, &json!({ "module": name }))?, format);
            Ok(())
        }
        Plugin::Limits => {
            output::value(&client()?.call("modules_limits", None, &json!({}))?, format);
            Ok(())
        }
        Plugin::List => list(&client()?, format),
        Plugin::Inspect { source, wit } => inspect::run(&source, wit.as_deref(), format),
        Plugin::Pack(pack) => pack::run(&pack, format),
        Plugin::Test(rehearsal) => rehearse::run(&rehearsal, format),
    }
}

/// A component that was read, and looked into.
struct Chosen {
    bytes: Vec<u8>,
    inspection: Inspection,
    name: PluginName,
    /// The grants it gets.
    grants: Vec<String>,
}

impl Candidate {
    /// The component with what the operator wants of it.
    fn read(&self) -> Result<muster_core::plugins::Candidate, CliError> {
        let Chosen { bytes, name, grants, .. } = self.choose()?;
        Ok(muster_core::plugins::Candidate {
            component: bytes.into(),
            name: Some(name),
            grants: Some(grants),
            settings: Some(self.settings()?),
            isolation: self.isolation.as_deref().and_then(Isolation::parse),
            docs: self.docs()?,
        })
    }

    /// Reads the component. Looking at it here already tells most mistakes before anything is sent.
    fn choose(&self) -> Result<Chosen, CliError> {
        let bytes = source::read(&self.source)?;
        let named = self.name.as_deref().map(PluginName::parse).transpose();
        let named = named.map_err(|error| CliError::Usage(error.to_string()))?;
        let inspection = inspect::look(&self.source, &bytes)?;
        let name = inspection.plugin_name(named.as_ref());
        let name = name.map_err(|error| CliError::Failed(format!("{}: {error}", self.source)))?;
        let mut grants = self.grants.clone();
        if self.grant_requested {
            grants.extend(inspection.missing(&grants));
        }
        Ok(Chosen { bytes, inspection, name, grants })
    }

    fn docs(&self) -> Result<BTreeMap<String, String>, CliError> {
        let docs = self.wit.as_deref().map(inspect::read_docs).transpose()?.unwrap_or_default();
        Ok(docs.texts().clone())
    }

    fn settings(&self) -> Result<BTreeMap<String, String>, CliError> {
        let settings = self.settings.iter().map(|setting| {
            let (name, value) = setting
                .split_once('=')
                .ok_or_else(|| CliError::Usage(format!("`{setting}` has not the form KEY=VALUE")))?;
            // A secret does not belong on a command line, which others can see.
            let value = match value.strip_prefix('@') {
                None => value.to_owned(),
                Some(file) => std::fs::read_to_string(file)
                    .map(|text| text.trim_end_matches(['\r', '\n']).to_owned())
                    .map_err(|error| CliError::Missing(format!("{file} cannot be read: {error}")))?,
            };
            Ok((name.to_owned(), value))
        });
        settings.collect()
    }

    /// On a terminal: shows what the plugin asks for beyond what it was given, and asks whether it gets it.
    fn ask(&self, chosen: &mut Chosen, format: Format) -> Result<(), CliError> {
        if self.grant_requested || !std::io::stdin().is_terminal() || !std::io::stderr().is_terminal() {
            return Ok(());
        }
        let missing = chosen.inspection.missing(&chosen.grants);
        if missing.is_empty() {
            return Ok(());
        }
        inspect::print(&chosen.inspection, format);
        let mut terminal = std::io::stderr().lock();
        let _ = write!(terminal, "\nIt asks for: {}. Allow it? [y/N] ", output::harmless(&missing.join(", ")));
        let _ = terminal.flush();
        let mut answer = String::new();
        std::io::stdin().read_line(&mut answer).map_err(|error| CliError::Failed(error.to_string()))?;
        if !["y", "yes"].contains(&answer.trim().to_lowercase().as_str()) {
            return Err(CliError::Failed("nothing was installed".to_owned()));
        }
        chosen.grants.extend(missing);
        Ok(())
    }
}

/// The arguments of the `module_…` commands, and the plugin's name.
fn arguments(candidate: &Candidate, chosen: Chosen) -> Result<(Value, PluginName), CliError> {
    let Chosen { bytes, name, grants, .. } = chosen;
    let mut arguments = json!({ "module": name.as_str(), "component": STANDARD.encode(bytes) });
    if let Some(object) = arguments.as_object_mut() {
        if !grants.is_empty() {
            object.insert("grants".to_owned(), json!(grants));
        }
        if candidate.wit.is_some() {
            object.insert("docs".to_owned(), json!(candidate.docs()?));
        }
        if let Some(isolation) = &candidate.isolation {
            object.insert("isolation".to_owned(), json!(isolation));
        }
        if !candidate.settings.is_empty() {
            object.insert("settings".to_owned(), json!(candidate.settings()?));
        }
    }
    Ok((arguments, name))
}

fn put(
    client: &Client,
    command: &str,
    done: &str,
    candidate: &Candidate,
    chosen: Chosen,
    format: Format,
) -> Result<(), CliError> {
    let (arguments, name) = arguments(candidate, chosen)?;
    let spinner = output::spinner(&format!("compiling {name}"));
    client.call(command, None, &arguments)?;
    spinner.finish_and_clear();
    let details = client.call("modules_details", None, &json!({ "module": name.as_str() }))?;
    let details = details.get(0).cloned().unwrap_or_default();
    let commands = details.get("commands").and_then(Value::as_array).into_iter().flatten();
    let commands = commands.filter_map(Value::as_str).collect::<Vec<_>>().join(", ");
    let version = details.get("version").and_then(Value::as_str).unwrap_or_default();
    let notes = details.get("notes").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
    let notes: Vec<&str> = notes.collect();
    let lines =
        [format!("{name} {version} {done}: {commands}")].into_iter().chain(notes.into_iter().map(str::to_owned));
    output::line(&lines.collect::<Vec<_>>().join("\n  "), &details, format);
    Ok(())
}

fn list(client: &Client, format: Format) -> Result<(), CliError> {
    let details = client.call("modules_details", None, &json!({}))?;
    if format != Format::Table {
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
