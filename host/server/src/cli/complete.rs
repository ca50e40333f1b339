//! Completion in shells: the names of commands and of their arguments come from the host, so that they are those this
//! caller may use now.

use std::ffi::OsStr;
use std::path::Path;
use std::sync::mpsc;
use std::time::Duration;

use clap_complete::Shell;
use clap_complete::engine::CompletionCandidate;
use clap_complete::env::Shells;
use serde_json::Value;

use super::CliError;
use super::account::token_of_environment;
use super::client::{Client, Credential};

/// The variable in which a shell says that it asks.
pub(super) const VARIABLE: &str = "MUSTER_COMPLETE";
/// How long a host may take to answer; nobody waits longer for a list of words.
const PATIENCE: Duration = Duration::from_secs(1);

/// Prints the script that lets a shell ask.
pub(super) fn script(shell: Shell) -> Result<(), CliError> {
    let shells = Shells::builtins();
    let name = shell.to_string();
    let unknown = || CliError::Usage(format!("there is no completion for `{name}`"));
    let completer = shells.completer(&name).ok_or_else(unknown)?;
    completer
        .write_registration(VARIABLE, "muster", "muster", "muster", &mut std::io::stdout())
        .map_err(|error| CliError::Failed(format!("the script cannot be written: {error}")))
}

/// A variable of the environment, where a shell and its user say what they want.
#[expect(clippy::disallowed_methods, reason = "there is no command line to parse: it is being written")]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// What could stand at the place of the word that is being written, behind `call` or `help`.
pub(super) fn words(current: &OsStr) -> Vec<CompletionCandidate> {
    let line: Vec<String> = std::env::args().skip_while(|word| word != "--").skip(1).collect();
    let index = variable("_CLAP_COMPLETE_INDEX").and_then(|index| index.parse().ok());
    let before = line.get(..index.unwrap_or(line.len().saturating_sub(1))).unwrap_or(&line);
    let current = current.to_str().unwrap_or_default();
    let topic = command_of(before);
    let Some(entries) = ask(before, topic.clone()) else { return Vec::new() };
    let candidates = match &topic {
        None => {
            entries.iter().map(|entry| (text(entry, "name").to_owned(), text(entry, "summary").to_owned())).collect()
        }
        Some(_) => entries.first().map(|entry| arguments(entry, current)).unwrap_or_default(),
    };
    let fitting = candidates.into_iter().filter(|(word, _)| word.starts_with(current));
    fitting.map(|(word, about)| CompletionCandidate::new(word).help(Some(about.into()))).collect()
}

/// The command whose arguments are being written; nothing while its name is.
fn command_of(before: &[String]) -> Option<String> {
    let mut words = before.iter().skip_while(|word| !["call", "help"].contains(&word.as_str())).skip(1);
    while let Some(word) = words.next() {
        match word.as_str() {
            "--api-version" | "--jobs" | "-j" | "--resume" => _ = words.next(),
            option if option.starts_with('-') => {}
            command => return Some(command.replace('-', "_")),
        }
    }
    None
}

/// Every way to begin an argument: `name=` or `--name`, and values where there are few.
fn arguments(entry: &Value, current: &str) -> Vec<(String, String)> {
    let properties = entry.pointer("/input/properties").and_then(Value::as_object);
    let mut found = Vec::new();
    for (name, schema) in properties.into_iter().flatten() {
        let about = text(schema, "description").to_owned();
        if current.starts_with('-') {
            found.push((format!("--{}", name.replace('_', "-")), about));
            continue;
        }
        let values = schema.get("enum").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
        let begun = current.starts_with(&format!("{name}="));
        let values: Vec<_> = values.filter(|_| begun).map(|value| (format!("{name}={value}"), about.clone())).collect();
        if values.is_empty() {
            found.push((format!("{name}="), about));
        }
        found.extend(values);
    }
    found
}

/// What the host says; nothing where it takes too long, or has nothing to say to whoever asks.
fn ask(before: &[String], topic: Option<String>) -> Option<Vec<Value>> {
    let option = |name: &str, variable: &str| {
        let at = before.iter().position(|word| word == name);
        at.and_then(|at| before.get(at + 1).cloned()).or_else(|| self::variable(variable))
    };
    let password = || variable("MUSTER_PASSWORD");
    let credential = match option("--user", "MUSTER_USER") {
        Some(user) => password().map(|password| Credential::Basic(user, password)),
        None => token_of_environment().map(Credential::Bearer),
    };
    let ca = option("--ca", "MUSTER_CA");
    let client = if let Some(url) = option("--url", "MUSTER_URL") {
        Client::remote(&url, ca.as_deref().map(Path::new), credential).ok()?
    } else {
        let data = option("--data", "MUSTER_DATA").unwrap_or_else(|| "muster-data".to_owned());
        Client::local(Path::new(&data).join(crate::serve::SOCKET), credential)
    };
    let (told, answer) = mpsc::channel();
    // Left behind where it takes too long: this process ends soon.
    std::thread::spawn(move || told.send(client.help(topic.as_deref()).ok()));
    answer.recv_timeout(PATIENCE).ok().flatten()
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}
