//! JSON Schema 2020-12 from the author's types, in the form hosts and people like to read.
//!
//! `schemars` does the work; this takes away what only repeats a Rust name, says number ranges in the standard's words,
//! closes objects so that a misspelt member is an error, and keeps the arguments in the order of the function.

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value};

use crate::json::Answer;

/// The schema of the arguments struct `T`, with its properties in the given order.
pub fn input<T: JsonSchema>(order: &[&str]) -> String {
    let mut schema = schema::<T>(SchemaSettings::draft2020_12().for_deserialize());
    let properties = schema.as_object_mut().and_then(|object| object.remove("properties"));
    let members: Vec<String> = order
        .iter()
        .filter_map(|name| properties.as_ref()?.get(*name).map(|schema| (name, schema)))
        .map(|(name, schema)| format!("{}:{schema}", Value::from(*name)))
        .collect();
    // By hand, since a JSON object in memory may be sorted: help and forms should show arguments as the author ordered them.
    let rest = schema.to_string();
    let rest = rest.strip_prefix('{').unwrap_or(&rest);
    let comma = if rest == "}" { "" } else { "," };
    format!("{{\"properties\":{{{}}}{comma}{rest}", members.join(","))
}

/// The schema of what a command gives when it does not fail.
pub fn output<T: Answer<Kind>, Kind>() -> String {
    schema::<T::Value>(SchemaSettings::draft2020_12().for_serialize()).to_string()
}

fn schema<T: JsonSchema>(settings: SchemaSettings) -> Value {
    // Inlined, because a form or a command line should not have to follow references; recursive types still have them.
    let settings = settings.with(|settings| {
        settings.meta_schema = None;
        settings.inline_subschemas = true;
    });
    let mut schema = settings.into_generator().into_root_schema_for::<T>();
    // schemars puts the type's name there: it means nothing to a caller. A title the author chose stays.
    if schema.get("title").and_then(Value::as_str) == Some(&*T::schema_name()) {
        schema.remove("title");
    }
    let mut schema = schema.to_value();
    tidy(&mut schema, false);
    schema
}

/// Goes through a schema and everything in it. `part` says that other schemas have their say about the same value.
fn tidy(schema: &mut Value, part: bool) {
    let Some(object) = schema.as_object_mut() else { return };
    number_format_to_range(object);
    words_to_enum(object);
    if !part {
        close(object);
    }
    let merged = part || object.contains_key("properties");
    for (key, value) in object {
        match key.as_str() {
            "allOf" => tidy_each(value, true),
            "anyOf" | "oneOf" => tidy_each(value, merged),
            "prefixItems" => tidy_each(value, false),
            "properties" | "patternProperties" | "$defs" => tidy_members(value),
            "items" | "additionalProperties" | "contains" | "propertyNames" => tidy(value, false),
            "not" | "if" | "then" | "else" => tidy(value, true),
            // Values, such as `default`, and keywords without schemas.
            _ => {}
        }
    }
}

fn tidy_each(schemas: &mut Value, part: bool) {
    schemas.as_array_mut().into_iter().flatten().for_each(|schema| tidy(schema, part));
}

fn tidy_members(schemas: &mut Value) {
    schemas.as_object_mut().into_iter().flat_map(|members| members.values_mut()).for_each(|schema| tidy(schema, false));
}

/// Replaces Rust's number formats, which no standard knows, by the range they mean.
fn number_format_to_range(schema: &mut Map<String, Value>) {
    let range: (Option<i64>, Option<i64>) = match schema.get("format").and_then(Value::as_str) {
        Some("int8") => (Some(i8::MIN.into()), Some(i8::MAX.into())),
        Some("uint8") => (Some(0), Some(u8::MAX.into())),
        Some("int16") => (Some(i16::MIN.into()), Some(i16::MAX.into())),
        Some("uint16") => (Some(0), Some(u16::MAX.into())),
        // `isize` and `usize` have 32 bits in a guest.
        Some("int32" | "int") => (Some(i32::MIN.into()), Some(i32::MAX.into())),
        Some("uint32" | "uint") => (Some(0), Some(u32::MAX.into())),
        // Their ends are not exact in every JSON reader, so a range would refuse good numbers or admit bad ones.
        Some("uint64" | "uint128") => (Some(0), None),
        Some("int64" | "int128" | "float" | "double") => (None, None),
        Some(_) | None => return,
    };
    schema.remove("format");
    // A range the author gave is narrower.
    for (key, bound) in [("minimum", range.0), ("maximum", range.1)] {
        if let Some(bound) = bound {
            schema.entry(key).or_insert_with(|| bound.into());
        }
    }
}

/// Turns alternatives that are all plain words into one `enum`, which every form and command line understands. What the
/// author says about each word becomes a list in the description.
fn words_to_enum(schema: &mut Map<String, Value>) {
    let alternatives = schema.get("oneOf").and_then(Value::as_array);
    let Some(words) = alternatives.and_then(|all| all.iter().map(words).collect::<Option<Vec<_>>>()) else { return };
    let words: Vec<(&str, Option<&str>)> = words.into_iter().flatten().collect();
    let lines: Vec<String> =
        words.iter().filter_map(|(word, text)| text.map(|text| format!("- `{word}`: {text}"))).collect();
    let values: Value = words.iter().map(|(word, _)| *word).collect();
    let description = schema.get("description").and_then(Value::as_str).map(ToOwned::to_owned);
    let list = (!lines.is_empty()).then(|| lines.join("\n"));
    let description: Vec<String> = description.into_iter().chain(list).collect();
    schema.remove("oneOf");
    schema.insert("type".into(), "string".into());
    schema.insert("enum".into(), values);
    if !description.is_empty() {
        schema.insert("description".into(), description.join("\n\n").into());
    }
}

/// The words an alternative allows, each with what is said about it; nothing when it is not just words.
fn words(alternative: &Value) -> Option<Vec<(&str, Option<&str>)>> {
    let object = alternative.as_object()?;
    let known = object.keys().all(|key| ["const", "description", "enum", "type"].contains(&key.as_str()));
    let description = object.get("description").and_then(Value::as_str);
    let words = match (object.get("const"), object.get("enum")) {
        (Some(word), None) => vec![word.as_str()?],
        (None, Some(words)) => words.as_array()?.iter().map(Value::as_str).collect::<Option<_>>()?,
        (Some(_), Some(_)) | (None, None) => return None,
    };
    known.then(|| words.into_iter().map(|word| (word, description)).collect())
}

/// Refuses members that are not listed, where the list is complete: in an object that is not made of several parts. (An
/// object inside a bare `anyOf` or `oneOf` stands for itself.)
fn close(schema: &mut Map<String, Value>) {
    const PARTS: [&str; 5] = ["allOf", "anyOf", "oneOf", "$ref", "if"];
    const DECIDED: [&str; 2] = ["additionalProperties", "unevaluatedProperties"];
    let has_any = |keys: &[&str]| keys.iter().any(|key| schema.contains_key(*key));
    if schema.contains_key("properties") && !has_any(&PARTS) && !has_any(&DECIDED) {
        schema.insert("additionalProperties".into(), false.into());
    }
}

#[cfg(test)]
mod tests;
