//! What JSON a value of a shape is written as: JSON Schema 2020-12 that accepts exactly what the conversion accepts.
//!
//! Two exceptions: a schema does not tell whether a decimal string fits into 64 bits, nor whether a long number was rounded
//! when it was read. The conversion does, with the same kind of error.

use serde_json::{Map, Value, json};

use super::shape::{Case, Field, Integer, Name, Shape};

/// Base64 as RFC 4648 §4 has it: padded, and without bits that mean nothing.
const BASE64: &str = "^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/][AQgw]==|[A-Za-z0-9+/]{2}[AEIMQUYcgkosw048]=)?$";
/// A decimal number, as short as it can be written, and at most as long as the type needs.
const UNSIGNED_DIGITS: &str = "^(?:0|[1-9][0-9]{0,19})$";
const SIGNED_DIGITS: &str = "^(?:0|-?[1-9][0-9]{0,18})$";
/// The largest `f32`, in the fewest digits that mean it. A little above the number itself, and rounded to it.
pub const FLOAT32_MAX: f64 = 3.402_823_5e38;

/// The schema of an object with these members.
pub fn of_fields(fields: &[Field]) -> Value {
    let property = |field: &Field| (field.name.json.clone(), described(of(&field.shape), &field.docs));
    let is_required = |field: &&Field| !matches!(field.shape, Shape::Option(_));
    let required: Vec<&str> = fields.iter().filter(is_required).map(|field| field.name.json.as_str()).collect();
    let mut schema = json!({"type": "object", "properties": fields.iter().map(property).collect::<Map<_, _>>()});
    if let (Some(object), false) = (schema.as_object_mut(), required.is_empty()) {
        object.insert("required".to_owned(), json!(required));
    }
    closed(schema)
}

/// The schema of a result; null where there is none.
pub fn of_answer(shape: Option<&Shape>) -> Value {
    shape.map_or_else(|| json!({"type": "null"}), of)
}

/// The schema of a value.
pub fn of(shape: &Shape) -> Value {
    match shape {
        Shape::Bool => json!({"type": "boolean"}),
        Shape::Integer(integer) => of_integer(*integer),
        Shape::Float32 => json!({"type": "number", "minimum": -FLOAT32_MAX, "maximum": FLOAT32_MAX}),
        Shape::Float64 => json!({"type": "number"}),
        Shape::Char => json!({"type": "string", "minLength": 1, "maxLength": 1}),
        Shape::Text => json!({"type": "string"}),
        Shape::Bytes => json!({
            "type": "string", "contentEncoding": "base64", "contentMediaType": "application/octet-stream",
            "pattern": BASE64,
        }),
        Shape::List(items) => json!({"type": "array", "items": of(items)}),
        Shape::FixedList(items, length) => {
            json!({"type": "array", "items": of(items), "minItems": length, "maxItems": length})
        }
        Shape::Map(key, value) if key.is_text() => json!({"type": "object", "additionalProperties": of(value)}),
        Shape::Map(key, value) => json!({"type": "array", "items": of_tuple(&[of(key), of(value)])}),
        Shape::Tuple(items) => of_tuple(&items.iter().map(of).collect::<Vec<_>>()),
        Shape::Record(fields) => of_fields(fields),
        Shape::Option(inner) if inner.is_option() => or_null(&of_member("some", of(inner))),
        Shape::Option(inner) => or_null(&of(inner)),
        Shape::Result(ok, error) => json!({"anyOf": [
            of_member("ok", of_answer(ok.as_deref())), of_member("err", of_answer(error.as_deref())),
        ]}),
        Shape::Variant(cases) => of_variant(cases),
        Shape::Enum(names) => of_names(names.iter()),
        Shape::Flags(names) => json!({"type": "array", "items": of_names(names.iter()), "uniqueItems": true}),
    }
}

fn of_integer(integer: Integer) -> Value {
    let (minimum, maximum) = integer.bounds();
    let mut schema = Map::new();
    schema.insert("type".to_owned(), json!("integer"));
    // Each bound is in one of the two.
    let number =
        |bound: i128| i64::try_from(bound).map_or_else(|_| json!(u64::try_from(bound).ok()), |bound| json!(bound));
    schema.insert("minimum".to_owned(), number(minimum));
    schema.insert("maximum".to_owned(), number(maximum));
    if !integer.is_long() {
        return Value::Object(schema);
    }
    let pattern = if minimum < 0 { SIGNED_DIGITS } else { UNSIGNED_DIGITS };
    json!({"anyOf": [schema, {"type": "string", "pattern": pattern}]})
}

fn of_tuple(items: &[Value]) -> Value {
    json!({"type": "array", "prefixItems": items, "items": false, "minItems": items.len()})
}

fn of_names<'a>(names: impl Iterator<Item = &'a Name>) -> Value {
    json!({"type": "string", "enum": names.map(|name| name.json.as_str()).collect::<Vec<_>>()})
}

fn of_member(name: &str, schema: Value) -> Value {
    let properties: Map<String, Value> = [(name.to_owned(), schema)].into_iter().collect();
    closed(json!({"type": "object", "properties": properties, "required": [name]}))
}

fn of_variant(cases: &[Case]) -> Value {
    let bare = cases.iter().filter(|case| case.payload.is_none()).map(|case| &case.name);
    let mut forms = Vec::new();
    if bare.clone().next().is_some() {
        forms.push(of_names(bare));
    }
    for case in cases {
        if let Some(payload) = &case.payload {
            forms.push(described(of_member(&case.name.json, of(payload)), &case.docs));
        }
    }
    match forms.as_slice() {
        [one] => one.clone(),
        _ => json!({"anyOf": forms}),
    }
}

fn or_null(schema: &Value) -> Value {
    json!({"anyOf": [schema, {"type": "null"}]})
}

fn closed(mut schema: Value) -> Value {
    if let Some(object) = schema.as_object_mut() {
        object.insert("additionalProperties".to_owned(), json!(false));
    }
    schema
}

fn described(mut schema: Value, docs: &str) -> Value {
    if let (Some(object), false) = (schema.as_object_mut(), docs.is_empty()) {
        object.insert("description".to_owned(), json!(docs));
    }
    schema
}
