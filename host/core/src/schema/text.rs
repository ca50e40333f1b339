//! Arguments given as text (a query string, words on a command line), converted by schema: a text can never change a
//! type, so what the schema calls a string stays one, whatever it looks like.

use serde_json::{Map, Number, Value};
use thiserror::Error;

use super::Schema;
use crate::error::ArgumentError;

/// Names with texts, in the order given. A name may repeat where the schema has an array.
pub type Pairs = Vec<(String, String)>;

/// Why a text is not a value of the type the schema asks for.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[error("{expected}")]
pub struct TextError {
    expected: String,
}

/// How a value is written as text.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum TextForm {
    /// As it stands.
    Plain,
    /// Each item on its own, as it stands, under the same name.
    List,
    /// As JSON.
    Json,
}

impl Schema {
    /// How values of `schema`, a part of this schema, are written as text; nothing where that takes a list of JSON texts.
    pub fn text_form(&self, schema: &Value) -> Option<TextForm> {
        let plain = |schema: &Value| {
            let types = self.types(schema, 0);
            types.contains(&"string") || !types.iter().any(|kind| ["object", "array"].contains(kind))
        };
        match self.array_items(schema) {
            Some(items) if plain(items) => Some(TextForm::List),
            Some(_) => None,
            None if plain(schema) => Some(TextForm::Plain),
            None => Some(TextForm::Json),
        }
    }

    /// Makes an arguments object from pairs of text. Unknown names stay texts, so that checking the object names them.
    ///
    /// # Errors
    /// Every text that cannot become what the schema asks for, and every name that repeats where no array is asked for.
    pub fn convert_pairs(&self, pairs: Pairs) -> Result<Map<String, Value>, Vec<ArgumentError>> {
        let mut object = Map::new();
        let mut errors = Vec::new();
        for (name, text) in pairs {
            let schema = self.json().get("properties").and_then(|properties| properties.get(&name));
            let pointer = || format!("/{}", name.replace('~', "~0").replace('/', "~1"));
            let items = schema.and_then(|schema| self.array_items(schema));
            let converted = match items {
                Some(items) => self.convert_text(items, &text),
                None => self.convert_text(schema.unwrap_or(&Value::Null), &text),
            };
            let value = match converted {
                Ok(value) => value,
                Err(error) => {
                    errors.push(ArgumentError { pointer: pointer(), message: error.to_string() });
                    continue;
                }
            };
            match (object.get_mut(&name), items.is_some()) {
                (None, true) => {
                    object.insert(name, Value::Array(vec![value]));
                }
                (None, false) => {
                    object.insert(name, value);
                }
                (Some(Value::Array(array)), true) => array.push(value),
                (Some(_), _) => errors.push(ArgumentError {
                    pointer: pointer(),
                    message: "is given twice, but accepts one value".to_owned(),
                }),
            }
        }
        if errors.is_empty() { Ok(object) } else { Err(errors) }
    }

    /// Converts one text to what `schema`, a part of this schema, asks for.
    ///
    /// # Errors
    /// When the text cannot become that.
    pub fn convert_text(&self, schema: &Value, text: &str) -> Result<Value, TextError> {
        let types = self.types(schema, 0);
        if types.is_empty() || types.contains(&"string") {
            return Ok(Value::String(text.to_owned()));
        }
        for kind in &types {
            let value = match *kind {
                "integer" => integer(text),
                "number" => integer(text).or_else(|| finite(text)),
                "boolean" => match text {
                    "true" => Some(Value::Bool(true)),
                    "false" => Some(Value::Bool(false)),
                    _ => None,
                },
                "null" => (text == "null").then_some(Value::Null),
                // Nested values have no other text form than JSON.
                _ => super::parse_json(text.as_bytes(), super::SCHEMA_DEPTH_MAX)
                    .ok()
                    .filter(|value| value.is_array() == (*kind == "array") && value.is_object() == (*kind == "object")),
            };
            if let Some(value) = value {
                return Ok(value);
            }
        }
        let expected = types.iter().filter(|kind| **kind != "null").copied().collect::<Vec<_>>().join(" or ");
        Err(TextError { expected: format!("the text is not of type \"{expected}\"") })
    }

    /// The schema of an array's items, when `schema` asks for an array and not for a string.
    pub fn array_items<'a>(&'a self, schema: &'a Value) -> Option<&'a Value> {
        let types = self.types(schema, 0);
        let wanted = types.contains(&"array") && !types.contains(&"string");
        wanted.then(|| self.follow(schema, 0).get("items").unwrap_or(&Value::Null))
    }

    /// What `schema`, a part of this schema, stands for: itself, or what it refers to.
    pub fn resolve<'a>(&'a self, schema: &'a Value) -> &'a Value {
        self.follow(schema, 0)
    }

    /// The types a value of `schema`, a part of this schema, may have, as far as it says so plainly; none where it does
    /// not.
    pub fn types_of<'a>(&'a self, schema: &'a Value) -> Vec<&'a str> {
        self.types(schema, 0)
    }

