//! What is known of commands. The command `help` tells it; who may not call that has the OpenAPI document, which is there
//! for everybody and about the same commands. Both become entries of one form.

use std::collections::BTreeSet;

use muster_core::permission::Pattern;
use serde_json::{Map, Value, json};

use super::client::{Client, ClientError, Problem};

const DOCUMENT: &str = "/openapi.json";
/// Where the document has schemas.
const COMPONENTS: &str = "#/components/schemas/";
/// How deep schemas are looked into.
const DEPTH_MAX: usize = 4;

/// What the host says of the commands whose name, tag or pattern the topic is: every version an entry, the latest first.
///
/// # Errors
/// When the host cannot be reached, or tells this caller nothing.
pub(crate) fn entries(client: &Client, topic: Option<&str>) -> Result<Vec<Value>, ClientError> {
    match client.help(topic) {
        Err(ClientError::Refused(problem)) if may_not(client, &problem) => match client.fetch(DOCUMENT) {
            Ok(document) => Ok(of_document(&document, topic)),
            Err(_) => Err(ClientError::Refused(problem)),
        },
        other => other,
    }
}

/// Whether the caller presented a credential and was rejected: a wrong credential is not tried a second time.
fn may_not(client: &Client, problem: &Problem) -> bool {
    let code = problem.code();
    ["forbidden", "unknown-command"].contains(&code) || (code == "unauthenticated" && client.is_anonymous())
}

/// The form of a command that answers a call: the latest, or the highest at or below a version.
pub(crate) fn form<'a>(entries: &'a [Value], command: &str, version: Option<u32>) -> Option<&'a Value> {
    entries.iter().find(|entry| {
        let at = entry.get("version").and_then(Value::as_u64).unwrap_or_default();
        entry.get("name").and_then(Value::as_str) == Some(command)
            && version.is_none_or(|wanted| at <= u64::from(wanted))
    })
}

/// What a schema stands for: itself, or what it refers to within its root. Bounded, since an author may write a circle.
pub(crate) fn resolved<'a>(root: &'a Value, mut schema: &'a Value) -> &'a Value {
    for _ in 0..8 {
        let reference = schema.get("$ref").and_then(Value::as_str).and_then(|text| text.strip_prefix('#'));
        match reference.and_then(|pointer| root.pointer(pointer)) {
            Some(target) => schema = target,
            None => break,
        }
    }
    schema
}

/// The schemas a value may fit, one of which is enough: those of `anyOf` and `oneOf`, without null; else the schema itself.
pub(crate) fn alternatives<'a>(root: &'a Value, schema: &'a Value) -> Vec<&'a Value> {
    let mut found = Vec::new();
    gather(root, schema, 0, &mut found);
    found
}

fn gather<'a>(root: &'a Value, schema: &'a Value, depth: usize, found: &mut Vec<&'a Value>) {
    let schema = resolved(root, schema);
    match ["anyOf", "oneOf"].iter().find_map(|key| schema.get(*key).and_then(Value::as_array)) {
        Some(several) if depth < DEPTH_MAX => {
            for one in several {
                gather(root, one, depth + 1, found);
            }
        }
        Some(_) | None if is_null(schema) => {}
        Some(_) | None => found.push(schema),
    }
}

/// Whether nothing but null fits.
fn is_null(schema: &Value) -> bool {
    schema.get("type").and_then(Value::as_str) == Some("null") || schema.get("const") == Some(&Value::Null)
}

/// The types a value may have, but null, as far as the schema says so plainly.
pub(crate) fn types<'a>(root: &'a Value, schema: &'a Value) -> Vec<&'a str> {
    let of_one = |schema: &'a Value| match schema.get("type") {
        Some(Value::String(one)) => vec![one.as_str()],
        Some(Value::Array(several)) => several.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    let all = alternatives(root, schema).into_iter().flat_map(of_one);
    all.filter(|kind| *kind != "null").collect()
}

/// The values a schema names, where it names all there are but null.
pub(crate) fn values(root: &Value, schema: &Value) -> Option<Vec<Value>> {
    let of_one = |schema: &Value| match (schema.get("const"), schema.get("enum")) {
        (Some(one), _) => Some(vec![one.clone()]),
        (None, Some(Value::Array(several))) => Some(several.iter().filter(|one| !one.is_null()).cloned().collect()),
        _ => None,
    };
    let each: Option<Vec<Vec<Value>>> = alternatives(root, schema).into_iter().map(of_one).collect();
    each.map(|each| each.concat()).filter(|values| !values.is_empty())
}

/// The entries of a document, in the form `help` has.
fn of_document(document: &Value, topic: Option<&str>) -> Vec<Value> {
    let empty = Map::new();
    let components = document.pointer("/components/schemas").and_then(Value::as_object).unwrap_or(&empty);
    let paths = document.get("paths").and_then(Value::as_object).into_iter().flatten();
    // The addresses with a version have each form once.
    let forms = paths.filter(|(path, _)| path.strip_prefix("/api/").is_some_and(|rest| rest.contains("/v")));
    let entries = forms.filter_map(|(_, methods)| Some(entry(methods.get("post")?, components)));
    entries.filter(|entry| matches(topic, entry)).collect()
}

