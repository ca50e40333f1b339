//! Arguments that satisfy a command's schema. Holding one is the proof.

use bytes::Bytes;
use serde_json::{Map, Value};

use super::{Pairs, Schema, json, whole};
use crate::error::CallError;

/// Deepest nesting of arguments and results.
pub const DEPTH_MAX: usize = 32;

/// Arguments as a wire gave them, not yet read: permission comes first.
#[derive(Clone, Debug)]
pub enum Unread {
    /// JSON text; empty means an empty object.
    Json(Bytes),
    /// Names with texts.
    Pairs(Pairs),
    /// An object made inside the host.
    Object(Map<String, Value>),
}

/// Arguments that satisfy the schema of the command they are for.
#[derive(Debug)]
pub struct Arguments {
    value: Value,
    /// JSON, and so UTF-8.
    text: Bytes,
}

impl Arguments {
    /// Reads the arguments and holds them against the schema.
    ///
    /// # Errors
    /// [`CallError::Malformed`] when they cannot be read, [`CallError::InvalidArguments`] when they do not fit.
    pub fn read(unread: Unread, schema: &Schema) -> Result<Self, CallError> {
        let (value, text) = match unread {
            Unread::Json(text) if text.is_empty() => (Value::Object(Map::new()), Some(Bytes::from_static(b"{}"))),
            Unread::Json(text) => {
                let value = json::parse(&text, DEPTH_MAX)
                    .map_err(|error| CallError::Malformed(format!("the body is not valid JSON: {error}")))?;
                if !value.is_object() {
                    return Err(CallError::Malformed("the arguments must be a JSON object".to_owned()));
                }
                // It is passed on as it came.
                (value, Some(text))
            }
            Unread::Pairs(pairs) => {
                (Value::Object(schema.convert_pairs(pairs).map_err(CallError::InvalidArguments)?), None)
            }
            Unread::Object(object) => (Value::Object(object), None),
        };
        let (value, text) = with_whole_numbers(value, text)?;
        schema.check(&value).map_err(CallError::InvalidArguments)?;
        let text = text.unwrap_or_else(|| value.to_string().into());
        Ok(Self { value, text })
    }

    /// The arguments as a JSON object, whole numbers as digits.
    pub fn value(&self) -> &Value {
        &self.value
    }

    /// The arguments as a JSON object, given away.
    pub fn into_value(self) -> Value {
        self.value
    }

    /// The arguments as JSON text.
    pub fn text(&self) -> &str {
        // Only what was read as JSON, or written as such, is in here.
        std::str::from_utf8(&self.text).unwrap_or_default()
    }

    /// The same, to be kept without copying it.
    pub fn bytes(&self) -> &Bytes {
        &self.text
    }
}

/// The same with whole numbers as digits, however they were written; the text as well, if there is one.
fn with_whole_numbers(mut value: Value, text: Option<Bytes>) -> Result<(Value, Option<Bytes>), CallError> {
    if !whole::has_fraction(&value) {
        return Ok((value, text));
    }
    let Some(text) = text else {
        whole::make_whole(&mut value);
        return Ok((value, None));
    };
    let Some(changed) = whole::rewritten(&text) else { return Ok((value, Some(text))) };
    let value = json::parse(&changed, DEPTH_MAX).map_err(CallError::internal_from)?;
    Ok((value, Some(changed.into())))
}
