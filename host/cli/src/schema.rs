//! Schemas in a few words: what a command takes and gives, as `help` shows it.

use serde_json::{Map, Value};

use super::command_help::{alternatives, resolved, types, values};

/// How deep a schema is looked into.
const DEPTH_MAX: usize = 4;

/// A schema's type, or the values it names. That something may be null is not said.
pub(crate) fn kind(root: &Value, schema: &Value) -> String {
    kind_at(root, schema, 0)
}

fn kind_at(root: &Value, schema: &Value, depth: usize) -> String {
    if let Some(values) = values(root, schema) {
        return values.iter().map(ToString::to_string).collect::<Vec<_>>().join(" | ");
    }
    let mut found: Vec<String> = Vec::new();
    for one in alternatives(root, schema) {
        let kinds = match (values(root, one), types(root, one)) {
            (Some(values), _) => values.iter().map(ToString::to_string).collect(),
            (None, types) if types.is_empty() => vec![untyped(root, one, depth)],
            (None, types) => types
                .into_iter()
                .map(|kind| match (kind, one.get("items")) {
                    ("array", Some(items)) if depth < DEPTH_MAX => {
                        format!("list of {}", kind_at(root, items, depth + 1))
                    }
                    ("array", _) => "list".to_owned(),
                    (other, _) => other.to_owned(),
                })
                .collect(),
        };
        for kind in kinds {
            if !found.contains(&kind) {
                found.push(kind);
            }
        }
    }
    if found.is_empty() { "null".to_owned() } else { found.join(" or ") }
}

/// A schema that does not say its type itself.
fn untyped(root: &Value, schema: &Value, depth: usize) -> String {
    let all = schema.get("allOf").and_then(Value::as_array).into_iter().flatten();
    let said = all.map(|one| if depth < DEPTH_MAX { kind_at(root, one, depth + 1) } else { "any".to_owned() });
    let said = said.into_iter().find(|kind| kind != "any");
    let is_object = schema.get("properties").is_some();
    said.unwrap_or_else(|| if is_object { "object" } else { "any" }.to_owned())
}

/// Whether null fits a schema that says more than that.
pub(crate) fn may_be_null(root: &Value, schema: &Value) -> bool {
    let schema = resolved(root, schema);
    let among = |key: &str, is_null: &dyn Fn(&Value) -> bool| {
        schema
            .get(key)
            .and_then(Value::as_array)
            .is_some_and(|several| several.len() > 1 && several.iter().any(is_null))
    };
    let is_null = |one: &Value| one.get("type").and_then(Value::as_str) == Some("null");
    among("type", &|one| one == "null") || among("anyOf", &is_null) || among("oneOf", &is_null)
}

/// The schema whose members are worth telling: an object's own, or those of the objects in a list.
pub(crate) fn rows_of<'a>(root: &'a Value, schema: &'a Value) -> &'a Value {
    let alternatives = alternatives(root, schema);
    let [one] = alternatives.as_slice() else { return &Value::Null };
    match one.get("items") {
        Some(items) if types(root, one) == ["array"] => match self::alternatives(root, items).as_slice() {
            [item] => item,
            _ => &Value::Null,
        },
        _ => one,
    }
}

/// A row for each member of an object: name, type, whether it is there, what it is. `asked`: whether the reader has to
/// provide it.
pub(crate) fn members(root: &Value, schema: &Value, asked: bool) -> Vec<[String; 4]> {
    let schema = resolved(root, schema);
    let required = schema.get("required").and_then(Value::as_array);
    let properties = schema.get("properties").and_then(Value::as_object).into_iter().flatten();
    let row = |(name, property): (&String, &Value)| {
        let is_required = required.is_some_and(|all| all.iter().any(|one| one == name));
        let presence = match (asked, is_required) {
            (true, true) => "required",
            (true, false) => "optional",
            (false, true) => "",
            (false, false) => "if there is one",
        };
        let or_null = if !asked && may_be_null(root, property) { " or null" } else { "" };
        [format!("  {name}"), kind(root, property) + or_null, presence.to_owned(), about(root, property)]
    };
    properties.map(row).collect()
}

/// What an author says of a member, with its bounds, what it is without being given, and what its values mean.
fn about(root: &Value, schema: &Value) -> String {
    let target = resolved(root, schema);
    let text = |one: &Value| one.get("description").and_then(Value::as_str).unwrap_or_default().to_owned();
    let mut said = text(schema);
    if said.is_empty() {
        said = text(target);
    }
    let mut facts = facts(root, schema);
    if let Some(default) = schema.get("default").or_else(|| target.get("default"))
        && !default.is_null()
    {
        facts.push(format!("default: {default}"));
    }
    if !facts.is_empty() {
        if !said.is_empty() {
            said.push(' ');
        }
        said.extend(["[", &facts.join("; "), "]"]);
    }
    let meanings = alternatives(root, schema)
        .into_iter()
        .filter_map(|one| Some(format!("\n{}: {}", one.get("const")?, one.get("description")?.as_str()?)));
    said.extend(meanings);
    said
}

