//! The published vectors, and the edges of every integer type.

use muster_core::schema::Schema;
use serde_json::Value;

use super::super::value::{At, from_json, to_json};
use super::shape_of;
use muster_component::functions::schema;
use muster_component::functions::shape::Integer;
use muster_component::functions::shape::Shape;

/// What becomes of a value, there and back; or the pointer of the refusal.
fn convert(shape: &Shape, value: &Value) -> Result<Value, String> {
    let val = from_json(shape, value, &At::Root).map_err(|error| error.pointer)?;
    Ok(to_json(shape, val, &At::Root).unwrap())
}

#[test]
fn published_vectors_hold() {
    let text = include_str!("../../../../../../tests/vectors/json-values.json");
    let vectors: Value = serde_json::from_str(text).unwrap();
    let mut checked = 0;
    for vector in vectors["vectors"].as_array().unwrap() {
        let (declare, of) = (vector["declare"].as_str().unwrap_or_default(), vector["type"].as_str().unwrap());
        let shape = shape_of(declare, of).unwrap();
        let schema = Schema::output(schema::of(&shape)).unwrap();
        for row in vector["accepted"].as_array().unwrap() {
            let (input, output) = (&row["in"], row.get("out").unwrap_or(&row["in"]));
            assert_eq!(convert(&shape, input).as_ref(), Ok(output), "{of}: {input}");
            for side in [input, output] {
                assert!(schema.check(side).is_ok(), "{of}: {side} does not satisfy {}", schema.json());
            }
            checked += 1;
        }
        for row in vector["refused"].as_array().unwrap() {
            let pointer = row["pointer"].as_str().unwrap().to_owned();
            assert_eq!(convert(&shape, &row["in"]), Err(pointer), "{of}: {row}");
            let by_schema = row["by_schema"].as_bool().unwrap_or(true);
            assert_eq!(schema.check(&row["in"]).is_err(), by_schema, "{of}: {row} {}", schema.json());
            checked += 1;
        }
    }
    assert!(checked > 150, "{checked}");
}

#[test]
fn integers_end_where_their_type_does() {
    use Integer::{S8, S16, S32, S64, U8, U16, U32, U64};
    for integer in [S8, U8, S16, U16, S32, U32, S64, U64] {
        let (minimum, maximum) = integer.bounds();
        let shape = Shape::Integer(integer);
        let schema = Schema::output(schema::of(&shape)).unwrap();
        for (number, fits) in [(minimum - 1, false), (minimum, true), (maximum, true), (maximum + 1, false)] {
            let value: Value = serde_json::from_str(&number.to_string()).unwrap();
            assert_eq!(convert(&shape, &value).is_ok(), fits, "{integer:?} {number}");
            // One below the smallest `s64` was rounded to it before a schema can see it.
            let was_rounded = integer == S64 && number < minimum;
            assert_eq!(schema.check(&value).is_ok(), fits || was_rounded, "{integer:?} {number}");
            let text = Value::String(number.to_string());
            assert_eq!(convert(&shape, &text).is_ok(), fits && integer.is_long(), "{integer:?} \"{number}\"");
            if fits {
                let back = convert(&shape, &value).unwrap();
                let is_text = number.abs() >= 1 << 53;
                assert_eq!(back, if is_text { text } else { value }, "{integer:?} {number}");
            }
        }
        for misfit in ["0.5", "\"\"", "null", "true", "[1]", "1e400", "-1e30", "1e30"] {
            let Ok(value) = serde_json::from_str::<Value>(misfit) else { continue };
            assert!(convert(&shape, &value).is_err() && schema.check(&value).is_err(), "{integer:?} {misfit}");
        }
    }
}
