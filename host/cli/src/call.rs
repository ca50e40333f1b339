//! `muster call COMMAND …`: arguments as `name=text` or `--name text` (converted by the command's schema), `name:=JSON`,
//! one JSON object, or `-` for a JSON object on standard input.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::io::Read;

use clap::{Args, ValueEnum};
use clap_complete::engine::ArgValueCompleter;
use muster_core::schema::{DEPTH_MAX, Schema, parse_json};
use muster_core::suggest::unknown;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::CliError;
use super::bulk::{self, Bulk};
use super::client::Client;
use super::command_help;
use super::complete;
use super::help;
use super::output::{self, Format};

/// Longest standard input that is read, in bytes.
const INPUT_BYTES_MAX: u64 = 256 << 20;
const JSON_FLAG: &str = "--json";

#[derive(Args, Debug)]
pub struct Call {
    /// Version of the command, instead of the latest
    #[arg(long, value_name = "N")]
    api_version: Option<u32>,
    /// The command (`-` is accepted for `_`) and its arguments: name=text, name:=JSON, --name text, a JSON object, or -
    /// to read one from standard input; see --help
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

/// Runs a call. `form` is how results and errors are printed, which words behind the command's name may change.
pub fn run(client: impl FnOnce() -> Result<Client, CliError>, call: Call, form: &mut Format) -> Result<(), CliError> {
    let mut words = call.words.into_iter();
    let command = words.next().unwrap_or_default().replace('-', "_");
    // An argument of the name `json` can still be given as `json=…`; none has a name of one letter and one dash.
    let mut words = without_form(words.collect(), form)?;
    let client = client()?;
    if call.bulk.wanted {
        if let Some(word) = words.first() {
            return Err(CliError::Usage(format!("`{word}`: with --bulk, arguments come from standard input")));
        }
        return bulk::run(client, &command, call.api_version, &call.bulk);
    }
    let asks_for_help = words.iter().any(|word| word == "--help" || word == "-h");
    let entries = if need_schema(&words) { command_help::entries(&client, Some(&command))? } else { Vec::new() };
    let mut version = call.api_version;
    let mut schema = schema(&entries, &command, version);
    // A command that has such an argument means that.
    if is_free("api_version", schema.as_ref())
        && let Some(text) = take(&mut words, "--api-version")?
    {
        let misfit = |_| CliError::Usage(format!("--api-version: `{text}` is not a version"));
        version = Some(text.parse().map_err(misfit)?);
        schema = self::schema(&entries, &command, version);
    }
    if is_free("output", schema.as_ref())
        && let Some(text) = take(&mut words, "--output")?
    {
        *form = format_of(&text)?;
    }
    if asks_for_help {
        return help::one(&client, &entries, &command, version, *form);
    }
    let arguments = text(&arguments(words, schema.as_ref())?);
    let bar = output::spinner(&format!("calling {command}"));
    let result = if bar.is_hidden() {
        client.call_with(&command, version, arguments)
    } else {
        client.follow(&command, version, arguments, |report| output::heard(&bar, report))
    };
    bar.finish_and_clear();
    output::value(&result?, *form);
    Ok(())
}

/// Makes the arguments of a command from words.
pub fn arguments_of(
    client: &Client,
    command: &str,
    version: Option<u32>,
    words: Vec<String>,
) -> Result<Map<String, Value>, CliError> {
    let entries = if need_schema(&words) { command_help::entries(client, Some(command))? } else { Vec::new() };
    let arguments = text(&arguments(words, schema(&entries, command, version).as_ref())?);
    serde_json::from_str(&arguments).map_err(|error| CliError::Usage(error.to_string()))
}

/// Arguments by name, each as the JSON it was written as: a number keeps its digits, however many there are.
type Arguments = BTreeMap<String, Box<RawValue>>;

/// The arguments as one JSON object.
fn text(arguments: &Arguments) -> String {
    let members = arguments.iter().map(|(name, value)| format!("{}:{value}", Value::from(name.as_str())));
    format!("{{{}}}", members.collect::<Vec<_>>().join(","))
}

/// The JSON text of a value, with the digits of this text where it is a number that is written as JSON writes it.
fn raw(value: &Value, written: &str) -> String {
    let as_written = value.is_number() && serde_json::from_str::<&RawValue>(written).is_ok();
    if as_written { written.to_owned() } else { value.to_string() }
}

/// Whether some of the words are texts, which only a schema tells the types of.
fn need_schema(words: &[String]) -> bool {
    words.iter().any(|word| !word.starts_with('{') && word != "-")
}

/// The words without those that say how to print, where no argument can be meant: `--json`, `-o FORM`.
fn without_form(words: Vec<String>, form: &mut Format) -> Result<Vec<String>, CliError> {
    let mut rest = Vec::new();
    let mut words = words.into_iter();
    while let Some(word) = words.next() {
        match (word.as_str(), word.strip_prefix("-o")) {
            (JSON_FLAG, _) => *form = Format::Json,
            ("-o", _) => {
                let text = words.next().ok_or_else(|| CliError::Usage("`-o` has no value".to_owned()))?;
                *form = format_of(&text)?;
            }
            (_, Some(text)) => *form = format_of(text.strip_prefix('=').unwrap_or(text))?,
            (_, None) => rest.push(word),
        }
    }
    Ok(rest)
}

fn format_of(text: &str) -> Result<Format, CliError> {
    Format::from_str(text, false)
        .map_err(|_| CliError::Usage(unknown("output format", text, ["table", "json", "yaml", "plain"])))
}

/// Whether the command has no argument of this name.
fn is_free(name: &str, schema: Option<&Schema>) -> bool {
    schema.is_none_or(|schema| !schema.has_property(name))
}

/// Takes an option of this program out of the words behind a command's name.
fn take(words: &mut Vec<String>, option: &str) -> Result<Option<String>, CliError> {
    let is_it = |word: &String| word == option || word.strip_prefix(option).is_some_and(|rest| rest.starts_with('='));
    let Some(at) = words.iter().position(is_it) else { return Ok(None) };
    let word = words.remove(at);
    if let Some((_, text)) = word.split_once('=') {
        return Ok(Some(text.to_owned()));
    }
    if at < words.len() {
        return Ok(Some(words.remove(at)));
    }
    Err(CliError::Usage(format!("`{option}` has no value")))
}

/// The schema of the command's arguments; nothing where the caller may not see it, which the call itself will tell.
fn schema(entries: &[Value], command: &str, version: Option<u32>) -> Option<Schema> {
    let input = command_help::form(entries, command, version)?.get("input")?;
    Schema::input(input.clone()).ok()
}

/// Makes one object of all words.
fn arguments(words: Vec<String>, schema: Option<&Schema>) -> Result<Arguments, CliError> {
    let (mut object, mut pairs) = (Arguments::new(), Vec::new());
    let mut words = words.into_iter().peekable();
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
                // A flag needs no value, and may have one.
                None if is_boolean(schema, &name) => {
                    words.next_if(|word| word == "true" || word == "false").unwrap_or_else(|| "true".to_owned())
                }
                None => words.next().ok_or_else(|| CliError::Usage(format!("`--{flag}` has no value")))?,
            };
            pairs.push((name, text));
        } else if let Some((name, text)) = word.split_once(":=") {
            let misfit = |error: &dyn Display| CliError::Usage(format!("the value of `{name}:=` is not JSON: {error}"));
            parse_json(text.as_bytes(), DEPTH_MAX).map_err(|error| misfit(&error))?;
            object.insert(name.to_owned(), serde_json::from_str(text).map_err(|error| misfit(&error))?);
        } else if let Some((name, text)) = word.split_once('=') {
            pairs.push((name.to_owned(), text.to_owned()));
        } else {
            return Err(CliError::Usage(format!(
                "`{word}` is not an argument; write name=text, --name text, name:=JSON, a JSON object, or -"
            )));
        }
    }
    let mut written: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, text) in &pairs {
        written.entry(name.clone()).or_default().push(text.clone());
    }
    let converted = match schema {
        Some(schema) => schema
            .convert_pairs(pairs)
            .map_err(|errors| CliError::Usage(errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")))?,
        None => pairs.into_iter().map(|(name, text)| (name, Value::String(text))).collect(),
    };
    for (name, value) in converted {
        let texts = written.remove(&name).unwrap_or_default();
        let text = match (&value, texts.as_slice()) {
            (Value::Array(items), texts) if items.len() == texts.len() => {
                let items = items.iter().zip(texts).map(|(item, text)| raw(item, text)).collect::<Vec<_>>();
                format!("[{}]", items.join(","))
            }
            (value, [text]) => raw(value, text),
            (value, _) => value.to_string(),
        };
        object.insert(name, RawValue::from_string(text).map_err(|error| CliError::Usage(error.to_string()))?);
    }
    Ok(object)
}

fn merge(object: &mut Arguments, text: &str) -> Result<(), CliError> {
    let misfit = |error: &dyn Display| CliError::Usage(format!("the arguments are not valid JSON: {error}"));
    match parse_json(text.as_bytes(), DEPTH_MAX) {
        Ok(Value::Object(_)) => {
            object.extend(serde_json::from_str::<Arguments>(text).map_err(|error| misfit(&error))?);
            Ok(())
        }
        Ok(_) => Err(CliError::Usage("the arguments must be a JSON object".to_owned())),
        Err(error) => Err(misfit(&error)),
    }
}

/// Whether an argument is true or false, and may be left out at most.
fn is_boolean(schema: Option<&Schema>, name: &str) -> bool {
    let property = schema.and_then(|schema| Some((schema, schema.properties().find(|(own, _)| *own == name)?.1)));
    property.is_some_and(|(schema, property)| {
        let types = schema.types_of(property);
        types.contains(&"boolean") && types.iter().all(|kind| ["boolean", "null"].contains(kind))
    })
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
            "maybe": {"type": ["boolean", "null"]}, "either": {"anyOf": [{"type": "boolean"}, {"type": "null"}]},
        }}))
        .unwrap();
        for (words, expected) in [
            (&["name=5", "count=5"][..], Ok(json!({"name": "5", "count": 5}))),
            (&["--name", "Ann", "--loud", "--count=2"], Ok(json!({"name": "Ann", "loud": true, "count": 2}))),
            (&["--loud", "--maybe", "--either"], Ok(json!({"loud": true, "maybe": true, "either": true}))),
            (&["--loud", "false", "--maybe", "true", "x=y"], Ok(json!({"loud": false, "maybe": true, "x": "y"}))),
            (&["--loud", "no"], Err("`no` is not an argument")),
            (&["--loud=no"], Err("/loud: the text is not of type \"boolean\"")),
            (&["--full-name", "Ann B"], Ok(json!({"full_name": "Ann B"}))),
            (&["groups=a", "groups=b"], Ok(json!({"groups": ["a", "b"]}))),
            (&["groups:=[\"a\"]", "name=a=b"], Ok(json!({"groups": ["a"], "name": "a=b"}))),
            (&["{\"name\": \"x\"}", "count=1"], Ok(json!({"name": "x", "count": 1}))),
            (&["count=x"], Err("/count: the text is not of type \"integer\"")),
            (&["--name"], Err("`--name` has no value")),
            (&["name"], Err("`name` is not an argument")),
            (&["name:=x"], Err("the value of `name:=` is not JSON")),
            (&["{\"a\":1,\"a\":2}"], Err("not valid JSON")),
        ] {
            let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
            match (arguments(words.clone(), Some(&schema)), expected) {
                (Ok(got), Ok(expected)) => {
                    assert_eq!(serde_json::from_str::<Value>(&text(&got)).unwrap(), expected);
                }
                (Err(error), Err(expected)) => assert!(error.to_string().contains(expected), "{error}"),
                (got, _) => panic!("{words:?}: {got:?}"),
            }
        }
    }

    #[test]
    fn numbers_keep_their_digits() {
        let schema = Schema::input(json!({"type": "object", "properties": {
            "n": {"type": "number"}, "l": {"type": "array", "items": {"type": "number"}}, "i": {"type": "integer"},
        }}))
        .unwrap();
        for (words, expected) in [
            (&["m:=18446744073709551617"][..], r#"{"m":18446744073709551617}"#),
            (&["m:=[1.10, {\"a\": -0.0}]"], r#"{"m":[1.10, {"a": -0.0}]}"#),
            (&["{\"m\": 0.1000000000000000055511151231257827}"], r#"{"m":0.1000000000000000055511151231257827}"#),
            (&["{\"m\": 1}", "{\"m\": 1e2}"], r#"{"m":1e2}"#),
            (&["n=18446744073709551617", "l=1.10", "l=1e400000000000000000"], ""),
            (&["n=18446744073709551617", "l=1.10", "l=36e2"], r#"{"l":[1.10,36e2],"n":18446744073709551617}"#),
            (&["--n=0.30000000000000004441", "i=7"], r#"{"i":7,"n":0.30000000000000004441}"#),
            (&["n=007"], r#"{"n":7}"#),
            (&["i=18446744073709551617"], ""),
        ] {
            let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
            let got = arguments(words.clone(), Some(&schema)).map(|got| text(&got));
            assert_eq!(got.unwrap_or_default(), expected, "{words:?}");
        }
    }
}
