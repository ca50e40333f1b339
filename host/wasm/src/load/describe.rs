//! A plugin's description of its commands: checked, encoded as JSON beside the component, and thawed at the next start
//! without asking the guest again.

use muster_component::LoadError;
use muster_core::command::{Audience, Command, EXAMPLES_MAX, Effects, Example, Origin};
use muster_core::name::{CommandName, Tag};
use muster_core::printable;
use muster_core::schema::{DEPTH_MAX, Schema, names_no_members, parse_json};
use serde_json::{Value, json};

use crate::bindings::muster::plugin::types;

/// Most commands of one plugin, every version counted.
pub(crate) const COMMANDS_MAX: usize = 256;

fn bad(command: &str, reason: impl Into<String>) -> LoadError {
    let command = command.chars().take(80).collect();
    LoadError::BadCommand { command, reason: reason.into() }
}

/// Makes commands of what the guest said.
pub(crate) fn from_guest(described: Vec<types::Command>, origin: &Origin) -> Result<Vec<Command>, LoadError> {
    if described.is_empty() || described.len() > COMMANDS_MAX {
        return Err(LoadError::Describe(format!(
            "it described {} commands; 1 to {COMMANDS_MAX} are allowed",
            described.len()
        )));
    }
    described.into_iter().map(|command| one_from_guest(command, origin)).collect()
}

/// What the author of these commands may not have meant.
pub(crate) fn notes(described: &[types::Command]) -> Vec<String> {
    let takes_none = |command: &&types::Command| {
        parse_json(command.input.as_bytes(), DEPTH_MAX).is_ok_and(|schema| names_no_members(&schema))
    };
    let note = |command: &types::Command| {
        let name = printable::title(&command.name, 80);
        format!(
            "`{name}` has no arguments, because its input schema names none: add `properties`, or \
             `\"additionalProperties\": true` to accept any object"
        )
    };
    described.iter().filter(takes_none).map(note).collect()
}

fn one_from_guest(described: types::Command, origin: &Origin) -> Result<Command, LoadError> {
    let named = described.name.clone();
    let refuse = |reason: String| bad(&named, reason);
    let schema =
        |side: &str, text: &str| Schema::parse_text(text).map_err(|error| refuse(format!("its {side} schema {error}")));
    if described.examples.len() > EXAMPLES_MAX {
        return Err(refuse(format!(
            "it has {} examples; at most {EXAMPLES_MAX} are allowed",
            described.examples.len()
        )));
    }
    let example = |example: types::Example| -> Result<Example, LoadError> {
        let read = |side: &str, text: &str| {
            parse_json(text.as_bytes(), DEPTH_MAX).map_err(|error| {
                refuse(format!("the {side} of its example \"{}\" is not JSON: {error}", example.title))
            })
        };
        Ok(Example {
            input: read("input", &example.input)?,
            output: read("output", &example.output)?,
            title: printable::one_line(&example.title),
        })
    };
    let tags = described.tags.iter().map(|tag| Tag::parse(tag)).collect::<Result<_, _>>();
    let command = Command {
        name: CommandName::parse(&described.name).map_err(|error| refuse(error.to_string()))?,
        version: described.version,
        summary: printable::lines(&described.summary),
        description: printable::lines(&described.description),
        tags: tags.map_err(|error| refuse(error.to_string()))?,
        rule_tags: Vec::new(),
        audience: match described.audience {
            types::Audience::Restricted => Audience::Restricted,
            types::Audience::Admin => Audience::Admin,
            types::Audience::User => Audience::User,
            types::Audience::Open => Audience::Open,
        },
        effects: Effects {
            read_only: described.effects.contains(types::Effects::READ_ONLY),
            idempotent: described.effects.contains(types::Effects::IDEMPOTENT),
            destructive: described.effects.contains(types::Effects::DESTRUCTIVE),
            open_world: described.effects.contains(types::Effects::OPEN_WORLD),
        },
        input: Schema::input(schema("input", &described.input)?)
            .map_err(|error| refuse(format!("its input schema {error}")))?,
        output: Schema::output(schema("output", &described.output)?)
            .map_err(|error| refuse(format!("its output schema {error}")))?,
        examples: described.examples.into_iter().map(example).collect::<Result<_, _>>()?,
        deprecated: described.deprecated.as_deref().map(printable::one_line),
        input_bytes_max: None,
        deadline_least: None,
        origin: origin.clone(),
    };
    command.check().map_err(refuse)?;
    Ok(command)
}

/// Writes a command down.
pub(crate) fn encode(command: &Command) -> Value {
    json!({
        "name": command.name.as_str(), "version": command.version, "summary": command.summary,
        "description": command.description, "tags": command.tags.iter().map(Tag::as_str).collect::<Vec<_>>(),
        "audience": command.audience.as_str(), "effects": command.effects.names(),
        "input": command.input.json(), "output": command.output.json(), "deprecated": command.deprecated,
        "examples": command.examples.iter().map(|example| json!({
            "title": example.title, "input": example.input, "output": example.output,
        })).collect::<Vec<_>>(),
    })
}

/// Reads a command that [`encode`] wrote.
pub(crate) fn decode(encoded: &Value, origin: &Origin) -> Result<Command, LoadError> {
    let text = |value: &Value, key: &str| value.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let list = |key: &str| encoded.get(key).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let has = |effect: &str| list("effects").iter().any(|name| name == effect);
    let name = text(encoded, "name");
    let refuse = |reason: String| bad(&name, format!("its stored description is not readable: {reason}"));
    let value = |from: &Value, key: &str| from.get(key).cloned().unwrap_or_default();
    let tags = list("tags").iter().map(|tag| Tag::parse(tag.as_str().unwrap_or_default())).collect::<Result<_, _>>();
    Ok(Command {
        name: CommandName::parse(&name).map_err(|error| refuse(error.to_string()))?,
        version: encoded
            .get("version")
            .and_then(Value::as_u64)
            .and_then(|version| u32::try_from(version).ok())
            .unwrap_or(0),
        summary: text(encoded, "summary"),
        description: text(encoded, "description"),
        tags: tags.map_err(|error| refuse(error.to_string()))?,
        rule_tags: Vec::new(),
        audience: Audience::parse(&text(encoded, "audience")).unwrap_or_default(),
        effects: Effects {
            read_only: has("read_only"),
            idempotent: has("idempotent"),
            destructive: has("destructive"),
            open_world: has("open_world"),
        },
        input: Schema::input(value(encoded, "input")).map_err(refuse)?,
        output: Schema::output(value(encoded, "output")).map_err(refuse)?,
        examples: list("examples")
            .iter()
            .map(|example| Example {
                title: text(example, "title"),
                input: value(example, "input"),
                output: value(example, "output"),
            })
            .collect(),
        deprecated: encoded.get("deprecated").and_then(Value::as_str).map(str::to_owned),
        input_bytes_max: None,
        deadline_least: None,
        origin: origin.clone(),
    })
}
