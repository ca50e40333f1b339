//! Schemas of commands as parts of one document. A command's schema is a document of its own, whose references begin at
//! its root; here each becomes a component, its definitions components beside it, and every reference is written anew.
//! What it says stays the same.

use std::collections::BTreeMap;

use muster_core::schema::{Schema, TextForm};
use serde_json::{Map, Value, json};

/// Where components are.
const AT: &str = "#/components/schemas/";
/// Keywords whose value is a schema (JSON Schema 2020-12).
const ONE: [&str; 11] = [
    "additionalProperties",
    "unevaluatedProperties",
    "propertyNames",
    "items",
    "contains",
    "unevaluatedItems",
    "not",
    "if",
    "then",
    "else",
    "contentSchema",
];
/// Keywords whose value is a list of schemas.
const LIST: [&str; 4] = ["allOf", "anyOf", "oneOf", "prefixItems"];
/// Keywords whose value has a schema under each name.
const MAP: [&str; 5] = ["properties", "patternProperties", "dependentSchemas", "$defs", "definitions"];
/// Keywords whose schemas stand beside the one they are in.
const DEFINITIONS: [&str; 2] = ["$defs", "definitions"];
/// Keywords that mean something in a document of its own only.
const OWN: [&str; 6] = ["$id", "$schema", "$anchor", "$dynamicAnchor", "$vocabulary", "$comment"];

/// Every schema of the document, by name.
#[derive(Debug, Default)]
pub(super) struct Components(Map<String, Value>);

impl Components {
    /// Adds a schema of the host's own under a name.
    pub(super) fn add(&mut self, name: &str, schema: Value) {
        self.0.insert(name.to_owned(), schema);
    }

    /// Adds a command's schema under a name no other has, with its definitions.
    pub(super) fn embed<'a>(&mut self, name: &str, schema: &'a Schema) -> Embedded<'a> {
        let root = schema.json();
        let mut places = Places { root_id: root.get("$id").and_then(Value::as_str), ..Places::default() };
        places.look(root, "", true);
        let mut names = BTreeMap::new();
        for keyword in DEFINITIONS {
            for key in root.get(keyword).and_then(Value::as_object).into_iter().flat_map(Map::keys) {
                let mut own = format!("{name}.{}", word(key));
                while self.0.contains_key(&own) || names.values().any(|other| *other == own) {
                    own.push('_');
                }
                names.insert(format!("/{keyword}/{}", escape(key)), own);
            }
        }
        let embedded = Embedded { name: name.to_owned(), names, places, schema };
        if embedded.places.has_inner_documents {
            // Their references begin at each of them. No toolchain of ours makes such schemas.
            let text = "This schema has documents inside it; `muster help` shows it as it is.";
            self.add(name, json!({ "description": text }));
            return embedded;
        }
        let mut body = embedded.part(root);
        if let Some(body) = body.as_object_mut() {
            for keyword in DEFINITIONS {
                body.shift_remove(keyword);
            }
        }
        self.add(name, body);
        for (pointer, own) in &embedded.names {
            if let Some(definition) = root.pointer(pointer) {
                self.0.insert(own.clone(), embedded.part(definition));
            }
        }
        embedded
    }

    /// What belongs under `components.schemas`.
    pub(super) fn into_json(self) -> Value {
        Value::Object(self.0)
    }
}

/// A reference to a component.
pub(super) fn reference(name: &str) -> Value {
    json!({ "$ref": format!("{AT}{name}") })
}

/// A command's schema that was added.
#[derive(Debug)]
pub(super) struct Embedded<'a> {
    name: String,
    /// Names of the definitions, by where they are in the schema.
    names: BTreeMap<String, String>,
    places: Places<'a>,
    schema: &'a Schema,
}

