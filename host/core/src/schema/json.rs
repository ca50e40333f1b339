//! JSON text, read strictly: bounded depth, and no member twice (RFC 8259 §4 leaves its meaning open, so it is refused).

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};
use thiserror::Error;

/// U+FEFF in UTF-8 (RFC 8259 §8.1).
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Why a text is not valid JSON. The message names line and column, never a value.
#[derive(Debug, Error)]
#[error("{0}")]
pub struct JsonError(#[from] serde_json::Error);

/// Reads one JSON value that nests at most `depth_max` arrays and objects.
///
/// # Errors
/// When the text is not JSON, not UTF-8, too deep, has a member twice, or has more behind the value.
pub fn parse(text: &[u8], depth_max: usize) -> Result<Value, JsonError> {
    // It is invisible in a text, so the place where it stands would not help.
    if text.starts_with(BYTE_ORDER_MARK) {
        let text = "it begins with a byte order mark (U+FEFF), which JSON does not allow; send it without the mark";
        return Err(JsonError(serde_json::Error::custom(text)));
    }
    let mut deserializer = serde_json::Deserializer::from_slice(text);
    let value = Strict { depth_left: depth_max, depth_max }.deserialize(&mut deserializer)?;
    deserializer.end()?;
    Ok(value)
}

#[derive(Clone, Copy)]
struct Strict {
    depth_left: usize,
    depth_max: usize,
}

impl Strict {
    fn deeper<E: serde::de::Error>(self) -> Result<Self, E> {
        match self.depth_left.checked_sub(1) {
            Some(depth_left) => Ok(Self { depth_left, ..self }),
            None => Err(E::custom(format_args!("nested deeper than {} levels", self.depth_max))),
        }
    }
}

impl<'de> DeserializeSeed<'de> for Strict {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict {
    type Value = Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value).map(Value::Number).ok_or_else(|| E::custom("number out of range"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let inner = self.deeper()?;
        let mut array = Vec::new();
        while let Some(item) = items.next_element_seed(inner)? {
            array.push(item);
        }
        Ok(Value::Array(array))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let inner = self.deeper()?;
        let mut object = Map::new();
        while let Some(name) = members.next_key::<String>()? {
            if object.contains_key(&name) {
                return Err(A::Error::custom("duplicate member in an object"));
            }
            let value = members.next_value_seed(inner)?;
            object.insert(name, value);
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn depth_is_bounded_at_the_edge() {
        for (depth, fits) in [(3, true), (4, true), (5, false), (100_000, false)] {
            let text = format!("{}{}", "[".repeat(depth), "]".repeat(depth));
            assert_eq!(parse(text.as_bytes(), 4).is_ok(), fits, "{depth}");
        }
    }

    #[test]
    fn unclear_texts_are_refused() {
        for (text, expected) in [
            (&b"{\"a\":1,\"a\":2}"[..], "duplicate member"),
            (b"{\"a\":1,\"\\u0061\":2}", "duplicate member"),
            (b"{} x", "trailing"),
            (b"{", "EOF"),
            (b"\"\xff\"", "unicode"),
            (b"NaN", "expected"),
            (b"1e999", "range"),
            (b"", "EOF"),
        ] {
            let error = parse(text, 8).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }

    fn values() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            any::<f64>().prop_filter("finite", |n| n.is_finite()).prop_map(Value::from),
            any::<String>().prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 32, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Value::Array),
                prop::collection::btree_map(any::<String>(), inner, 0..6)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_serde_json_writes_is_read_back(value in values()) {
            let text = serde_json::to_vec(&value).unwrap();
            prop_assert_eq!(parse(&text, 16).unwrap(), value);
        }

        #[test]
        fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = parse(&bytes, 8);
        }
    }
}
