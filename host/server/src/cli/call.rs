//! `muster call COMMAND …`: arguments as `name=text` or `--name text` (converted by the command's schema), `name:=JSON`,
//! one JSON object, or `-` for a JSON object on standard input.

use std::io::Read;

use clap::Args;
use clap_complete::engine::ArgValueCompleter;
use muster_core::schema::{DEPTH_MAX, Schema, parse_json};
use serde_json::{Map, Value};

use super::CliError;
use super::bulk::{self, Bulk};
use super::client::Client;
use super::complete;
use super::help;
use super::output::{self, Format};

/// Longest standard input that is read, in bytes.
const INPUT_BYTES_MAX: u64 = 256 << 20;
const JSON_FLAG: &str = "--json";

#[derive(Args, Debug)]
pub(super) struct Call {
    /// Ask for this version of the command instead of the latest
    #[arg(long, value_name = "N")]
    api_version: Option<u32>,
    /// The command (`-` stands for `_`), then its arguments: name=text, --name text, name:=JSON, a JSON object, or - to
    /// read one from standard input; --help describes them
    // One list, so that nothing behind the command's name is taken for an option of this program.
    #[arg(
        trailing_var_arg = true,
        required = true,
        value_name = "COMMAND [ARGUMENTS]",
        add = ArgValueCompleter::new(complete::words)
    )]
    words: Vec<String>,
    #[command(flatten)]
    bulk: Bulk,
}

impl Call {
    /// Whether `--json` stands behind the command's name. An argument of that name can still be given as `json=…`.
    pub(super) fn asks_for_json(&self) -> bool {
        self.words.iter().any(|word| word == JSON_FLAG)
    }
}

pub(super) fn run(client: Client, call: Call, format: Format) -> Result<(), CliError> {
    let mut words = call.words.into_iter();
    let command = words.next().unwrap_or_default().replace('-', "_");
    let words: Vec<String> = words.filter(|word| word != JSON_FLAG).collect();
    if words.iter().any(|word| word == "--help" || word == "-h") {
        return help::one(&client, &command, format);
    }
    if call.bulk.wanted {
        if let Some(word) = words.first() {
            return Err(CliError::Usage(format!("`{word}`: the arguments of a bulk come from standard input")));
        }
        return bulk::run(client, &command, call.api_version, &call.bulk);
    }
    let arguments = arguments_of(&client, &command, call.api_version, words)?;
    let (arguments, bar) = (Value::Object(arguments), output::spinner(&format!("calling {command}")));
    let result = if bar.is_hidden() {
        client.call(&command, call.api_version, &arguments)
    } else {
        client.follow(&command, call.api_version, &arguments, |report| output::heard(&bar, report))
    };
    bar.finish_and_clear();
    output::value(&result?, format);
    Ok(())
}

/// Makes the arguments of a command from words.
pub(super) fn arguments_of(
    client: &Client,
    command: &str,
    version: Option<u32>,
    words: Vec<String>,
) -> Result<Map<String, Value>, CliError> {
    let needs_schema = words.iter().any(|word| !word.starts_with('{') && word != "-");
    let schema = if needs_schema { schema(client, command, version)? } else { None };
    arguments(words, schema.as_ref())
}

/// The schema of the command's arguments; nothing where the caller may not see it, which the call itself will tell.
fn schema(client: &Client, command: &str, version: Option<u32>) -> Result<Option<Schema>, CliError> {
    let entries = client.help(Some(command))?;
    let entry = entries.iter().find(|entry| {
        let at = entry.get("version").and_then(Value::as_u64).unwrap_or_default();
        entry.get("name").and_then(Value::as_str) == Some(command)
            && version.is_none_or(|wanted| at <= u64::from(wanted))
    });
    let input = entry.and_then(|entry| entry.get("input")).cloned();
    input.map(Schema::input).transpose().map_err(CliError::Failed)
}

