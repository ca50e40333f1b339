//! Completion in shells: the names of commands and of their arguments come from the host, so that they are those this
//! caller may use now.

use std::ffi::OsStr;
use std::io::Write as _;
use std::sync::mpsc;
use std::time::Duration;

use clap::{ArgMatches, FromArgMatches};
use clap_complete::Shell;
use clap_complete::engine::CompletionCandidate;
use clap_complete::env::Shells;
use serde_json::{Value, json};

use super::account::token_of_environment;
use super::client::{Authorization, Client, Credential};
use super::command_help;
use super::profile;
use super::{CliError, Connection, Host};

/// The variable in which a shell says that it asks.
pub(crate) const VARIABLE: &str = "MUSTER_COMPLETE";
/// How long a host may take to answer: completion must be quick.
const PATIENCE: Duration = Duration::from_secs(1);
/// Longest word that is offered, in characters.
const WORD_CHARS_MAX: usize = 200;
/// Longest text beside a word, in characters.
const ABOUT_CHARS_MAX: usize = 200;
/// The script for bash, which takes `name=value` for three words: the usual one leaves it so.
const BASH: &str = include_str!("complete.bash");
/// The script for zsh, which puts a blank behind `name=`, too, by the usual one.
const ZSH: &str = include_str!("complete.zsh");

/// Prints the script that lets a shell ask.
///
/// # Errors
/// When there is none for this shell, or it cannot be written.
pub fn script(shell: Shell) -> Result<(), CliError> {
    let name = shell.to_string();
    let mut output = std::io::stdout();
    let written = match name.as_str() {
        "bash" => output.write_all(BASH.as_bytes()),
        "zsh" => output.write_all(ZSH.as_bytes()),
        other => {
            let shells = Shells::builtins();
            let unknown = || CliError::Usage(format!("completion supports no shell `{other}`"));
            let completer = shells.completer(other).ok_or_else(unknown)?;
            completer.write_registration(VARIABLE, "muster", "muster", "muster", &mut output)
        }
    };
    written.map_err(|error| CliError::Failed(format!("the script cannot be written: {error}")))
}

/// A variable of the environment, where a shell and its user say what they want.
#[expect(clippy::disallowed_methods, reason = "there is no command line to parse: it is being written")]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// What stands before the word that is being written.
struct Line {
    matches: ArgMatches,
    connection: Connection,
}

impl Line {
    fn read() -> Option<Self> {
        let line: Vec<String> = std::env::args().skip_while(|word| word != "--").skip(1).collect();
        let index = variable("_CLAP_COMPLETE_INDEX").and_then(|index| index.parse().ok());
        let before = line.get(..index.unwrap_or(line.len().saturating_sub(1))).unwrap_or(&line);
        Self::of(super::program(), before)
    }

    /// Reads words as far as they can be: they are no whole command line yet.
    fn of(program: clap::Command, before: &[String]) -> Option<Self> {
        let matches = program.ignore_errors(true).try_get_matches_from(before).ok()?;
        let mut connection = Connection::from_arg_matches(&matches).ok()?;
        connection.note_given(&matches);
        Some(Self { matches, connection })
    }

    /// The command whose arguments are being written, and its version; nothing while its name is.
    fn command(&self) -> Option<(String, Option<u32>)> {
        let (name, matches) = self.matches.subcommand()?;
        let (list, version) = match name {
            "call" => ("words", matches.try_get_one::<u32>("api_version").ok().flatten().copied()),
            _ => ("topic", None),
        };
        let mut words = matches.try_get_many::<String>(list).ok()??;
        Some((words.next()?.replace('-', "_"), version))
    }

    /// A client that never prompts the user and renews no login: this process may end at any moment.
    fn client(&self) -> Option<Client> {
        let connection = &self.connection;
        let host = connection.host().ok()?;
        let credential = match (&connection.user, host) {
            (user, Host::Profile(name)) if user.is_none() || !connection.is_given("user") => {
                Some(Credential::Bearer(profile::kept(name).ok().filter(profile::Profile::lasts)?.token))
            }
            (Some(user), _) => variable("MUSTER_PASSWORD").map(|password| Credential::Basic(user.clone(), password)),
            (None, _) => token_of_environment().map(Credential::Bearer),
        };
        connection.client_of(host, Authorization::from(credential)).ok()
    }

