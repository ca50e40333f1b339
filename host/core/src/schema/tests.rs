//! Schema × value → pointers; schemas that are refused.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::Schema;

#[track_caller]
#[expect(clippy::needless_pass_by_value, reason = "rows of a table are written as values")]
fn check(schema: Value, value: Value, expected: &[&str]) {
    let schema = Schema::input(schema).unwrap();
    let got: Vec<String> = match schema.check(&value) {
        Ok(()) => Vec::new(),
        Err(errors) => errors.iter().map(ToString::to_string).collect(),
    };
    assert_eq!(got, expected, "{value}");
}

#[test]
fn every_misfit_has_a_pointer() {
    let schema = json!({"type": "object", "required": ["a"], "properties": {
        "a": {"type": "string", "maxLength": 3},
        "n": {"type": "integer", "minimum": 0, "maximum": 9},
        "l": {"type": "array", "items": {"type": "string"}},
    }});
    check(schema.clone(), json!({"a": "x"}), &[]);
    check(schema.clone(), json!({}), &["/a: is required"]);
    check(schema.clone(), json!({"a": 5}), &["/a: the value is not of type \"string\""]);
    check(schema.clone(), json!({"a": "long"}), &["/a: the value is longer than 3 characters"]);
    check(schema.clone(), json!({"a": "x", "n": 10}), &["/n: the value is greater than the maximum of 9"]);
    check(schema.clone(), json!({"a": "x", "l": ["y", 1]}), &["/l/1: the value is not of type \"string\""]);
    check(schema.clone(), json!({"a": "x", "b/c": 1}), &["/b~1c: is not allowed here"]);
    check(schema, json!([]), &["the value is not of type \"object\""]);
}

#[test]
fn who_is_wrong_is_told_what_would_be_right() {
    check(json!({"type": "object"}), json!({"x": 1}), &["/x: is not an argument; this command has no arguments"]);
    check(
        json!({"type": "object", "properties": {}}),
        json!({"x": 1}),
        &["/x: is not an argument; this command has no arguments"],
    );
    let colour = json!({"enum": ["red", "green"]});
    let of_consts =
        json!({"oneOf": [{"const": "red", "description": "warm"}, {"const": "green"}, {"enum": ["blue", 7]}]});
    let maybe = json!({"anyOf": [of_consts, {"type": "null"}]});
    let shape = json!({"oneOf": [
        {"type": "object", "required": ["circle"], "additionalProperties": false, "properties": {
            "circle": {"type": "object", "required": ["r"], "properties": {"r": {"type": "number"}}}}},
        {"type": "object", "required": ["square"], "additionalProperties": false, "properties": {
            "square": {"type": "object", "required": ["a"], "properties": {"a": {"type": "number"}}}}},
        {"const": "point"},
    ]});
    let tagged = json!({"oneOf": [
        {"type": "object", "required": ["kind", "r"], "properties": {"kind": {"const": "circle"}, "r": {"type": "number"}}},
        {"type": "object", "required": ["kind", "a"], "properties": {"kind": {"const": "square"}, "a": {"type": "number"}}},
    ]});
    for (schema, value, expected) in [
        (&colour, json!("blue"), "/v: must be one of \"red\", \"green\""),
        (&json!({"const": 7}), json!(8), "/v: must be 7"),
        (&of_consts, json!("black"), "/v: must be one of \"red\", \"green\", \"blue\", 7"),
        (&maybe, json!("black"), "/v: must be one of \"red\", \"green\", \"blue\", 7"),
        (
            &json!({"anyOf": [{"type": "integer"}, {"type": "null"}]}),
            json!("x"),
            "/v: the value is not of type \"integer\"",
        ),
        (&shape, json!({"square": {"a": "wide"}}), "/v/square/a: the value is not of type \"number\""),
        (&shape, json!({"square": {}}), "/v/square/a: is required"),
        (&shape, json!({"circle": {"r": null}}), "/v/circle/r: the value is not of type \"number\""),
        (&tagged, json!({"kind": "square", "a": "wide"}), "/v/a: the value is not of type \"number\""),
        (&tagged, json!({"kind": "square"}), "/v/a: is required"),
    ] {
        check(json!({"type": "object", "properties": {"v": schema}}), json!({"v": value}), &[expected]);
    }
    // A list that would fill the screen is cut.
    let many: Vec<u32> = (0..1000).collect();
    let errors = Schema::input(json!({"type": "object", "properties": {"v": {"enum": many}}})).unwrap();
    let message = errors.check(&json!({"v": "x"})).unwrap_err()[0].message.clone();
    assert!(message.starts_with("must be one of 0, 1, 2") && message.ends_with("19, …"), "{message}");
}

