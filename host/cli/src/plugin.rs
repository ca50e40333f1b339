//! `muster plugin …`: plugins of the host. `inspect` needs no host: it looks into a file without running any of it.

pub mod inspect;
pub mod source;

use std::collections::BTreeMap;
use std::io::{IsTerminal, Write as _};
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use clap::{Args, Subcommand};
use clap_complete::engine::ArgValueCompleter;
use muster_component::grants::is_open;
use muster_component::{Grants, Inspection};
use muster_core::name::PluginName;
use muster_core::plugins::Isolation;
use serde_json::{Value, json};

use super::CliError;
use super::client::Client;
use super::complete;
use super::output::{self, Format};

#[derive(Debug, Subcommand)]
pub enum Plugin {
    /// Install a plugin from a component
    Install(ComponentArguments),
    /// Upgrade a plugin without dropping calls; grants and settings are kept unless changed here
    Upgrade(Replacement),
    /// Change grants, settings or isolation; load the plugin again if it is not loaded
    Change(Change),
    /// Check whether a component could be installed, or could replace the installed one
    Check(Replacement),
    /// Remove a plugin and its commands; its data is kept
    Uninstall {
        /// The plugin
        #[arg(add = ArgValueCompleter::new(complete::plugins))]
        name: String,
    },
    /// End the quarantine of a plugin
    Release {
        /// The plugin
        #[arg(add = ArgValueCompleter::new(complete::plugins))]
        name: String,
    },
    /// Show a plugin's grants and how often each was used
    Grants {
        /// The plugin
        #[arg(add = ArgValueCompleter::new(complete::plugins))]
        name: String,
    },
    /// List the limits of plugins and how often each was reached
    Limits,
    /// List the installed plugins
    List,
    /// Show a component without running it
    Inspect {
        /// The .wasm file or its address
        #[arg(value_name = "FILE|URL")]
        source: String,
        /// WIT of a component with typed exports (directory or file), for its documentation
        #[arg(long, value_name = "DIR")]
        wit: Option<PathBuf>,
    },
}

/// Longest setting that is read from a file, in bytes.
const SETTING_BYTES_MAX: usize = 64 << 10;

/// What can be allowed.
const GRANT: &str = "Add a grant: keyvalue (durable data of its own), command:NAME (call that command for its \
                     callers), http:[METHODS ]SCHEME://HOST[:PORT] or http-private:… (make requests to that host), \
                     directory:GUEST_PATH=HOST_DIRECTORY or directory-rw:… (access that directory)";

#[derive(Args, Debug)]
pub struct ComponentArguments {
    /// The .wasm file or its address
    #[arg(value_name = "FILE|URL")]
    source: String,
    /// Name of the plugin, instead of the name in the metadata of the component
    #[arg(long, add = ArgValueCompleter::new(complete::plugins))]
    name: Option<String>,
    /// Allow it something
    #[arg(long = "grant", value_name = "GRANT", help = GRANT)]
    grants: Vec<String>,
    /// Also add all requested grants; name HTTP hosts and directories with --grant
    #[arg(long)]
    grant_requested: bool,
    /// Set a setting; the value @FILE reads it from a file (use this for secrets)
    #[arg(long = "set", value_name = "KEY=VALUE")]
    settings: Vec<String>,
    /// Which calls share an instance: none (call), those of the same caller with the same permissions (caller), or all
    /// (plugin)
    #[arg(long, value_name = "POLICY", value_parser = Isolation::ALL.map(Isolation::as_str))]
    pub isolation: Option<String>,
    /// WIT of a component with typed exports (directory or file), for its documentation
    #[arg(long, value_name = "DIR")]
    wit: Option<PathBuf>,
}

/// A component in the place of another.
#[derive(Args, Debug)]
pub struct Replacement {
    #[command(flatten)]
    candidate: ComponentArguments,
    #[command(flatten)]
    withdrawal: Withdrawal,
}