    /// The answer of the host; nothing if it takes too long, or if the caller may not ask.
    fn ask<T: Send + 'static>(&self, question: impl FnOnce(&Client) -> Option<T> + Send + 'static) -> Option<T> {
        let client = self.client()?;
        let (told, answer) = mpsc::channel();
        // Left behind where it takes too long: this process ends soon.
        std::thread::spawn(move || told.send(question(&client)));
        answer.recv_timeout(PATIENCE).ok().flatten()
    }
}

/// What could stand at the place of the word that is being written, behind `call` or `help`.
pub(crate) fn words(current: &OsStr) -> Vec<CompletionCandidate> {
    let current = current.to_str().unwrap_or_default();
    let found = Line::read().and_then(|line| {
        let command = line.command();
        let topic = command.as_ref().map(|(name, _)| name.clone());
        let entries = line.ask(move |client| command_help::entries(client, topic.as_deref()).ok())?;
        Some(match command {
            None => {
                let mut names: Vec<_> =
                    entries.iter().map(|entry| (text(entry, "name"), text(entry, "summary"))).collect();
                names.dedup();
                names.into_iter().map(|(name, about)| (name.to_owned(), about.to_owned())).collect()
            }
            Some((name, version)) => {
                command_help::form(&entries, &name, version).map(|entry| arguments(entry, current)).unwrap_or_default()
            }
        })
    });
    fitting(found.unwrap_or_default(), current)
}

/// The names of plugins.
pub(crate) fn plugins(current: &OsStr) -> Vec<CompletionCandidate> {
    let ask = |client: &Client| client.call("modules_details", None, &json!({})).ok();
    let found = Line::read().and_then(|line| line.ask(ask)).unwrap_or_default();
    let plugins = found.as_array().into_iter().flatten();
    let names = plugins.map(|plugin| (text(plugin, "name").to_owned(), text(plugin, "summary").to_owned()));
    fitting(names.collect(), current.to_str().unwrap_or_default())
}

/// The names of profiles.
pub fn profiles(current: &OsStr) -> Vec<CompletionCandidate> {
    let names = profile::names().into_iter().map(|name| (name, String::new()));
    fitting(names.collect(), current.to_str().unwrap_or_default())
}

/// Those that begin with what is written. A shell puts a word where the reader's next key runs it, and bash as it stands:
/// what plugins and other machines say is offered only where no shell can take it for more than a word.
fn fitting(words: Vec<(String, String)>, current: &str) -> Vec<CompletionCandidate> {
    let fitting = words.into_iter().filter(|(word, _)| word.starts_with(current) && is_plain(word));
    fitting
        .map(|(word, about)| {
            let about: String = about.chars().filter(|letter| !letter.is_control()).take(ABOUT_CHARS_MAX).collect();
            CompletionCandidate::new(word).help((!about.is_empty()).then(|| about.into()))
        })
        .collect()
}

/// Whether no character of the word means anything to a shell.
fn is_plain(word: &str) -> bool {
    let is_plain = |letter: char| letter.is_alphanumeric() || "_-./:@%+,=".contains(letter);
    word.chars().count() <= WORD_CHARS_MAX && word.chars().all(is_plain)
}

/// Every way to begin an argument: `name=` or `--name`, and values where there are few.
fn arguments(entry: &Value, current: &str) -> Vec<(String, String)> {
    let root = entry.get("input").unwrap_or(&Value::Null);
    let properties = root.get("properties").and_then(Value::as_object);
    let mut found = Vec::new();
    for (name, schema) in properties.into_iter().flatten() {
        let about = text(schema, "description").lines().next().unwrap_or_default().to_owned();
        let (begin, end) =
            if current.starts_with('-') { (format!("--{}", name.replace('_', "-")), "") } else { (name.clone(), "=") };
        let values = if current.starts_with(&format!("{begin}=")) { few(root, schema) } else { Vec::new() };
        if values.is_empty() {
            found.push((format!("{begin}{end}"), about));
        } else {
            found.extend(values.into_iter().map(|value| (format!("{begin}={value}"), about.clone())));
        }
    }
    found
}

