//! Which field a schema becomes, what comes back out of it, and that nothing that is submitted does harm.

use proptest::prelude::*;
use serde_json::json;

use super::*;

fn schema(argument: &Value, required: bool) -> Schema {
    let required = if required { json!(["a"]) } else { json!([]) };
    Schema::input(json!({"type": "object", "properties": {"a": argument}, "required": required, "$defs": {
        "color": {"enum": ["red", "green"]}, "described": {"oneOf": [{"const": "x"}, {"const": 5}]},
    }}))
    .unwrap()
}

fn show(schema: &Schema, given: &Submitted) -> String {
    fields(schema).map(|field| field.show(given, &[]).write(FORMS)).collect()
}

/// The type of a field, and what it takes.
#[test]
fn schemas_become_fields() {
    let nullable = json!({"anyOf": [{"$ref": "#/$defs/color"}, {"type": "null"}]});
    for (argument, kind, takes) in [
        (json!({"type": "string"}), "text-single", ""),
        (json!({"type": ["string", "null"]}), "text-single", ""),
        (json!({"type": "string", "format": "password"}), "text-private", ""),
        (json!({"type": "string", "writeOnly": true}), "text-private", ""),
        (json!({"type": "string", "format": "jid"}), "jid-single", ""),
        (json!({"type": "string", "contentMediaType": "text/markdown"}), "text-multi", ""),
        (json!({"type": "string", "default": "a\nb"}), "text-multi", ""),
        (json!({"type": "string", "format": "date-time"}), "text-single", "datatype=\"xs:dateTime\"><basic/>"),
        (json!({"type": "string", "format": "uri"}), "text-single", "datatype=\"xs:anyURI\""),
        (json!({"type": "string", "pattern": "^[a-z]{1,3}$"}), "text-single", "<regex>[a-z]{1,3}</regex>"),
        (json!({"type": "integer"}), "text-single", "datatype=\"xs:integer\"><basic/>"),
        (json!({"type": "integer", "minimum": 1, "maximum": 9}), "text-single", "<range min=\"1\" max=\"9\"/>"),
        (
            json!({"type": ["number", "null"], "minimum": 0.5}),
            "text-single",
            "datatype=\"xs:double\"><range min=\"0.5\"/>",
        ),
        (json!({"type": "boolean"}), "boolean", ""),
        (json!({"type": ["boolean", "null"]}), "boolean", ""),
        (json!({"$ref": "#/$defs/color"}), "list-single", "<value>green</value>"),
        (json!({"$ref": "#/$defs/described"}), "list-single", "<value>5</value>"),
        (nullable, "list-single", "<value>green</value>"),
        (
            json!({"type": "array", "items": {"$ref": "#/$defs/color"}, "maxItems": 2}),
            "list-multi",
            "<list-range max=\"2\"/>",
        ),
        (json!({"type": "array", "items": {"type": "string"}}), "text-multi", "one per line"),
        (json!({"type": "array", "items": {"type": "integer"}}), "text-multi", "one per line"),
        (json!({"type": "array", "items": {"type": "string", "format": "jid"}}), "jid-multi", ""),
        (json!({"type": "array", "items": {"type": "array"}}), "text-multi", "as JSON"),
        (json!({"type": "array"}), "text-multi", "as JSON"),
        (json!({"type": "object"}), "text-multi", "as JSON"),
        (json!({"type": ["string", "object"]}), "text-multi", "as JSON"),
        (json!({}), "text-multi", "as JSON"),
        (json!(true), "text-multi", "as JSON"),
    ] {
        let shown = show(&schema(&argument, false), &Submitted::new());
        let expected = format!("<field var=\"a\" type=\"{kind}\"");
        assert!(shown.starts_with(&expected) && shown.contains(takes), "{argument}\n{shown}");
    }
}

/// Patterns XEP-0122 has no words for are left out rather than told wrongly.
#[test]
fn patterns_that_mean_something_else_are_left_out() {
    for pattern in ["[a-z]+", "^a", "a$", "^\\d+$", "^(?:a)$", "^a|b$", "^a+?$", "^a^b$", "^[\u{e9}]$"] {
        assert_eq!(whole_pattern(pattern), None, "{pattern}");
    }
    assert_eq!(whole_pattern("^[A-Z]{2}(-[0-9]+)?$"), Some("[A-Z]{2}(-[0-9]+)?"));
}

#[test]
fn fields_become_arguments() {
    let texts = json!({"type": "array", "items": {"type": "string"}});
    let numbers = json!({"type": "array", "items": {"type": "integer"}});
    for (argument, required, values, expected) in [
        (json!({"type": "string"}), false, &["5"][..], json!({"a": "5"})),
        (json!({"type": "string"}), false, &[""], json!({})),
        (json!({"type": "string"}), true, &[""], json!({"a": ""})),
        (json!({"type": "string"}), true, &["a", "b"], json!({"a": "a\nb"})),
        (json!({"type": "integer"}), true, &["-5"], json!({"a": -5})),
        (json!({"type": "integer"}), true, &["five"], json!({"a": "five"})),
        (json!({"type": "integer"}), true, &[""], json!({})),
        (json!({"type": ["integer", "null"]}), false, &["null"], json!({"a": null})),
        (json!({"type": "number"}), false, &["1.5"], json!({"a": 1.5})),
        (json!({"type": "boolean"}), false, &["1"], json!({"a": true})),
        (json!({"type": "boolean"}), false, &["false"], json!({"a": false})),
        (json!({"type": "boolean"}), false, &["maybe"], json!({"a": "maybe"})),
        (json!({"$ref": "#/$defs/described"}), false, &["5"], json!({"a": 5})),
        (json!({"$ref": "#/$defs/described"}), false, &["6"], json!({"a": "6"})),
        (json!({"$ref": "#/$defs/described"}), false, &[""], json!({})),
        (texts.clone(), false, &["a", "", "b"], json!({"a": ["a", "b"]})),
        (texts.clone(), false, &[], json!({})),
        (texts, true, &[], json!({"a": []})),
        (numbers, true, &["1", "x"], json!({"a": [1, "x"]})),
        (json!({"type": "object"}), true, &["{\"b\":", "1}"], json!({"a": {"b": 1}})),
        (json!({"type": "object"}), true, &["{"], json!({"a": "{"})),
        (json!({"type": "array"}), true, &["[1, {}]"], json!({"a": [1, {}]})),
        (json!({}), false, &["text"], json!({"a": "text"})),
    ] {
        let submitted = vec![("a".to_owned(), values.iter().map(|text| (*text).to_owned()).collect())];
        let got = Value::Object(arguments(&schema(&argument, required), &submitted));
        assert_eq!(got, expected, "{argument} {values:?}");
    }
    let unknown = vec![("b".to_owned(), vec!["1".to_owned()])];
    assert_eq!(Value::Object(arguments(&schema(&json!({}), false), &unknown)), json!({"b": "1"}));
}