/// What a plugin loses.
#[derive(Args, Debug)]
struct Withdrawal {
    /// Remove a grant
    #[arg(long = "revoke", value_name = "GRANT")]
    revoke: Vec<String>,
    /// Remove a setting
    #[arg(long = "unset", value_name = "KEY")]
    unset: Vec<String>,
}

#[derive(Args, Debug)]
pub struct Change {
    /// The plugin
    #[arg(add = ArgValueCompleter::new(complete::plugins))]
    name: String,
    /// Allow it something
    #[arg(long = "grant", value_name = "GRANT", help = GRANT)]
    grants: Vec<String>,
    /// Set a setting; the value @FILE reads it from a file (use this for secrets)
    #[arg(long = "set", value_name = "KEY=VALUE")]
    settings: Vec<String>,
    #[command(flatten)]
    withdrawal: Withdrawal,
    /// Which calls share an instance: none (call), those of the same caller with the same permissions (caller), or all
    /// (plugin)
    #[arg(long, value_name = "POLICY", value_parser = Isolation::ALL.map(Isolation::as_str))]
    isolation: Option<String>,
}

pub fn run(client: impl FnOnce() -> Result<Client, CliError>, action: Plugin, format: Format) -> Result<(), CliError> {
    match action {
        Plugin::Install(candidate) => {
            let mut chosen = candidate.choose()?;
            candidate.settle(&mut chosen, || Ok(Vec::new()), Some(format))?;
            put(&client()?, "module_install", "installed", &candidate, None, chosen, format)
        }
        Plugin::Upgrade(Replacement { candidate, withdrawal }) => {
            let (mut chosen, client) = (candidate.choose()?, client()?);
            let name = chosen.name.clone();
            let had = || Ok(had(&details(&client, name.as_str())?, &withdrawal));
            candidate.settle(&mut chosen, had, Some(format))?;
            put(&client, "module_upgrade", "upgraded", &candidate, Some(&withdrawal), chosen, format)
        }
        Plugin::Change(change) => {
            let client = client()?;
            let mut arguments = json!({ "module": change.name });
            let settings = settings(&change.settings, &change.withdrawal.unset)?;
            set_terms(
                &mut arguments,
                &change.grants,
                &change.withdrawal.revoke,
                &settings,
                change.isolation.as_deref(),
            );
            client.call("module_change", None, &arguments)?;
            done(&client, &change.name, "changed", format)
        }
        Plugin::Check(Replacement { candidate, withdrawal }) => {
            let (mut chosen, client) = (candidate.choose()?, client()?);
            let details = details(&client, chosen.name.as_str())?;
            let installed = !details.is_null();
            candidate.settle(&mut chosen, || Ok(had(&details, &withdrawal)), None)?;
            let (arguments, name) = arguments(&candidate, Some(&withdrawal), chosen)?;
            client.call("module_check", None, &arguments)?;
            let what = if installed { "replace the installed one" } else { "be installed" };
            let value = json!({ "module": name.as_str(), "usable": true, "installed": installed });
            output::line(&format!("{name} can {what}"), &value, format);
            Ok(())
        }
        Plugin::Uninstall { name } => {
            let result = client()?.call("module_uninstall", None, &json!({ "module": name }))?;
            output::line(&format!("{name} removed"), &result, format);
            Ok(())
        }
        Plugin::Release { name } => {
            let result = client()?.call("module_release", None, &json!({ "module": name }))?;
            output::line(&format!("the quarantine of {name} has ended"), &result, format);
            Ok(())
        }
        Plugin::Grants { name } => {
            let grants = client()?.call("module_grants", None, &json!({ "module": name }))?;
            match grants.as_array().filter(|grants| grants.is_empty() && format == Format::Table) {
                Some(_) => output::line(&format!("{name} has no grants and requests none"), &grants, format),
                None => output::value(&grants, format),
            }
            Ok(())
        }
        Plugin::Limits => {
            output::value(&client()?.call("modules_limits", None, &json!({}))?, format);
            Ok(())
        }
        Plugin::List => list(&client()?, format),
        Plugin::Inspect { source, wit } => inspect::run(&source, wit.as_deref(), format),
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

impl ComponentArguments {
    /// The component with what the operator wants of it.
    pub fn read(&self) -> Result<muster_core::plugins::InstallRequest, CliError> {
        let mut chosen = self.choose()?;
        self.settle(&mut chosen, || Ok(Vec::new()), None)?;
        let Chosen { bytes, name, grants, .. } = chosen;
        Ok(muster_core::plugins::InstallRequest {
            component: bytes.into(),
            name: Some(name),
            change: muster_core::plugins::PluginUpdate {
                grants,
                settings: settings(&self.settings, &[])?,
                isolation: self.isolation.as_deref().and_then(Isolation::parse),
                ..Default::default()
            },
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
        // Before anything is sent, and so before it is logged.
        Grants::parse(&self.grants).map_err(|error| CliError::Failed(error.to_string()))?;
        Ok(Chosen { bytes, inspection, name, grants: self.grants.clone() })
    }

    fn docs(&self) -> Result<BTreeMap<String, String>, CliError> {
        let docs = self.wit.as_deref().map(inspect::read_docs).transpose()?.unwrap_or_default();
        Ok(docs.texts().clone())
    }

    /// Gives what the plugin asks for beyond what it is given and `had`, where that was said beforehand. Otherwise, where
    /// there is a form to show it in and a terminal: shows it, and asks whether the plugin gets it.
    fn settle(
        &self,
        chosen: &mut Chosen,
        had: impl FnOnce() -> Result<Vec<String>, CliError>,
        format: Option<Format>,
    ) -> Result<(), CliError> {
        let asks =
            |_: &Format| !self.grant_requested && std::io::stdin().is_terminal() && std::io::stderr().is_terminal();
        let asking = format.filter(asks);
        if !self.grant_requested && asking.is_none() {
            return Ok(());
        }
        let missing = chosen.inspection.missing(&[had()?, chosen.grants.clone()].concat());
        if missing.is_empty() {
            return Ok(());
        }
        if let Some(format) = asking {
            inspect::print(&chosen.inspection, format);
        }
        let (open, missing): (Vec<_>, Vec<_>) = missing.into_iter().partition(|request| is_open(request));
        if !open.is_empty() {
            return Err(CliError::Usage(only_operators_can_say(&open)));
        }
        if asking.is_some() {
            Self::ask(&missing)?;
        }
        chosen.grants.extend(missing);
        Ok(())
    }

    /// Asks on the terminal whether the plugin gets this; an error where it does not.
    fn ask(missing: &[String]) -> Result<(), CliError> {
        let mut terminal = std::io::stderr().lock();
        let _ = write!(
            terminal,
            "\nIt requests these grants: {}. Grant them? [y/N] ",
            muster_core::printable::lines(&missing.join(", "))
        );
        let _ = terminal.flush();
        let mut answer = String::new();
        std::io::stdin().read_line(&mut answer).map_err(|error| CliError::Failed(error.to_string()))?;
        if !["y", "yes"].contains(&answer.trim().to_lowercase().as_str()) {
            return Err(CliError::Failed("nothing was installed".to_owned()));
        }
        Ok(())
    }
}

/// What to do about requests that are no grants yet.
fn only_operators_can_say(open: &[String]) -> String {
    let shown = muster_core::printable::lines(&open.join(", "));
    format!(
        "the request {shown} names no host or directory; add `--grant http:https://HOST` for each host, or `--grant \
         directory:GUEST_PATH=HOST_DIRECTORY`"
    )
}

/// Settings as they are given, and those that are taken away.
fn settings(given: &[String], unset: &[String]) -> Result<BTreeMap<String, Option<String>>, CliError> {
    let mut settings: BTreeMap<_, _> = unset.iter().map(|name| (name.clone(), None)).collect();
    for setting in given {
        let (name, value) = setting
            .split_once('=')
            .ok_or_else(|| CliError::Usage(format!("`{setting}` does not have the form KEY=VALUE")))?;
        // A secret does not belong on a command line, which others can see.
        let value = match value.strip_prefix('@') {
            None => value.to_owned(),
            Some(file) => read_setting(file)?,
        };
        if settings.insert(name.to_owned(), Some(value)).is_some() {
            return Err(CliError::Usage(format!("duplicate setting `{name}`")));
        }
    }
    Ok(settings)
}

fn read_setting(file: &str) -> Result<String, CliError> {
    let bytes = source::file(Path::new(file), SETTING_BYTES_MAX)?;
    let text = String::from_utf8(bytes).map_err(|_| CliError::Failed(format!("{file} is not UTF-8 text")))?;
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}

/// Sets a member of an object, unless it says nothing.
fn set(object: &mut Value, key: &str, value: Value) {
    let is_empty = value.is_null()
        || value.as_array().is_some_and(Vec::is_empty)
        || value.as_object().is_some_and(serde_json::Map::is_empty);
    if let Some(object) = object.as_object_mut().filter(|_| !is_empty) {
        object.insert(key.to_owned(), value);
    }
}

/// What `module_install`, `module_upgrade`, `module_check` and `module_change` take alike.
fn set_terms(
    arguments: &mut Value,
    grants: &[String],
    revoke: &[String],
    settings: &BTreeMap<String, Option<String>>,
    isolation: Option<&str>,
) {
    set(arguments, "grants", json!(grants));
    set(arguments, "revoke", json!(revoke));
    set(arguments, "settings", json!(settings));
    set(arguments, "isolation", json!(isolation));
}

/// The arguments of the `module_…` commands, and the plugin's name.
fn arguments(
    candidate: &ComponentArguments,
    withdrawal: Option<&Withdrawal>,
    chosen: Chosen,
) -> Result<(Value, PluginName), CliError> {
    let Chosen { bytes, name, grants, .. } = chosen;
    let (revoke, unset) = withdrawal.map(|lost| (&*lost.revoke, &*lost.unset)).unwrap_or_default();
    let mut arguments = json!({ "module": name.as_str(), "component": STANDARD.encode(bytes) });
    let settings = settings(&candidate.settings, unset)?;
    set_terms(&mut arguments, &grants, revoke, &settings, candidate.isolation.as_deref());
    set(&mut arguments, "docs", json!(candidate.docs()?));
    Ok((arguments, name))
}

/// What there is to know of an installed plugin; `null` where there is none of that name.
fn details(client: &Client, name: &str) -> Result<Value, CliError> {
    let details = client.call("modules_details", None, &json!({ "module": name }))?;
    Ok(details.get(0).cloned().unwrap_or_default())
}

/// The grants an installed plugin keeps.
fn had(details: &Value, withdrawal: &Withdrawal) -> Vec<String> {
    let had = details.get("grants").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
    had.filter(|grant| !withdrawal.revoke.iter().any(|lost| lost == grant)).map(str::to_owned).collect()
}

fn put(
    client: &Client,
    command: &str,
    what: &str,
    candidate: &ComponentArguments,
    withdrawal: Option<&Withdrawal>,
    chosen: Chosen,
    format: Format,
) -> Result<(), CliError> {
    let (arguments, name) = arguments(candidate, withdrawal, chosen)?;
    let spinner = output::spinner(&format!("compiling {name}"));
    client.call(command, None, &arguments)?;
    spinner.finish_and_clear();
    done(client, name.as_str(), what, format)
}

/// Tells what a plugin is after something was done to it.
fn done(client: &Client, name: &str, done: &str, format: Format) -> Result<(), CliError> {
    let details = details(client, name)?;
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
    if let Some(reason) = plugin.get("not_loaded").and_then(Value::as_str) {
        return format!("not loaded: {reason}");
    }
    if let Some(seconds) = plugin.get("quarantined_s").and_then(Value::as_u64) {
        return format!("quarantined, {seconds} s left");
    }
    let faults = plugin.get("faults").and_then(Value::as_object).into_iter().flatten();
    match faults.filter_map(|(_, count)| count.as_u64()).sum() {
        0_u64 => "ok".to_owned(),
        1 => "1 fault".to_owned(),
        faults => format!("{faults} faults"),
    }
}