impl Embedded<'_> {
    /// A reference to it.
    pub(super) fn reference(&self) -> Value {
        reference(&self.name)
    }

    /// A property as a parameter of a query: its schema there, and how values are written. Nothing where there is no way
    /// to say how.
    pub(super) fn parameter(&self, property: &Value, required: bool) -> Option<(Value, TextForm)> {
        let form = self.schema.text_form(property)?;
        let mut schema = self.part(property);
        let types = self.schema.types_of(property);
        let kind = match form {
            // What can be text is text.
            TextForm::Plain if types.contains(&"string") || types.is_empty() => "string",
            TextForm::List => "array",
            // Among others, `null` is a text for null.
            TextForm::Plain | TextForm::Json => return Some((schema, form)),
        };
        if let Some(schema) = schema.as_object_mut() {
            without_null(schema);
            if !schema.contains_key("$ref") {
                schema.insert("type".to_owned(), json!(kind));
            }
            // A list without items is not there at all.
            if required && form == TextForm::List && !schema.contains_key("minItems") {
                schema.insert("minItems".to_owned(), json!(1));
            }
        }
        Some((schema, form))
    }

    /// A part of the schema, as it stands in the document.
    fn part(&self, schema: &Value) -> Value {
        let Value::Object(members) = schema else { return schema.clone() };
        let mut written = Map::new();
        for (keyword, value) in members {
            let word = keyword.as_str();
            let value = if OWN.contains(&word) {
                continue;
            } else if ONE.contains(&word) {
                self.part(value)
            } else if LIST.contains(&word) {
                value.as_array().map_or_else(|| value.clone(), |list| list.iter().map(|one| self.part(one)).collect())
            } else if MAP.contains(&word) {
                let each = |(name, one): (&String, &Value)| (name.clone(), self.part(one));
                value.as_object().map_or_else(|| value.clone(), |map| Value::Object(map.iter().map(each).collect()))
            } else if word == "$ref" || word == "$dynamicRef" {
                match self.target(value.as_str().unwrap_or_default()) {
                    Some(target) => {
                        written.insert("$ref".to_owned(), Value::String(target));
                    }
                    // The schema of schemas, which is the only one elsewhere that a command can refer to.
                    None => {
                        written.insert("type".to_owned(), json!(["object", "boolean"]));
                    }
                }
                continue;
            } else {
                value.clone()
            };
            written.insert(keyword.clone(), value);
        }
        Value::Object(written)
    }

    /// Where a reference leads in the document.
    fn target(&self, reference: &str) -> Option<String> {
        let inner = self.places.root_id.and_then(|id| reference.strip_prefix(id.trim_end_matches('#')));
        let fragment = inner.unwrap_or(reference);
        let fragment = if fragment.is_empty() { fragment } else { fragment.strip_prefix('#')? };
        let pointer = match fragment {
            "" => String::new(),
            pointer if pointer.starts_with('/') => pointer.to_owned(),
            anchor => self.places.anchors.get(anchor)?.clone(),
        };
        let decoded = decode(&pointer);
        let own = self.names.iter().find_map(|(at, name)| {
            let rest = decoded.strip_prefix(at.as_str())?;
            (rest.is_empty() || rest.starts_with('/')).then_some((name, rest))
        });
        Some(match own {
            Some((name, rest)) => format!("{AT}{name}{}", encode(rest)),
            None => format!("{AT}{}{}", self.name, encode(&decoded)),
        })
    }
}

/// What stands where in a schema.
#[derive(Debug, Default)]
struct Places<'a> {
    root_id: Option<&'a str>,
    /// Names of places, with the places.
    anchors: BTreeMap<String, String>,
    has_inner_documents: bool,
}

impl Places<'_> {
    fn look(&mut self, schema: &Value, pointer: &str, is_root: bool) {
        let Value::Object(members) = schema else { return };
        for (keyword, value) in members {
            let word = keyword.as_str();
            let below = |name: &str| format!("{pointer}/{}/{}", escape(word), escape(name));
            if let ("$anchor" | "$dynamicAnchor", Some(name)) = (word, value.as_str()) {
                self.anchors.insert(name.to_owned(), pointer.to_owned());
            } else if word == "$id" {
                self.has_inner_documents |= !is_root;
            } else if ONE.contains(&word) {
                self.look(value, &format!("{pointer}/{}", escape(word)), false);
            } else if LIST.contains(&word) {
                for (index, one) in value.as_array().into_iter().flatten().enumerate() {
                    self.look(one, &below(&index.to_string()), false);
                }
            } else if MAP.contains(&word) {
                for (name, one) in value.as_object().into_iter().flatten() {
                    self.look(one, &below(name), false);
                }
            }
        }
    }
}

/// Leaves out that a value may be null: what is a text, or a list of texts, is so whatever the text says.
fn without_null(schema: &mut Map<String, Value>) {
    let is_null = |one: &Value| one.get("type").and_then(Value::as_str) == Some("null");
    for keyword in ["anyOf", "oneOf"] {
        let Some(Value::Array(branches)) = schema.get_mut(keyword) else { continue };
        branches.retain(|branch| !is_null(branch));
        if let [Value::Object(one)] = branches.as_slice() {
            let one = one.clone();
            schema.shift_remove(keyword);
            for (key, value) in one {
                schema.entry(key).or_insert(value);
            }
        }
    }
    if let Some(Value::Array(values)) = schema.get_mut("enum") {
        values.retain(|value| !value.is_null());
    }
    if schema.get("default").is_some_and(Value::is_null) {
        schema.shift_remove("default");
    }
}

/// A name as the name of a component may be (OpenAPI 3.1 §4.8.7.1).
fn word(name: &str) -> String {
    name.chars().map(|one| if one.is_ascii_alphanumeric() || "._-".contains(one) { one } else { '_' }).collect()
}

