//! Arguments as they may be shown: secrets are replaced, long texts cut.
//!
//! A place is secret where *any* part of the schema that could be about it says `writeOnly: true` or
//! `format: password`, whether or not that part applies to the value at hand (`anyOf`, `if`, a pattern of names), and
//! where the schema allows nothing at all: a misspelled name may well stand before a password. What cannot be
//! followed (a reference that leads nowhere here) counts as secret. So this errs on one side only.

use std::collections::HashSet;

use serde_json::{Map, Value};

use super::references::{self, References};

/// What stands in the place of a secret.
pub const MASK: &str = "***";
/// Longest text that is shown whole, in bytes.
const TEXT_BYTES_MAX: usize = 256;
/// What is shown of a longer one, in bytes at most.
const HEAD_BYTES: usize = 64;
/// Most items of a list and members of an object that are shown.
const ITEMS_MAX: usize = 64;
/// Subschemas looked at for one value at most; more count as secret.
const SUBSCHEMAS_MAX: usize = 4096;

/// Keywords whose value is a schema about the same value.
const SAME: [&str; 5] = ["not", "if", "then", "else", "contentSchema"];
/// Keywords whose value is a list of schemas about the same value.
const SAME_LIST: [&str; 3] = ["allOf", "anyOf", "oneOf"];
/// Keywords whose value is a schema about every item that is not named elsewhere.
const ITEMS: [&str; 4] = ["items", "additionalItems", "contains", "unevaluatedItems"];

/// Whether a schema itself, without what it refers to, says that its value is secret.
pub fn says_secret(schema: &Map<String, Value>) -> bool {
    schema.get("writeOnly").is_some_and(|is| *is == Value::Bool(true))
        || schema.get("format").is_some_and(|format| format == "password")
}

/// The value as it may be shown, by the schema it is for.
pub fn mask(schema: &Value, value: &Value) -> Value {
    let root = Root(References::in_schema(schema));
    root.masked(&[schema], value)
}

/// Whether nothing in the schema says that something is secret. References lead nowhere but into the schema itself, and a
/// value that satisfies it has no member the schema does not speak of.
pub(super) fn has_no_secrets(schema: &Value) -> bool {
    match schema {
        Value::Object(members) => {
            !members.contains_key("writeOnly")
                && members.get("format").is_none_or(|format| format != "password")
                && members.values().all(has_no_secrets)
        }
        Value::Array(items) => items.iter().all(has_no_secrets),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => true,
    }
}

struct Root<'a>(References<'a>);

impl<'a> Root<'a> {
    fn masked(&self, schemas: &[&'a Value], value: &Value) -> Value {
        let Some(about) = self.all_about(schemas) else { return MASK.into() };
        match value {
            Value::String(text) => shown(text),
            Value::Array(items) => {
                let mut masked: Vec<Value> = items
                    .iter()
                    .take(ITEMS_MAX)
                    .enumerate()
                    .map(|(index, item)| self.masked(&about_item(&about, index), item))
                    .collect();
                if let Some(left @ 1..) = items.len().checked_sub(ITEMS_MAX) {
                    masked.push(format!("… ({left} more)").into());
                }
                Value::Array(masked)
            }
            Value::Object(members) => {
                let mut masked: Map<String, Value> = members
                    .iter()
                    .take(ITEMS_MAX)
                    .map(|(name, member)| (name_shown(name), self.masked(&about_member(&about, name), member)))
                    .collect();
                if let Some(left @ 1..) = members.len().checked_sub(ITEMS_MAX) {
                    masked.insert("…".to_owned(), format!("({left} more)").into());
                }
                Value::Object(masked)
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
        }
    }

    /// Every subschema that could be about the value these are about; nothing where one says that it is secret.
    fn all_about(&self, schemas: &[&'a Value]) -> Option<Vec<&'a Map<String, Value>>> {
        let (mut waiting, mut seen, mut about) = (schemas.to_vec(), HashSet::new(), Vec::new());
        while let Some(schema) = waiting.pop() {
            if !seen.insert(std::ptr::from_ref(schema)) {
                continue;
            }
            let members = match schema {
                Value::Bool(false) => return None,
                Value::Object(members) => members,
                Value::Null | Value::Bool(true) | Value::Number(_) | Value::String(_) | Value::Array(_) => continue,
            };
            if says_secret(members) || seen.len() > SUBSCHEMAS_MAX {
                return None;
            }
            for keyword in references::KEYWORDS {
                if let Some(reference) = members.get(keyword) {
                    waiting.push(self.0.resolve(reference.as_str()?)?);
                }
            }
            // `not: {}` forbids everything, and says nothing about secrets.
            waiting.extend(SAME.iter().filter_map(|keyword| members.get(*keyword)).filter(|schema| schema.is_object()));
            waiting.extend(
                SAME_LIST
                    .iter()
                    .filter_map(|keyword| members.get(*keyword)?.as_array())
                    .flatten()
                    .filter(|schema| schema.is_object()),
            );
            if let Some(dependent) = members.get("dependentSchemas").and_then(Value::as_object) {
                waiting.extend(dependent.values().filter(|schema| schema.is_object()));
            }
            about.push(members);
        }
        Some(about)
    }
}

fn about_item<'a>(about: &[&'a Map<String, Value>], index: usize) -> Vec<&'a Value> {
    let mut schemas = Vec::new();
    for members in about {
        let prefix = members.get("prefixItems").and_then(Value::as_array);
        schemas.extend(prefix.and_then(|prefix| prefix.get(index)));
        let named = prefix.is_some_and(|prefix| index < prefix.len());
        schemas.extend(
            ITEMS
                .iter()
                .filter(|_| !named)
                .filter_map(|keyword| members.get(*keyword))
                .filter(|schema| schema.is_object()),
        );
    }
    schemas
}

fn about_member<'a>(about: &[&'a Map<String, Value>], name: &str) -> Vec<&'a Value> {
    let mut schemas = Vec::new();
    // A composed schema closes what its parts name, so what any part names is not one of «the others». Whether a pattern
    // covers the name is not asked: «the others» then count where they say something, not where they close.
    let (mut named, mut covered) = (false, false);
    for members in about {
        let own = members.get("properties").and_then(|properties| properties.get(name));
        named |= own.is_some();
        schemas.extend(own);
        if let Some(patterns) = members.get("patternProperties").and_then(Value::as_object) {
            covered |= !patterns.is_empty();
            schemas.extend(patterns.values().filter(|schema| schema.is_object()));
        }
    }
    if !named {
        for keyword in ["additionalProperties", "unevaluatedProperties"] {
            let others = about.iter().filter_map(|members| members.get(keyword));
            schemas.extend(others.filter(|schema| schema.is_object() || !covered));
        }
    }
    schemas
}

