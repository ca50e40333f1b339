//! A command as a tool. Its schema of arguments fits as it is; a result must be an object for a tool, so any other is put
//! into one, as its member `result`.

use std::sync::Arc;

use muster_core::command::Command;
use muster_core::dispatch::Listed;
use rmcp::model::{JsonObject, Tool, ToolAnnotations};
use serde_json::{Map, Value, json};

/// The member that has a result which is no object.
pub(super) const RESULT: &str = "result";
/// Where definitions are that can be moved up.
const DEFINITIONS: [&str; 2] = ["$defs", "definitions"];

/// The tool a command is.
pub(super) fn tool(listed: &Listed) -> Tool {
    let command = &listed.registered.command;
    let effects = command.effects;
    let input = command.input.json().as_object().cloned().unwrap_or_default();
    let mut tool = Tool::new(command.name.as_str().to_owned(), description(listed), Arc::new(input));
    tool.title = Some(command.summary.clone());
    tool.output_schema = output(command).map(Arc::new);
    tool.annotations = Some(
        ToolAnnotations::with_title(command.summary.clone())
            .read_only(effects.read_only)
            .destructive(effects.destructive)
            .idempotent(effects.idempotent)
            .open_world(effects.open_world),
    );
    tool
}

/// Everything an assistant has to know, in one text: no other part of a tool is shown to all of them.
fn description(listed: &Listed) -> String {
    let command = &listed.registered.command;
    let mut parts = vec![format!("{}.", command.summary.trim_end_matches('.'))];
    if !command.description.is_empty() {
        parts.push(command.description.clone());
    }
    if let Some(instead) = &command.deprecated {
        parts.push(format!("Deprecated. {instead}"));
    }
    if !listed.only_where.is_empty() {
        parts.push(format!("It may be called only where {}.", listed.only_where.join(", or where ")));
    }
    parts.join("\n\n")
}

/// Whether results are objects already.
fn is_object(command: &Command) -> bool {
    command.output.json().get("type").and_then(Value::as_str) == Some("object")
}

/// The schema of results. Nothing where it refers to itself in ways that end when it is put into another.
fn output(command: &Command) -> Option<JsonObject> {
    let schema = command.output.json();
    if is_object(command) {
        return schema.as_object().cloned();
    }
    if !only_refers_to_definitions(schema) {
        return None;
    }
    let mut inner = schema.clone();
    let mut outer = Map::new();
    if let Some(members) = inner.as_object_mut() {
        for keyword in DEFINITIONS {
            outer.extend(members.shift_remove(keyword).map(|value| (keyword.to_owned(), value)));
        }
        members.shift_remove("$schema");
    }
    outer.insert("type".to_owned(), json!("object"));
    outer.insert("properties".to_owned(), json!({ RESULT: inner }));
    outer.insert("required".to_owned(), json!([RESULT]));
    Some(outer)
}

/// Looks at every member, also where it is data: a schema that is left out without need does no harm.
fn only_refers_to_definitions(schema: &Value) -> bool {
    match schema {
        Value::Object(members) => members.iter().all(|(keyword, value)| match keyword.as_str() {
            "$ref" => value.as_str().is_some_and(|to| to.starts_with("#/$defs/") || to.starts_with("#/definitions/")),
            "$id" | "$anchor" | "$dynamicAnchor" | "$dynamicRef" => false,
            _ => only_refers_to_definitions(value),
        }),
        Value::Array(items) => items.iter().all(only_refers_to_definitions),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => true,
    }
}

/// A result as a tool has it.
pub(super) fn structured(command: &Command, value: Value) -> Value {
    if is_object(command) { value } else { json!({ RESULT: value }) }
}
