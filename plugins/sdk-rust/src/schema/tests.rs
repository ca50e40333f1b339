//! Schemas as texts: what a host and its users get to see for an author's types.

use std::collections::BTreeMap;

use serde_json::json;

use super::*;

#[crate::data]
struct Inner {
    x: f64,
}

#[crate::data]
enum Shape {
    Dot,
    Circle { radius: u8 },
}

/// How loud.
#[crate::data]
#[serde(rename_all = "lowercase")]
enum Volume {
    /// Hardly heard.
    Low,
    /// Heard everywhere.
    High,
    Off,
}

#[crate::data]
#[serde(tag = "kind")]
struct Tree {
    children: Vec<Tree>,
}

#[crate::data]
struct Merged {
    own: u8,
    #[serde(flatten)]
    shape: Shape,
}

#[track_caller]
fn check<T: Answer<Kind>, Kind>(expected: &Value) {
    let text = output::<T, Kind>();
    assert_eq!(&serde_json::from_str::<Value>(&text).unwrap(), expected);
}

#[test]
fn numbers_have_exact_ranges_and_no_rust_formats() {
    check::<u8, _>(&json!({"type": "integer", "minimum": 0, "maximum": 255}));
    check::<i8, _>(&json!({"type": "integer", "minimum": -128, "maximum": 127}));
    check::<u16, _>(&json!({"type": "integer", "minimum": 0, "maximum": 65535}));
    check::<i16, _>(&json!({"type": "integer", "minimum": -32768, "maximum": 32767}));
    check::<u32, _>(&json!({"type": "integer", "minimum": 0, "maximum": 4_294_967_295_u32}));
    check::<i32, _>(&json!({"type": "integer", "minimum": i32::MIN, "maximum": i32::MAX}));
    check::<usize, _>(&json!({"type": "integer", "minimum": 0, "maximum": 4_294_967_295_u32}));
    check::<u64, _>(&json!({"type": "integer", "minimum": 0}));
    check::<i64, _>(&json!({"type": "integer"}));
    check::<f64, _>(&json!({"type": "number"}));
    check::<f32, _>(&json!({"type": "number"}));
    check::<Option<u8>, _>(&json!({"type": ["integer", "null"], "minimum": 0, "maximum": 255}));
}

#[test]
fn results_are_seen_through() {
    check::<(), _>(&json!({"type": "null"}));
    check::<String, _>(&json!({"type": "string"}));
    check::<Result<bool, crate::CallError>, _>(&json!({"type": "boolean"}));
    check::<BTreeMap<String, Vec<u8>>, _>(&json!({
        "type": "object",
        "additionalProperties": {"type": "array", "items": {"type": "integer", "minimum": 0, "maximum": 255}},
    }));
}

#[test]
fn objects_are_closed_and_inlined() {
    let inner = json!({
        "type": "object", "properties": {"x": {"type": "number"}}, "required": ["x"], "additionalProperties": false,
    });
    check::<Inner, _>(&inner);
    check::<Vec<Inner>, _>(&json!({"type": "array", "items": inner}));
    check::<Option<Inner>, _>(&json!({
        "type": ["object", "null"], "properties": {"x": {"type": "number"}}, "required": ["x"],
        "additionalProperties": false,
    }));
}

#[test]
fn alternatives_stay_apart() {
    let circle = json!({
        "type": "object",
        "properties": {"radius": {"type": "integer", "minimum": 0, "maximum": 255}},
        "required": ["radius"],
        "additionalProperties": false,
    });
    check::<Shape, _>(&json!({"oneOf": [
        {"type": "string", "enum": ["Dot"]},
        {"type": "object", "properties": {"Circle": circle}, "required": ["Circle"], "additionalProperties": false},
    ]}));
}

#[test]
fn documented_words_are_one_enum() {
    let description = "How loud.\n\n- `low`: Hardly heard.\n- `high`: Heard everywhere.";
    let text = output::<Volume, _>();
    let mut schema: Value = serde_json::from_str(&text).unwrap();
    let words = schema["enum"].as_array_mut().unwrap();
    words.sort_by_key(ToString::to_string);
    assert_eq!(schema, json!({"type": "string", "description": description, "enum": ["high", "low", "off"]}));
}

#[test]
fn parts_of_a_merged_object_stay_open() {
    let schema: Value = serde_json::from_str(&output::<Merged, _>()).unwrap();
    assert_eq!(schema.get("additionalProperties"), None, "{schema:#}");
    for part in schema["oneOf"].as_array().unwrap() {
        assert_eq!(part.get("additionalProperties"), None, "{schema:#}");
    }
}

#[test]
fn recursive_types_keep_a_reference() {
    let schema: Value = serde_json::from_str(&output::<Tree, _>()).unwrap();
    assert_eq!(schema["properties"]["children"]["items"]["$ref"], "#", "{schema:#}");
}

#[derive(crate::serde::Deserialize, crate::schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "only its schema is looked at")]
struct Arguments {
    /// Whom.
    #[schemars(length(max = 3))]
    zoe: String,
    ann: Option<u8>,
    #[serde(default)]
    bob: bool,
}

#[test]
fn arguments_keep_the_order_of_the_function() {
    let text = input::<Arguments>(&["zoe", "ann", "bob"]);
    let schema: Value = serde_json::from_str(&text).unwrap();
    let expected = json!({
        "type": "object",
        "properties": {
            "zoe": {"type": "string", "description": "Whom.", "maxLength": 3},
            "ann": {"type": ["integer", "null"], "minimum": 0, "maximum": 255},
            "bob": {"type": "boolean", "default": false},
        },
        "required": ["zoe"],
        "additionalProperties": false,
    });
    assert_eq!(schema, expected);
    // As text, because a JSON object in memory may be sorted.
    let places = ["\"zoe\":", "\"ann\":", "\"bob\":"].map(|name| text.find(name).unwrap());
    assert!(places.is_sorted(), "{text}");
}

#[derive(crate::serde::Deserialize, crate::schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
struct Nothing {}

#[test]
fn no_arguments_is_an_empty_closed_object() {
    let schema: Value = serde_json::from_str(&input::<Nothing>(&[])).unwrap();
    assert_eq!(schema, json!({"type": "object", "properties": {}, "additionalProperties": false}));
}