fn shown(text: &str) -> Value {
    if text.len() <= TEXT_BYTES_MAX {
        return text.into();
    }
    let end = text.floor_char_boundary(HEAD_BYTES);
    format!("{}… ({} bytes)", text.get(..end).unwrap_or_default(), text.len()).into()
}

fn name_shown(name: &str) -> String {
    match shown(name) {
        Value::String(name) => name,
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn secrets_are_found_wherever_they_are_declared() {
        let secret = json!({"type": "string", "writeOnly": true});
        let password = json!({"type": "string", "format": "password"});
        let value = json!({"a": "S", "b": "shown"});
        for schema in [
            json!({"properties": {"a": secret}}),
            json!({"properties": {"a": password}}),
            json!({"properties": {"a": {"type": "object", "writeOnly": true}}}),
            json!({"properties": {"a": {"$ref": "#/$defs/secret"}}, "$defs": {"secret": secret}}),
            json!({"properties": {"a": {"$ref": "#/$defs/se%20cret"}}, "$defs": {"se cret": secret}}),
            json!({"properties": {"a": {"$ref": "#secret"}}, "$defs": {"x": {"$anchor": "secret", "writeOnly": true}}}),
            json!({"properties": {"a": {"$dynamicRef": "#s"}}, "$defs": {"x": {"$dynamicAnchor": "s", "writeOnly": true}}}),
            json!({"allOf": [{"properties": {"a": secret}}], "properties": {"a": {}, "b": {}}}),
            json!({"anyOf": [{"properties": {"a": {}}}, {"properties": {"a": password}}]}),
            json!({"if": {"properties": {"b": {}}}, "then": {"properties": {"a": secret}}}),
            json!({"dependentSchemas": {"zz": {"properties": {"a": secret}}}}),
            json!({"properties": {"a": {"oneOf": [{"type": "integer"}, secret]}}}),
            json!({"properties": {"b": {}}, "additionalProperties": secret}),
            json!({"properties": {"b": {}}, "additionalProperties": false}),
            json!({"properties": {"b": {}}, "patternProperties": {}, "unevaluatedProperties": false}),
            // What cannot be followed.
            json!({"properties": {"a": {"$ref": "#/nowhere"}}}),
            json!({"properties": {"a": {"$ref": "https://example.org/schema"}}}),
            json!({"properties": {"a": {"$ref": "#/$defs/x"}}, "$defs": {"x": {"$id": "y", "type": "string"}}}),
        ] {
            assert_eq!(mask(&schema, &value), json!({"a": "***", "b": "shown"}), "{schema}");
        }
    }

    #[test]
    fn secrets_in_lists_and_below_are_found() {
        let schema = json!({"type": "object", "properties": {
            "list": {"items": {"properties": {"key": {"writeOnly": true}}}},
            "pair": {"prefixItems": [{}, {"format": "password"}]},
            "map": {"additionalProperties": {"writeOnly": true}},
            "tree": {"$ref": "#/$defs/tree"},
        }, "$defs": {"tree": {"properties": {"pin": {"writeOnly": true}, "below": {"$ref": "#/$defs/tree"}}}}});
        let value = json!({
            "list": [{"key": 1, "name": "n"}, {"key": ["S"]}], "pair": ["u", "S", "v"], "map": {"x": "S", "y": {"z": 1}},
            "tree": {"pin": "S", "below": {"below": {"pin": 4711, "name": "t"}}},
        });
        assert_eq!(
            mask(&schema, &value),
            json!({
                "list": [{"key": "***", "name": "n"}, {"key": "***"}], "pair": ["u", "***", "v"],
                "map": {"x": "***", "y": "***"}, "tree": {"pin": "***", "below": {"below": {"pin": "***", "name": "t"}}},
            })
        );
    }

    #[test]
    fn a_closed_composition_shows_what_its_parts_name() {
        let schema = json!({"allOf": [{"properties": {"a": {"type": "string"}}}], "unevaluatedProperties": false});
        assert_eq!(mask(&schema, &json!({"a": "x", "b": "y"})), json!({"a": "x", "b": "***"}));
    }

    #[test]
    fn long_values_are_cut_with_their_length() {
        let text = "é".repeat(200);
        assert_eq!(mask(&json!({}), &json!(text)), json!(format!("{}… (400 bytes)", "é".repeat(32))));
        assert_eq!(mask(&json!({}), &json!("x".repeat(TEXT_BYTES_MAX))), json!("x".repeat(TEXT_BYTES_MAX)));
        let list = mask(&json!({}), &json!(vec![0; ITEMS_MAX + 3]));
        assert_eq!((list.as_array().unwrap().len(), &list[ITEMS_MAX]), (ITEMS_MAX + 1, &json!("… (3 more)")));
    }

    #[test]
    fn a_schema_in_circles_ends() {
        let schema = json!({"$ref": "#/$defs/a", "$defs": {"a": {"allOf": [{"$ref": "#/$defs/b"}, {"$ref": "#"}]}, "b": {"$ref": "#/$defs/a"}}});
        assert_eq!(mask(&schema, &json!({"a": 1})), json!({"a": 1}));
    }

    /// A schema with secret places, and a value whose texts at those places begin with `S`.
    fn cases() -> impl Strategy<Value = (Value, Value)> {
        let leaf = prop_oneof![
            Just((json!({"type": "string"}), json!("open"))),
            Just((json!({"type": "string", "writeOnly": true}), json!("S-secret"))),
            Just((json!({"format": "password"}), json!({"S-name": ["S-in", {"x": "S-deep"}]}))),
        ];
        leaf.prop_recursive(5, 40, 4, |inner| {
            prop_oneof![
                prop::collection::btree_map("[a-d]", inner.clone(), 0..4).prop_map(|members| {
                    let properties: Map<_, _> =
                        members.iter().map(|(name, (schema, _))| (name.clone(), schema.clone())).collect();
                    let value: Map<_, _> = members.into_iter().map(|(name, (_, value))| (name, value)).collect();
                    (json!({"properties": properties}), Value::Object(value))
                }),
                prop::collection::vec(inner.clone(), 0..4).prop_map(|items| {
                    let (schemas, values): (Vec<_>, Vec<_>) = items.into_iter().unzip();
                    (json!({"prefixItems": schemas}), Value::Array(values))
                }),
                inner.clone().prop_map(|(schema, value)| (json!({"items": schema}), json!([value, value]))),
                inner.clone().prop_map(|(schema, value)| (json!({"anyOf": [{"type": "null"}, schema]}), value)),
                inner
                    .clone()
                    .prop_map(|(schema, value)| (json!({"additionalProperties": schema}), json!({"m": value}))),
                inner.prop_map(|(schema, value)| (
                    json!({"patternProperties": {"^z": {}, "^m": schema}}),
                    json!({"m": value})
                )),
            ]
        })
    }

    proptest! {
        #[test]
        fn no_text_of_a_secret_place_survives((schema, value) in cases(), shared in any::<bool>()) {
            let schema = if shared { json!({"$ref": "#/$defs/it", "$defs": {"it": schema}}) } else { schema };
            let shown = mask(&schema, &value).to_string();
            prop_assert!(!shown.contains("S-"), "{shown}");
        }

        #[test]
        fn no_schema_panics(text in "\\PC{0,40}") {
            let _ = mask(&json!({"$ref": text, "properties": {"a": {"$ref": format!("#{text}")}}}), &json!({"a": 1}));
        }
    }
}