fn entry(operation: &Value, components: &Map<String, Value>) -> Value {
    let part = |pointer: &str| operation.pointer(pointer).cloned().unwrap_or_default();
    let text = |pointer: &str| operation.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let (sent, answered) = ("/requestBody/content/application~1json", "/responses/200/content/application~1json");
    let schema = |side: &str| {
        let reference = operation.pointer(&format!("{side}/schema/$ref")).and_then(Value::as_str).unwrap_or_default();
        of_its_own(reference, components)
    };
    let outputs = part(&format!("{answered}/examples"));
    let inputs = part(&format!("{sent}/examples"));
    let examples = inputs.as_object().into_iter().flatten().map(|(name, example)| {
        let side = |example: Option<&Value>| example.and_then(|example| example.get("value")).cloned();
        json!({
            "title": example.get("summary"), "input": side(Some(example)), "output": side(outputs.get(name)),
        })
    });
    json!({
        "name": part("/x-muster/command"), "version": part("/x-muster/version"), "summary": text("/summary"),
        "description": text("/description"), "tags": part("/tags"), "audience": part("/x-muster/audience"),
        "effects": part("/x-muster/effects"), "only_where": part("/x-muster/only_where"),
        // The description says it.
        "deprecated": null,
        "origin": part("/x-muster/origin"), "input": schema(sent), "output": schema(answered),
        "examples": examples.collect::<Vec<_>>(),
    })
}

/// A schema of the document, with every schema it refers to inside it.
fn of_its_own(reference: &str, components: &Map<String, Value>) -> Value {
    let name_of = |reference: &str| reference.strip_prefix(COMPONENTS).unwrap_or_default().to_owned();
    let mut schema = components.get(&name_of(reference)).cloned().unwrap_or_default();
    let (mut needed, mut unread) = (Map::new(), BTreeSet::new());
    references(&schema, &mut unread);
    while let Some(next) = unread.pop_first() {
        let name = name_of(&next);
        if let (Some(target), false) = (components.get(&name), needed.contains_key(&name)) {
            references(target, &mut unread);
            needed.insert(name, target.clone());
        }
    }
    if let (Some(members), false) = (schema.as_object_mut(), needed.is_empty()) {
        members.insert("components".to_owned(), json!({ "schemas": needed }));
    }
    schema
}

fn references(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(members) => {
            found.extend(members.get("$ref").and_then(Value::as_str).map(str::to_owned));
            members.values().for_each(|value| references(value, found));
        }
        Value::Array(items) => items.iter().for_each(|value| references(value, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// As the command `help` chooses.
fn matches(topic: Option<&str>, entry: &Value) -> bool {
    let text = |key: &str| entry.get(key).and_then(Value::as_str).unwrap_or_default();
    let mut tags = entry.get("tags").and_then(Value::as_array).into_iter().flatten();
    topic.is_none_or(|topic| {
        tags.any(|tag| tag.as_str() == Some(topic)) || Pattern::glob(topic).is_ok_and(|glob| glob.matches(text("name")))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_says_what_help_says() {
        let post = json!({
            "summary": "Greets", "tags": ["demo"], "x-muster": { "command": "hello", "version": 2 },
            "requestBody": { "content": { "application/json": {
                "schema": { "$ref": "#/components/schemas/hello.v2.input" },
                "examples": { "example-1": { "summary": "One", "value": { "a": 1 } } },
            } } },
            "responses": { "200": { "content": { "application/json": {
                "schema": { "$ref": "#/components/schemas/hello.v2.output" },
                "examples": { "example-1": { "value": "x" } },
            } } } },
        });
        let document = json!({
            "paths": { "/api": {}, "/api/hello": { "post": post }, "/api/hello/v2": { "post": post } },
            "components": { "schemas": {
                "hello.v2.input": { "type": "object", "properties": { "a": { "$ref": "#/components/schemas/A" } } },
                "A": { "anyOf": [{ "items": { "$ref": "#/components/schemas/A" } }, { "type": "boolean" }] },
                "hello.v2.output": { "type": "string" },
            } },
        });
        for (topic, count) in [(None, 1), (Some("hello"), 1), (Some("h*o"), 1), (Some("demo"), 1), (Some("hell"), 0)] {
            assert_eq!(of_document(&document, topic).len(), count, "{topic:?}");
        }
        let entries = of_document(&document, None);
        let entry = form(&entries, "hello", Some(3)).unwrap();
        assert_eq!(entry["examples"], json!([{ "title": "One", "input": { "a": 1 }, "output": "x" }]));
        assert_eq!(entry["output"], json!({ "type": "string" }));
        assert!(muster_core::schema::Schema::input(entry["input"].clone()).is_ok());
        assert!(form(&entries, "hello", Some(1)).is_none());
    }

    #[test]
    fn values_are_found_wherever_a_schema_has_them() {
        let root = json!({ "$defs": { "level": { "oneOf": [{ "const": "low" }, { "enum": ["high", "top"] }] } } });
        for (schema, expected) in [
            (json!({ "enum": ["a", null, 1] }), Some(json!(["a", 1]))),
            (json!({ "anyOf": [{ "$ref": "#/$defs/none" }, { "type": "null" }] }), None),
            (json!({ "anyOf": [{ "const": "low" }, { "type": "null" }] }), Some(json!(["low"]))),
            (json!({ "anyOf": [{ "$ref": "#/$defs/level" }, { "const": null }] }), Some(json!(["low", "high", "top"]))),
            (json!({ "$ref": "#/$defs/level" }), Some(json!(["low", "high", "top"]))),
            (json!({ "anyOf": [{ "const": 1 }, { "type": "string" }] }), None),
            (json!({ "type": "string" }), None),
        ] {
            assert_eq!(values(&root, &schema).map(Value::from), expected, "{schema}");
        }
    }
}