/// The values of an argument, where there are few.
fn few(root: &Value, schema: &Value) -> Vec<String> {
    let types = command_help::types(root, schema);
    if types == ["boolean"] {
        return vec!["false".to_owned(), "true".to_owned()];
    }
    let items = command_help::resolved(root, schema).get("items").filter(|_| types == ["array"]);
    let values = command_help::values(root, items.unwrap_or(schema)).unwrap_or_default();
    values.into_iter().map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned)).collect()
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, Parser};

    use super::*;
    use crate::{call, help, plugin};

    /// As much of the command line as these tests write.
    #[derive(Parser)]
    #[command(name = "muster", disable_help_subcommand = true)]
    struct Program {
        #[command(flatten)]
        _connection: Connection,
        #[command(subcommand)]
        _action: Action,
    }

    #[derive(clap::Subcommand)]
    enum Action {
        Call(call::Call),
        Help(help::Help),
        #[command(subcommand)]
        Plugin(plugin::Plugin),
    }

    #[test]
    fn what_is_written_already_is_read_as_it_will_be() {
        let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        let call = |name: &str, version| Some((name.to_owned(), version));
        for (before, command, data) in [
            ("muster call", None, "muster-data"),
            ("muster call -o json", None, "muster-data"),
            ("muster --data=d call --api-version 2 hello", call("hello", Some(2)), "d"),
            ("muster call --data d set-loglevel", call("set_loglevel", None), "d"),
            ("muster --data d call --jobs 3 --bulk hello a=b", call("hello", None), "d"),
            ("muster help hello", call("hello", None), "muster-data"),
            ("muster plugin uninstall", None, "muster-data"),
        ] {
            let line = Line::of(Program::command(), &words(before)).unwrap();
            assert_eq!(line.command(), command, "{before}");
            assert_eq!(line.connection.data.to_str(), Some(data), "{before}");
        }
        let line = Line::of(Program::command(), &words("muster --profile work call")).unwrap();
        assert!(matches!(line.connection.host(), Ok(Host::Profile("work"))));
        assert!(line.connection.host().is_ok());
        let line = Line::of(Program::command(), &words("muster --profile work --url http://x call")).unwrap();
        assert!(line.connection.host().is_err());
    }

    #[test]
    fn only_words_are_offered() {
        let about = "a\u{1b}]0;x\u{7}\nb".to_owned();
        for (word, offered) in [
            ("level=low", true),
            ("größe=1.5", true),
            ("a=b@c:d/e,f%+_-", true),
            ("level=fast;touch x;", false),
            ("a=$(id)", false),
            ("a=`id`", false),
            ("a=b c", false),
            ("a=*", false),
            ("a=b\nc", false),
            ("a=b\u{b}c", false),
            ("a=\u{1b}[31m", false),
            ("a=\u{202e}x", false),
            ("a=~", false),
            ("a=b|c", false),
            ("a='b", false),
            ("a=\\b", false),
            ("a=!!", false),
            ("a={b,c}", false),
            ("a=b#c", false),
            ("a=b&", false),
            ("a=<b", false),
        ] {
            let found = fitting(vec![(word.to_owned(), about.clone())], "");
            assert_eq!(found.len(), usize::from(offered), "{word:?}");
            let told = found.first().and_then(|one| one.get_help()).map(ToString::to_string);
            assert!(told.is_none_or(|told| told == "a]0;xb"), "{word:?}");
        }
    }

    #[test]
    fn arguments_are_offered_with_their_values() {
        let entry = json!({ "input": { "properties": {
            "level": { "anyOf": [{ "$ref": "#/$defs/level" }, { "type": "null" }] },
            "very_loud": { "type": ["boolean", "null"] }, "name": { "type": "string" },
        }, "$defs": { "level": { "enum": ["low", "high"] } } } });
        for (current, expected) in [
            ("", vec!["level=", "very_loud=", "name="]),
            ("level=", vec!["level=low", "level=high"]),
            ("very_loud=", vec!["very_loud=false", "very_loud=true"]),
            ("--", vec!["--level", "--very-loud", "--name"]),
            ("--level=", vec!["--level=low", "--level=high"]),
            ("name=", vec!["name="]),
        ] {
            let found = arguments(&entry, current);
            let found = found.iter().map(|(word, _)| word.as_str()).filter(|word| word.starts_with(current));
            assert_eq!(found.collect::<Vec<_>>(), expected, "{current}");
        }
    }
}