#[test]
fn composed_schemas_are_closed_too() {
    let schema = json!({"type": "object", "allOf": [{"properties": {"a": {"type": "string"}}}]});
    check(schema.clone(), json!({"a": "x"}), &[]);
    check(schema, json!({"z": "x"}), &["/z: is not allowed here"]);
}

#[test]
fn an_author_may_leave_an_object_open() {
    check(json!({"type": "object", "additionalProperties": true}), json!({"anything": 1}), &[]);
}

#[test]
fn errors_never_repeat_the_value() {
    let schema =
        Schema::input(json!({"type": "object", "properties": {"p": {"type": "string", "pattern": "^[0-9]+$"}}}));
    let errors = schema.unwrap().check(&json!({"p": "hunter2"})).unwrap_err();
    assert!(!errors[0].to_string().contains("hunter2"), "{}", errors[0]);
}

#[test]
fn unusable_schemas_are_refused() {
    for (schema, expected) in [
        (json!([]), "must be a JSON object"),
        (json!({}), "\"type\": \"object\""),
        (json!({"type": "string"}), "\"type\": \"object\""),
        (json!({"type": "object", "properties": {"a": {"type": "strin"}}}), "not a valid JSON Schema"),
        (json!({"type": "object", "properties": {"a": {"$ref": "http://example.org/x"}}}), "which is not part of it"),
        (json!({"type": "object", "properties": {"a": {"$ref": "#/properties/a"}}}), "refers to itself"),
        (json!({"type": "object", "properties": {"a": {"pattern": "("}}}), "not a valid JSON Schema"),
        (json!({"type": "object", "properties": {"a": {"pattern": "(a)\\1"}}}), "not a valid JSON Schema"),
    ] {
        let error = Schema::input(schema.clone()).unwrap_err();
        assert!(error.contains(expected), "{schema}: {error}");
    }
}

proptest! {
    /// A text can never change a type: what the schema calls a string stays that very text, whatever it looks like.
    #[test]
    fn a_string_argument_is_the_text_itself(text in ".{0,40}") {
        let schema = Schema::input(json!({"type": "object", "properties": {"s": {"type": "string"}}})).unwrap();
        let object = schema.convert_pairs(vec![("s".to_owned(), text.clone())]).unwrap();
        prop_assert_eq!(&object["s"], &Value::String(text));
    }

    /// Every text of a number means that number, and no other text means one.
    #[test]
    fn an_integer_argument_is_what_its_digits_say(number in any::<i64>(), junk in "[ +a-z.]{1,3}") {
        let schema = Schema::input(json!({"type": "object", "properties": {"n": {"type": "integer"}}})).unwrap();
        let convert = |text: String| schema.convert_pairs(vec![("n".to_owned(), text)]);
        prop_assert_eq!(&convert(number.to_string()).unwrap()["n"], &json!(number));
        let text = format!("{number}{junk}");
        prop_assert!(convert(text).is_err());
    }

    /// Whatever a schema asks for and whatever comes, the answer is a verdict with pointers into the value.
    #[test]
    fn errors_point_into_the_value(kind in "string|integer|array|object|null|strange", text in "[a-z0-9{}\\[\\]\",:]{0,20}") {
        let Ok(schema) = Schema::input(json!({"type": "object", "properties": {"x": {"type": kind}}})) else { return Ok(()) };
        let value: Value = serde_json::from_str(&text).unwrap_or(Value::Null);
        if let Err(errors) = schema.check(&json!({"x": value, "y": 1})) {
            prop_assert!(errors.iter().all(|error| ["/x", "/y"].contains(&error.pointer.as_str())));
        }
    }
}
