//! From the contract's JSON texts to the author's types and back.

use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_path_to_error::{Path, Segment};

use crate::CallError;

/// The arguments in `input`.
///
/// # Errors
///
/// `InvalidArgument` with the place and serde's words. The host has checked the schema, so this is about what a schema
/// cannot say, such as an integer beyond 64 bits.
pub fn decode<T: DeserializeOwned>(input: &str) -> Result<T, CallError> {
    let mut deserializer = serde_json::Deserializer::from_str(input);
    let value = serde_path_to_error::deserialize(&mut deserializer)
        .map_err(|error| CallError::invalid(pointer(error.path()), words(error.inner())))?;
    deserializer.end().map_err(|error| CallError::invalid("", words(&error)))?;
    Ok(value)
}

/// What a command may give back: a [`Value`] or a [`Fallible`] one, told apart by the compiler through `Kind`, which is
/// inferred. (Without it both implementations would cover `Result`, which serde can serialize.)
pub trait Answer<Kind> {
    /// The type whose schema is the command's output schema.
    type Value: Serialize + JsonSchema;

    /// The value or the error.
    ///
    /// # Errors
    ///
    /// Those of the command.
    fn into_result(self) -> Result<Self::Value, CallError>;
}

/// The kind of an answer that is any value.
#[derive(Debug)]
pub enum Value {}

/// The kind of an answer that is a `Result` with [`CallError`].
#[derive(Debug)]
pub enum Fallible {}

impl<T: Serialize + JsonSchema> Answer<Value> for T {
    type Value = T;

    fn into_result(self) -> Result<T, CallError> {
        Ok(self)
    }
}

impl<T: Serialize + JsonSchema> Answer<Fallible> for Result<T, CallError> {
    type Value = T;

    fn into_result(self) -> Self {
        self
    }
}

/// The text of a command's answer.
///
/// # Errors
///
/// The command's own; `Failed` when the value has no JSON form, such as a map whose keys are lists.
pub fn encode<T: Answer<Kind>, Kind>(answer: T) -> Result<String, CallError> {
    let value = answer.into_result()?;
    serde_json::to_string(&value).map_err(|error| CallError::failed(format!("the result has no JSON form: {error}")))
}

/// The place of an error as a JSON Pointer (RFC 6901).
fn pointer(path: &Path) -> String {
    let mut pointer = String::new();
    for segment in path {
        let step = match segment {
            Segment::Seq { index } => index.to_string(),
            Segment::Map { key } => key.replace('~', "~0").replace('/', "~1"),
            Segment::Enum { variant } => variant.replace('~', "~0").replace('/', "~1"),
            // Inside something without names, such as a number: the place before it is the best there is.
            Segment::Unknown => break,
        };
        pointer.push('/');
        pointer.push_str(&step);
    }
    pointer
}

/// Serde's message without the line and column: the caller may never have seen this text.
fn words(error: &serde_json::Error) -> String {
    let message = error.to_string();
    let place = format!(" at line {} column {}", error.line(), error.column());
    message.strip_suffix(&place).map_or_else(|| message.clone(), Into::into)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    #[crate::data]
    #[serde(deny_unknown_fields)]
    struct Arguments {
        name: String,
        #[serde(rename = "a/b", default)]
        numbers: Vec<u8>,
    }

    #[track_caller]
    fn check(input: &str, pointer: &str, message: &str) {
        let error = decode::<Arguments>(input).unwrap_err();
        assert_eq!(error, CallError::invalid(pointer, message));
    }

    #[test]
    fn errors_point_at_their_argument() {
        check(r#"{"name": 1}"#, "/name", "invalid type: integer `1`, expected a string");
        check(r#"{"name": "", "a/b": [1, 256]}"#, "/a~1b/1", "invalid value: integer `256`, expected u8");
        check("{}", "", "missing field `name`");
        check(r#"{"name": "", "nam": 1}"#, "/nam", "unknown field `nam`, expected `name` or `a/b`");
        check(r#"{"name": ""} x"#, "", "trailing characters");
    }

    #[test]
    fn answers_are_values_or_errors() {
        assert_eq!(encode("text").unwrap(), r#""text""#);
        assert_eq!(encode(()).unwrap(), "null");
        assert_eq!(encode(Ok::<_, CallError>(vec![1, 2])).unwrap(), "[1,2]");
        assert_eq!(encode(Err::<u8, _>(CallError::not_found("x"))), Err(CallError::not_found("x")));
    }
}