/// Makes one object of all words.
fn arguments(words: Vec<String>, schema: Option<&Schema>) -> Result<Map<String, Value>, CliError> {
    let (mut object, mut pairs) = (Map::new(), Vec::new());
    let mut words = words.into_iter();
    while let Some(word) = words.next() {
        if word == "-" {
            let mut text = String::new();
            let read = std::io::stdin().take(INPUT_BYTES_MAX).read_to_string(&mut text);
            read.map_err(|error| CliError::Usage(format!("standard input cannot be read: {error}")))?;
            merge(&mut object, &text)?;
        } else if word.starts_with('{') {
            merge(&mut object, &word)?;
        } else if let Some(flag) = word.strip_prefix("--") {
            let (name, text) = match flag.split_once('=') {
                Some((name, text)) => (name.replace('-', "_"), Some(text.to_owned())),
                None => (flag.replace('-', "_"), None),
            };
            let text = match text {
                Some(text) => text,
                None if is_boolean(schema, &name) => "true".to_owned(),
                None => words.next().ok_or_else(|| CliError::Usage(format!("`--{flag}` has no value behind it")))?,
            };
            pairs.push((name, text));
        } else if let Some((name, text)) = word.split_once(":=") {
            let value = parse_json(text.as_bytes(), DEPTH_MAX)
                .map_err(|error| CliError::Usage(format!("what is behind `{name}:=` is not JSON: {error}")))?;
            object.insert(name.to_owned(), value);
        } else if let Some((name, text)) = word.split_once('=') {
            pairs.push((name.to_owned(), text.to_owned()));
        } else {
            return Err(CliError::Usage(format!(
                "`{word}` is not an argument; write name=text, --name text, name:=JSON, a JSON object, or -"
            )));
        }
    }
    let converted = match schema {
        Some(schema) => schema
            .convert_pairs(pairs)
            .map_err(|errors| CliError::Usage(errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")))?,
        None => pairs.into_iter().map(|(name, text)| (name, Value::String(text))).collect(),
    };
    object.extend(converted);
    Ok(object)
}

fn merge(object: &mut Map<String, Value>, text: &str) -> Result<(), CliError> {
    match parse_json(text.as_bytes(), DEPTH_MAX) {
        Ok(Value::Object(more)) => {
            object.extend(more);
            Ok(())
        }
        Ok(_) => Err(CliError::Usage("the arguments must be a JSON object".to_owned())),
        Err(error) => Err(CliError::Usage(format!("the arguments are not usable JSON: {error}"))),
    }
}

fn is_boolean(schema: Option<&Schema>, name: &str) -> bool {
    let property = schema.and_then(|schema| schema.properties().find(|(own, _)| *own == name));
    property.is_some_and(|(_, property)| property.get("type").and_then(Value::as_str) == Some("boolean"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_way_to_write_an_argument() {
        let schema = Schema::input(json!({"type": "object", "properties": {
            "name": {"type": "string"}, "count": {"type": "integer"}, "loud": {"type": "boolean"},
            "groups": {"type": "array", "items": {"type": "string"}}, "full_name": {"type": "string"},
        }}))
        .unwrap();
        for (words, expected) in [
            (&["name=5", "count=5"][..], Ok(json!({"name": "5", "count": 5}))),
            (&["--name", "Ann", "--loud", "--count=2"], Ok(json!({"name": "Ann", "loud": true, "count": 2}))),
            (&["--full-name", "Ann B"], Ok(json!({"full_name": "Ann B"}))),
            (&["groups=a", "groups=b"], Ok(json!({"groups": ["a", "b"]}))),
            (&["groups:=[\"a\"]", "name=a=b"], Ok(json!({"groups": ["a"], "name": "a=b"}))),
            (&["{\"name\": \"x\"}", "count=1"], Ok(json!({"name": "x", "count": 1}))),
            (&["count=x"], Err("/count: the text is not of type \"integer\"")),
            (&["--name"], Err("`--name` has no value behind it")),
            (&["name"], Err("`name` is not an argument")),
            (&["name:=x"], Err("what is behind `name:=` is not JSON")),
            (&["{\"a\":1,\"a\":2}"], Err("not usable JSON")),
        ] {
            let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
            match (arguments(words.clone(), Some(&schema)), expected) {
                (Ok(got), Ok(expected)) => assert_eq!(Value::Object(got), expected),
                (Err(error), Err(expected)) => assert!(error.to_string().contains(expected), "{error}"),
                (got, _) => panic!("{words:?}: {got:?}"),
            }
        }
    }
}
