//! A command as a tool. Its schema of arguments fits as it is; a result must be an object for a tool, so any other is put
//! into one, as its member `result`.

use std::sync::Arc;

use muster_core::command::{Command, Effects};
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
    let input = plain(command.input.json()).as_object().cloned().unwrap_or_default();
    let mut tool = Tool::new(command.name.as_str().to_owned(), description(listed), Arc::new(input));
    tool.title = Some(command.summary.clone());
    tool.output_schema = output(command).map(Arc::new);
    tool.annotations = Some(annotations(&command.summary, command.effects));
    tool
}

/// What an assistant may expect of a call. Where nothing is said of effects, nothing is known of them, and clients have to
/// expect the worst: no hint says otherwise.
fn annotations(summary: &str, effects: Effects) -> ToolAnnotations {
    let annotations = ToolAnnotations::with_title(summary.to_owned()).read_only(effects.read_only);
    if effects == Effects::default() {
        return annotations;
    }
    let annotations = annotations.destructive(effects.destructive).idempotent(effects.idempotent);
    annotations.open_world(effects.open_world)
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
        parts.push(format!("It may be called only if {}.", listed.only_where.join(", or if ")));
    }
    parts.join("\n\n")
}

/// Whether results are objects already.
fn is_object(command: &Command) -> bool {
    command.output.json().get("type").and_then(Value::as_str) == Some("object")
}