#[test]
fn members_a_schema_does_not_name_come_as_json() {
    let open = Schema::input(json!({"type": "object", "additionalProperties": {"type": "integer"}})).unwrap();
    assert!(takes_arguments(&open));
    let submitted = |text: &str| vec![(MORE.to_owned(), vec![text.to_owned()])];
    assert_eq!(Value::Object(arguments(&open, &submitted("{\"x\": 1}"))), json!({"x": 1}));
    assert_eq!(Value::Object(arguments(&open, &submitted(""))), json!({}));
    assert_eq!(Value::Object(arguments(&open, &submitted("x"))), json!({"#json": "x"}));
    assert!(!takes_arguments(&Schema::input(json!({"type": "object"})).unwrap()));
}

#[test]
fn what_was_given_comes_again_and_secrets_do_not() {
    let given = vec![("a".to_owned(), vec!["once".to_owned(), "<more>".to_owned()])];
    let shown = show(&schema(&json!({"type": "string", "default": "x"}), false), &given);
    assert!(shown.contains("<value>once</value><value>&lt;more&gt;</value>") && !shown.contains("<value>x</value>"));
    let shown = show(&schema(&json!({"type": "string", "writeOnly": true, "default": "x"}), false), &given);
    assert!(!shown.contains("<value>"), "{shown}");
}

#[test]
fn only_a_form_that_was_submitted_is_one() {
    let form = |kind: &str| Element::new(FORMS, "x").with("type", kind);
    let field = |name: &str| Element::new(FORMS, "field").with("var", name.to_owned()).child(value("1"));
    assert!(submitted(&form("submit")).unwrap().is_empty());
    for bad in
        [form("form"), form("result"), Element::new(FORMS, "x"), form("submit").child(field("a")).child(field("a"))]
    {
        assert!(submitted(&bad).is_err());
    }
    let many = |count: usize| {
        let fields: Vec<Element> = (0..count).map(|number| field(&number.to_string())).collect();
        form("submit").children(fields)
    };
    assert!(submitted(&many(FIELDS_MAX)).is_ok());
    assert!(submitted(&many(FIELDS_MAX + 1)).is_err());
    let hidden = form("submit").child(field("FORM_TYPE")).child(Element::new(FORMS, "field").with("type", "fixed"));
    assert!(submitted(&hidden).unwrap().is_empty());
}

fn arguments_of_any_kind() -> impl Strategy<Value = Value> {
    prop::sample::select(vec![
        json!({"type": "string"}),
        json!({"type": "integer"}),
        json!({"type": ["number", "null"]}),
        json!({"type": "boolean"}),
        json!({"$ref": "#/$defs/color"}),
        json!({"$ref": "#/$defs/described"}),
        json!({"type": "array", "items": {"$ref": "#/$defs/color"}}),
        json!({"type": "array", "items": {"type": "number"}}),
        json!({"type": "object"}),
        json!({"anyOf": [{"type": "null"}, {"$ref": "#"}]}),
        json!({}),
    ])
}

proptest! {
    /// A default that fits its schema is returned unchanged.
    #[test]
    fn a_default_comes_back(text in "[ -~][ -~\n]{0,40}", number in any::<i32>(), truth in any::<bool>()) {
        for (argument, value) in [
            (json!({"type": "string"}), json!(text)),
            (json!({"type": "integer"}), json!(number)),
            (json!({"type": "boolean"}), json!(truth)),
            (json!({"type": "array", "items": {"type": "integer"}}), json!([number, 1])),
            (json!({"type": "object"}), json!({"b": [text, number, truth]})),
        ] {
            let mut argument = argument;
            argument["default"] = value.clone();
            let schema = schema(&argument, true);
            let field = fields(&schema).next().unwrap();
            let submitted = vec![("a".to_owned(), field.texts(&value))];
            let arguments = arguments(&schema, &submitted);
            prop_assert_eq!(arguments.get("a"), Some(&value));
        }
    }

    #[test]
    fn nothing_that_is_submitted_panics(
        argument in arguments_of_any_kind(),
        values in prop::collection::vec(".{0,20}", 0..4),
        required in any::<bool>(),
    ) {
        let schema = schema(&argument, required);
        let submitted = vec![("a".to_owned(), values.clone()), (MORE.to_owned(), values)];
        let _ = arguments(&schema, &submitted);
        let _ = show(&schema, &submitted);
    }
}