/// The bounds of a value.
fn facts(root: &Value, schema: &Value) -> Vec<String> {
    let mut found = Vec::new();
    // What stands beside a reference counts as well.
    let target = resolved(root, schema);
    let mut parts = alternatives(root, schema);
    for one in [schema, target] {
        if !parts.iter().any(|part| std::ptr::eq(*part, one)) {
            parts.push(one);
        }
    }
    for part in parts.iter().filter_map(|part| part.as_object()) {
        found.extend(bounds(part));
        let items = part.get("items").map(|items| resolved(root, items)).and_then(Value::as_object);
        found.extend(items.into_iter().flat_map(bounds).map(|bound| format!("each {bound}")));
    }
    found
}

fn bounds(schema: &Map<String, Value>) -> Vec<String> {
    let said = |key: &str| schema.get(key).map(ToString::to_string);
    let range = |least: &str, most: &str, unit: &str| match (
        said(least).filter(|least| least != "0" || unit.is_empty()),
        said(most),
    ) {
        (Some(least), Some(most)) => Some(format!("{least} to {most}{unit}")),
        (Some(least), None) => Some(format!("at least {least}{unit}")),
        (None, Some(most)) => Some(format!("at most {most}{unit}")),
        (None, None) => None,
    };
    let text = |key: &str| schema.get(key).and_then(Value::as_str);
    [
        range("minimum", "maximum", ""),
        said("exclusiveMinimum").map(|bound| format!("more than {bound}")),
        said("exclusiveMaximum").map(|bound| format!("less than {bound}")),
        said("multipleOf").map(|number| format!("a multiple of {number}")),
        range("minLength", "maxLength", " characters"),
        range("minItems", "maxItems", " items"),
        (schema.get("uniqueItems") == Some(&Value::Bool(true))).then(|| "no item twice".to_owned()),
        text("pattern").map(|pattern| format!("matches {pattern}")),
        text("format").filter(|format| !is_of_a_number(format)).map(|format| format!("format: {format}")),
        text("contentEncoding").map(|encoding| format!("encoding: {encoding}")),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// Whether a format only says how a program keeps a number, such as `uint32`.
fn is_of_a_number(format: &str) -> bool {
    ["int", "uint", "float", "double"].iter().any(|kind| format.starts_with(kind))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn schemas_are_said_in_a_few_words() {
        let root = json!({ "$defs": {
            "level": { "oneOf": [
                { "const": "low", "type": "string", "description": "Little." },
                { "const": "high", "type": "string", "description": "Much." },
            ] },
            "wrapped": { "$ref": "#/$defs/level" },
            "row": { "type": "object", "properties": { "level": { "$ref": "#/$defs/level" } } },
            "circle": { "type": "array", "items": { "$ref": "#/$defs/circle" } },
        } });
        for (schema, expected, said) in [
            (json!({ "type": "string" }), "string", ""),
            (json!({}), "any", ""),
            (json!(true), "any", ""),
            (
                json!({ "type": ["integer", "null"], "minimum": 0, "maximum": 9, "default": 5 }),
                "integer",
                "[0 to 9; default: 5]",
            ),
            (
                json!({ "type": "integer", "minimum": 1, "format": "uint8", "description": "How many." }),
                "integer",
                "How many. [at least 1]",
            ),
            (
                json!({ "type": "string", "maxLength": 8, "pattern": "^a" }),
                "string",
                "[at most 8 characters; matches ^a]",
            ),
            (json!({ "enum": ["a", "b", null] }), "\"a\" | \"b\"", ""),
            (json!({ "const": 5 }), "5", ""),
            (json!({ "$ref": "#/$defs/wrapped" }), "\"low\" | \"high\"", "\n\"low\": Little.\n\"high\": Much."),
            (
                json!({ "anyOf": [{ "$ref": "#/$defs/wrapped" }, { "type": "null" }] }),
                "\"low\" | \"high\"",
                "\n\"low\": Little.\n\"high\": Much.",
            ),
            (
                json!({ "anyOf": [{ "type": "string", "maxLength": 3 }, { "type": "integer" }] }),
                "string or integer",
                "[at most 3 characters]",
            ),
            (
                json!({ "type": ["array", "null"], "items": { "type": "string", "maxLength": 5 }, "maxItems": 3 }),
                "list of string",
                "[at most 3 items; each at most 5 characters]",
            ),
            (json!({ "type": "array", "items": { "$ref": "#/$defs/row" } }), "list of object", ""),
            (json!({ "allOf": [{ "$ref": "#/$defs/row" }] }), "object", ""),
            (json!({ "$ref": "#/$defs/circle" }), "list of list of list of list of list", ""),
            (json!({ "$ref": "#/$defs/nowhere" }), "any", ""),
            (json!({ "type": "null" }), "null", ""),
        ] {
            assert_eq!(kind(&root, &schema), expected, "{schema}");
            assert_eq!(about(&root, &schema), said, "{schema}");
        }
        let list = json!({ "type": "array", "items": { "$ref": "#/$defs/row" } });
        let rows = members(&root, rows_of(&root, &list), false);
        assert_eq!(rows.len(), 1);
        assert_eq!(rows[0][1], "\"low\" | \"high\"");
        assert!(may_be_null(&root, &json!({ "type": ["string", "null"] })));
        assert!(!may_be_null(&root, &json!({ "type": "null" })));
    }
}