/// The schema of results. Nothing where it refers to itself in ways that end when it is put into another.
fn output(command: &Command) -> Option<JsonObject> {
    let schema = plain(command.output.json());
    if is_object(command) {
        return schema.as_object().cloned();
    }
    if !only_refers_to_definitions(&schema) {
        return None;
    }
    let mut inner = schema;
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

/// The schema in words every released client takes: schemas are objects, never `true` or `false`, since clients read them as
/// objects and refuse the whole list of tools else; formats are those JSON Schema has, and there is no keyword it has not.
/// What a value must be stays the same.
fn plain(schema: &Value) -> Value {
    let Value::Object(members) = schema else {
        return match schema {
            Value::Bool(false) => json!({ "not": {} }),
            // Nothing else is a schema.
            Value::Bool(true)
            | Value::Null
            | Value::Number(_)
            | Value::String(_)
            | Value::Array(_)
            | Value::Object(_) => {
                json!({})
            }
        };
    };
    let each = |members: &Map<String, Value>| -> Map<String, Value> {
        members.iter().map(|(name, schema)| (name.clone(), plain(schema))).collect()
    };
    let plain_member = |(keyword, value): (&String, &Value)| {
        let value = match (KEYWORDS.iter().find(|(name, _)| name == keyword)?.1, value) {
            (Kind::Schema, Value::Object(_) | Value::Bool(_)) | (Kind::SchemaOrBool, Value::Object(_)) => plain(value),
            // Before 2020-12, `items` could be a list.
            (Kind::Schema | Kind::Schemas, Value::Array(schemas)) => schemas.iter().map(plain).collect(),
            (Kind::Named, Value::Object(members)) => Value::Object(each(members)),
            (Kind::Format, Value::String(format)) if !FORMATS.contains(&format.as_str()) => return None,
            _ => value.clone(),
        };
        Some((keyword.clone(), value))
    };
    Value::Object(members.iter().filter_map(plain_member).collect())
}

/// What the value of a keyword is.
#[derive(Clone, Copy, Debug)]
enum Kind {
    /// A schema.
    Schema,
    /// A schema that clients take as `true` or `false` as well, and some want so.
    SchemaOrBool,
    /// A list of schemas.
    Schemas,
    /// Schemas by name.
    Named,
    /// The name of a format.
    Format,
    /// No schema.
    Plain,
}

/// The keywords of JSON Schema, 2020-12 and before.
const KEYWORDS: &[(&str, Kind)] = &[
    ("$anchor", Kind::Plain),
    ("$comment", Kind::Plain),
    ("$defs", Kind::Named),
    ("$dynamicAnchor", Kind::Plain),
    ("$dynamicRef", Kind::Plain),
    ("$id", Kind::Plain),
    ("$recursiveAnchor", Kind::Plain),
    ("$recursiveRef", Kind::Plain),
    ("$ref", Kind::Plain),
    ("$schema", Kind::Plain),
    ("additionalItems", Kind::SchemaOrBool),
    ("additionalProperties", Kind::SchemaOrBool),
    ("allOf", Kind::Schemas),
    ("anyOf", Kind::Schemas),
    ("const", Kind::Plain),
    ("contains", Kind::Schema),
    ("contentEncoding", Kind::Plain),
    ("contentMediaType", Kind::Plain),
    ("contentSchema", Kind::Schema),
    ("default", Kind::Plain),
    ("definitions", Kind::Named),
    ("dependencies", Kind::Plain),
    ("dependentRequired", Kind::Plain),
    ("dependentSchemas", Kind::Named),
    ("deprecated", Kind::Plain),
    ("description", Kind::Plain),
    ("else", Kind::Schema),
    ("enum", Kind::Plain),
    ("examples", Kind::Plain),
    ("exclusiveMaximum", Kind::Plain),
    ("exclusiveMinimum", Kind::Plain),
    ("format", Kind::Format),
    ("if", Kind::Schema),
    ("items", Kind::Schema),
    ("maxContains", Kind::Plain),
    ("maxItems", Kind::Plain),
    ("maxLength", Kind::Plain),
    ("maxProperties", Kind::Plain),
    ("maximum", Kind::Plain),
    ("minContains", Kind::Plain),
    ("minItems", Kind::Plain),
    ("minLength", Kind::Plain),
    ("minProperties", Kind::Plain),
    ("minimum", Kind::Plain),
    ("multipleOf", Kind::Plain),
    ("not", Kind::Schema),
    ("oneOf", Kind::Schemas),
    ("pattern", Kind::Plain),
    ("patternProperties", Kind::Named),
    ("prefixItems", Kind::Schemas),
    ("properties", Kind::Named),
    ("propertyNames", Kind::Schema),
    ("readOnly", Kind::Plain),
    ("required", Kind::Plain),
    ("then", Kind::Schema),
    ("title", Kind::Plain),
    ("type", Kind::Plain),
    ("unevaluatedItems", Kind::SchemaOrBool),
    ("unevaluatedProperties", Kind::SchemaOrBool),
    ("uniqueItems", Kind::Plain),
    ("writeOnly", Kind::Plain),
];

/// The formats of JSON Schema (2020-12, Validation §7.3).
const FORMATS: &[&str] = &[
    "date",
    "date-time",
    "duration",
    "email",
    "hostname",
    "idn-email",
    "idn-hostname",
    "ipv4",
    "ipv6",
    "iri",
    "iri-reference",
    "json-pointer",
    "regex",
    "relative-json-pointer",
    "time",
    "uri",
    "uri-reference",
    "uri-template",
    "uuid",
];

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hint_says_what_is_known_of_effects() {
        let unknown = Effects::default();
        let idempotent = Effects { idempotent: true, ..unknown };
        for (effects, expected) in [
            (unknown, json!({"title": "x", "readOnlyHint": false})),
            (
                idempotent,
                json!({
                    "title": "x", "readOnlyHint": false, "destructiveHint": false, "idempotentHint": true,
                    "openWorldHint": false,
                }),
            ),
        ] {
            assert_eq!(serde_json::to_value(annotations("x", effects)).unwrap(), expected);
        }
    }

    #[test]
    fn schemas_of_tools_are_objects_of_words_clients_know() {
        for (schema, expected) in [
            (json!(true), json!({})),
            (json!(false), json!({"not": {}})),
            (
                json!({"type": "object", "properties": {"a": true, "b": false, "format": {"type": "string"}}}),
                json!({"type": "object", "properties": {"a": {}, "b": {"not": {}}, "format": {"type": "string"}}}),
            ),
            (
                json!({"items": true, "prefixItems": [true, {"not": true}]}),
                json!({"items": {}, "prefixItems": [{}, {"not": {}}]}),
            ),
            (
                json!({"$defs": {"x": true}, "anyOf": [true, false]}),
                json!({"$defs": {"x": {}}, "anyOf": [{}, {"not": {}}]}),
            ),
            (
                json!({"if": true, "then": false, "contains": true}),
                json!({"if": {}, "then": {"not": {}}, "contains": {}}),
            ),
            (json!({"patternProperties": {"^x": true}}), json!({"patternProperties": {"^x": {}}})),
            // Clients take these as they are, and some want them so.
            (
                json!({"additionalProperties": false, "unevaluatedProperties": true}),
                json!({"additionalProperties": false, "unevaluatedProperties": true}),
            ),
            (json!({"additionalProperties": {"items": true}}), json!({"additionalProperties": {"items": {}}})),
            // What is data is not touched.
            (
                json!({"const": true, "enum": [true, {"format": "uint8"}], "default": false, "examples": [true]}),
                json!({"const": true, "enum": [true, {"format": "uint8"}], "default": false, "examples": [true]}),
            ),
            (
                json!({"uniqueItems": true, "readOnly": true, "deprecated": true}),
                json!({"uniqueItems": true, "readOnly": true, "deprecated": true}),
            ),
            // Formats and keywords of others are left out.
            (json!({"type": "integer", "format": "uint32", "minimum": 0}), json!({"type": "integer", "minimum": 0})),
            (
                json!({"type": "string", "format": "password", "x-order": 1, "discriminator": {}}),
                json!({"type": "string"}),
            ),
            (json!({"type": "string", "format": "date-time"}), json!({"type": "string", "format": "date-time"})),
        ] {
            assert_eq!(plain(&schema), expected, "{schema}");
        }
    }
}