    /// Where a chain of references leads. Bounded, since an author may write a circle.
    fn follow<'a>(&'a self, schema: &'a Value, depth: usize) -> &'a Value {
        let target = schema
            .get("$ref")
            .and_then(Value::as_str)
            .and_then(|reference| reference.strip_prefix('#'))
            .and_then(|pointer| self.json().pointer(pointer));
        match target {
            Some(target) if depth < 8 => self.follow(target, depth + 1),
            _ => schema,
        }
    }

    /// The types a value may have, as far as the schema says so plainly.
    fn types<'a>(&'a self, schema: &'a Value, depth: usize) -> Vec<&'a str> {
        let schema = self.follow(schema, 0);
        match schema.get("type") {
            Some(Value::String(one)) => return vec![one],
            Some(Value::Array(several)) => return several.iter().filter_map(Value::as_str).collect(),
            _ => {}
        }
        if let Some(Value::String(_)) = schema.get("const") {
            return vec!["string"];
        }
        if let Some(values) = schema.get("enum").and_then(Value::as_array)
            && values.iter().all(Value::is_string)
        {
            return vec!["string"];
        }
        if depth >= 4 {
            return Vec::new();
        }
        ["anyOf", "oneOf"]
            .iter()
            .filter_map(|key| schema.get(*key).and_then(Value::as_array))
            .flatten()
            .flat_map(|branch| self.types(branch, depth + 1))
            .collect()
    }
}

fn integer(text: &str) -> Option<Value> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    text.parse::<i64>().map(Value::from).ok().or_else(|| text.parse::<u64>().map(Value::from).ok())
}

fn finite(text: &str) -> Option<Value> {
    // `parse` also takes "inf" and "nan", which JSON does not have.
    let starts = text.strip_prefix('-').unwrap_or(text).bytes().next().is_some_and(|byte| byte.is_ascii_digit());
    starts.then(|| text.parse::<f64>().ok()).flatten().and_then(Number::from_f64).map(Value::Number)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check(pairs: &[(&str, &str)], expected: &Result<Value, &str>) {
        let schema = Schema::input(json!({"type": "object", "properties": {
            "s": {"type": "string"}, "i": {"type": "integer"}, "n": {"type": "number"}, "b": {"type": "boolean"},
            "o": {"type": ["integer", "null"]}, "l": {"type": "array", "items": {"type": "integer"}},
            "m": {"type": "object"}, "e": {"$ref": "#/$defs/e"}, "a": {"anyOf": [{"$ref": "#/$defs/e"}, {"type": "null"}]},
        }, "$defs": {"e": {"enum": ["1", "2"]}}}))
        .unwrap();
        let pairs = pairs.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
        let got = schema.convert_pairs(pairs).map(Value::Object);
        let got = got.map_err(|errors| errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "));
        assert_eq!(got.as_ref().map_err(String::as_str), expected.as_ref().map_err(|text| *text));
    }

    #[test]
    fn the_schema_alone_decides_the_type() {
        check(&[("s", "5"), ("e", "1"), ("a", "2")], &Ok(json!({"s": "5", "e": "1", "a": "2"})));
        check(&[("s", "true"), ("b", "true")], &Ok(json!({"s": "true", "b": true})));
        check(&[("i", "-5"), ("n", "1.5"), ("o", "null")], &Ok(json!({"i": -5, "n": 1.5, "o": null})));
        check(&[("l", "1"), ("l", "2")], &Ok(json!({"l": [1, 2]})));
        check(&[("m", "{\"k\":1}"), ("zz", "5")], &Ok(json!({"m": {"k": 1}, "zz": "5"})));
    }

    #[test]
    fn a_schema_says_how_its_values_are_written() {
        let schema = Schema::input(json!({"type": "object", "$defs": {"e": {"enum": ["1"]}}})).unwrap();
        for (part, expected) in [
            (json!({}), Some(TextForm::Plain)),
            (json!({"type": ["integer", "null"]}), Some(TextForm::Plain)),
            (json!({"anyOf": [{"$ref": "#/$defs/e"}, {"type": "null"}]}), Some(TextForm::Plain)),
            (json!({"type": ["string", "array"]}), Some(TextForm::Plain)),
            (json!({"type": "array"}), Some(TextForm::List)),
            (json!({"type": "array", "items": {"type": "number"}}), Some(TextForm::List)),
            (json!({"type": "array", "items": {"type": "object"}}), None),
            (json!({"type": "object"}), Some(TextForm::Json)),
        ] {
            assert_eq!(schema.text_form(&part), expected, "{part}");
        }
    }

    #[test]
    fn other_texts_are_refused_at_their_place() {
        check(&[("i", "5a")], &Err("/i: the text is not of type \"integer\""));
        check(&[("i", " 5")], &Err("/i: the text is not of type \"integer\""));
        check(&[("i", "5.0")], &Err("/i: the text is not of type \"integer\""));
        check(&[("n", "nan")], &Err("/n: the text is not of type \"number\""));
        check(&[("b", "1")], &Err("/b: the text is not of type \"boolean\""));
        check(&[("m", "[1]")], &Err("/m: the text is not of type \"object\""));
        check(&[("i", "1"), ("i", "2")], &Err("/i: is given twice, but accepts one value"));
        check(&[("l", "1"), ("l", "x")], &Err("/l: the text is not of type \"integer\""));
    }
}