/// A name as a part of a JSON Pointer (RFC 6901 §3).
fn escape(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

/// A JSON Pointer out of the fragment of an address (RFC 6901 §6).
fn decode(fragment: &str) -> String {
    let mut bytes = Vec::with_capacity(fragment.len());
    let mut rest = fragment.bytes();
    while let Some(byte) = rest.next() {
        let mut ahead = rest.clone();
        let mut digit = || ahead.next().and_then(|digit| char::from(digit).to_digit(16));
        match (byte, digit(), digit()) {
            (b'%', Some(high), Some(low)) => {
                bytes.extend(u8::try_from(high * 16 + low));
                rest = ahead;
            }
            _ => bytes.push(byte),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The other way round.
fn encode(pointer: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@/".contains(&byte);
    pointer
        .bytes()
        .map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(schema: Value, expected: &Value) {
        let schema = Schema::output(schema).unwrap();
        let mut components = Components::default();
        components.embed("c", &schema);
        assert_eq!(&components.into_json(), expected);
    }

    #[test]
    fn references_lead_to_the_same_places() {
        check(
            json!({"$schema": "https://json-schema.org/draft/2020-12/schema", "$ref": "#/$defs/A%3CB%3E",
                "$defs": {"A<B>": {"properties": {"a~/b": {"not": {"items": {"$ref": "#/$defs/A%3CB%3E/properties/a~0~1b"}}},
                    "$ref": {"$ref": "#"}}}}}),
            &json!({"c": {"$ref": "#/components/schemas/c.A_B_"},
                "c.A_B_": {"properties": {"a~/b": {"not": {"items": {"$ref": "#/components/schemas/c.A_B_/properties/a~0~1b"}}},
                    "$ref": {"$ref": "#/components/schemas/c"}}}}),
        );
        check(
            json!({"$id": "https://example.org/s", "items": {"$ref": "#x"}, "not": {"$ref": "https://example.org/s#/$defs/y"},
                "$defs": {"y": {"$anchor": "x", "const": {"$ref": "#/data"}}}}),
            &json!({"c": {"items": {"$ref": "#/components/schemas/c.y"}, "not": {"$ref": "#/components/schemas/c.y"}},
                "c.y": {"const": {"$ref": "#/data"}}}),
        );
        check(
            json!({"properties": {"a": {"type": "integer"}, "b": {"$ref": "#/properties/a"}}}),
            &json!({"c": {"properties": {"a": {"type": "integer"}, "b": {"$ref": "#/components/schemas/c/properties/a"}}}}),
        );
        check(
            json!({"$dynamicAnchor": "node", "properties": {"next": {"$dynamicRef": "#node"}}}),
            &json!({"c": {"properties": {"next": {"$ref": "#/components/schemas/c"}}}}),
        );
    }

    #[test]
    fn names_of_definitions_stay_apart() {
        check(
            json!({"$defs": {"a b": {"type": "null"}, "a_b": {"type": "string"}}}),
            &json!({"c": {}, "c.a_b": {"type": "null"}, "c.a_b_": {"type": "string"}}),
        );
    }

    #[test]
    fn a_document_inside_a_schema_is_left_out() {
        check(
            json!({"$defs": {"a": {"$id": "https://example.org/a", "$ref": "#/$defs/b", "$defs": {"b": true}}}}),
            &json!({"c": {"description": "This schema has documents inside it; `muster help` shows it as it is."}}),
        );
    }

    #[test]
    fn a_parameter_says_what_a_text_can_be() {
        let schema = Schema::input(json!({"type": "object", "$defs": {"e": {"enum": ["a", "b"]}}, "properties": {
            "one": {"type": ["integer", "null"], "default": null},
            "two": {"anyOf": [{"$ref": "#/$defs/e"}, {"type": "null"}]},
            "three": {"type": "array", "items": {"type": "string"}},
            "four": {"type": ["string", "array"]},
            "five": {"type": "object"},
            "six": {"type": "array", "items": {"type": "object"}},
        }}))
        .unwrap();
        let mut components = Components::default();
        let embedded = components.embed("c", &schema);
        let found: Vec<Option<(Value, TextForm)>> =
            schema.properties().map(|(_, property)| embedded.parameter(property, true)).collect();
        assert_eq!(
            found,
            [
                Some((json!({"type": ["integer", "null"], "default": null}), TextForm::Plain)),
                Some((json!({"$ref": "#/components/schemas/c.e"}), TextForm::Plain)),
                Some((json!({"type": "array", "items": {"type": "string"}, "minItems": 1}), TextForm::List)),
                Some((json!({"type": "string"}), TextForm::Plain)),
                Some((json!({"type": "object"}), TextForm::Json)),
                None,
            ]
        );
    }
}
