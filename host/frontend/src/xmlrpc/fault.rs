//! Faults: ejabberd's codes where it has one for what happened, and those of «Specification for Fault Code
//! Interoperability» (2001) where it has none.

use muster_core::error::{ArgumentError, CallError};
use muster_core::schema::Schema;
use serde_json::{Map, Value};

use super::value::shown;

/// The request is of a form that is no call.
const SHAPE: i32 = -112;
/// An argument is given twice.
const TWICE: i32 = -114;
/// An argument is missing.
const MISSING: i32 = -116;
/// The credential is wrong, the call is not permitted, or the command ran and failed.
const REFUSED: i32 = -118;
/// An argument too many.
const EXTRA: i32 = -120;
/// A value cannot become what the command takes.
const VALUE: i32 = -122;
/// Not well-formed XML.
const NOT_XML: i32 = -32_700;
/// Well-formed, and too large or otherwise not to be taken.
const INVALID: i32 = -32_600;
/// No such method.
const NO_METHOD: i32 = -32_601;
/// The host or a plugin failed.
const INTERNAL: i32 = -32_603;
/// The host cannot do it now.
const SYSTEM: i32 = -32_400;

/// Why there is no result.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Fault {
    pub(super) code: i32,
    pub(super) text: String,
    /// When it makes sense to try again, in seconds.
    pub(super) retry_after_s: Option<u64>,
}

impl Fault {
    fn new(code: i32, text: impl Into<String>) -> Self {
        Self { code, text: text.into(), retry_after_s: None }
    }

    /// The request is no call.
    pub(super) fn shape(text: impl Into<String>) -> Self {
        Self::new(SHAPE, text)
    }

    /// A member is given twice.
    pub(super) fn twice(name: &str) -> Self {
        Self::new(TWICE, format!("`{}` is given twice", shown(name)))
    }

    /// A value is not what its type says.
    pub(super) fn value(text: impl Into<String>) -> Self {
        Self::new(VALUE, text)
    }

    /// The request is no XML.
    pub(super) fn not_xml(text: impl Into<String>) -> Self {
        Self::new(NOT_XML, text)
    }

    /// The request is not taken.
    pub(super) fn invalid(text: impl Into<String>) -> Self {
        Self::new(INVALID, text)
    }

    /// There is no such method.
    pub(super) fn no_method(text: impl Into<String>) -> Self {
        Self::new(NO_METHOD, text)
    }

    /// A call that failed. `given`: the arguments and the schema they were read by, once they were.
    pub(super) fn of(error: &CallError, given: Option<(&Map<String, Value>, &Schema)>) -> Self {
        let code = match error {
            CallError::InvalidArguments(errors) => errors.first().map_or(VALUE, |first| argument(first, given)),
            CallError::Unauthenticated { .. }
            | CallError::Forbidden { .. }
            | CallError::NotFound(_)
            | CallError::Conflict(_)
            | CallError::Denied(_)
            | CallError::Failed(_)
            | CallError::LimitExceeded { .. }
            | CallError::PluginRefused { .. } => REFUSED,
            CallError::UnknownCommand(_) => NO_METHOD,
            CallError::Malformed(_) | CallError::NotReadOnly | CallError::TooLarge { .. } => INVALID,
            CallError::Unavailable(_)
            | CallError::TooManyCalls
            | CallError::Throttled { .. }
            | CallError::RateLimited { .. }
            | CallError::Deadline { .. }
            | CallError::Quarantined { .. } => SYSTEM,
            CallError::PluginFault { .. } | CallError::Internal { .. } => INTERNAL,
        };
        let text = format!("{}: {}", error.code(), error.detail());
        Self { code, text, retry_after_s: error.retry_after_s() }
    }

    /// The text clients show. It begins as those of ejabberd do.
    pub(super) fn string(&self) -> String {
        format!("Error {}\n{}", self.code, self.text)
    }
}

/// Which of three mistakes it is, by what was given and what is known.
fn argument(error: &ArgumentError, given: Option<(&Map<String, Value>, &Schema)>) -> i32 {
    let name = error.pointer.strip_prefix('/').filter(|rest| !rest.contains('/'));
    let (Some(name), Some((arguments, schema))) = (name, given) else { return VALUE };
    let name = name.replace("~1", "/").replace("~0", "~");
    match (arguments.contains_key(&name), schema.has_property(&name)) {
        (false, _) => MISSING,
        (true, false) => EXTRA,
        (true, true) => VALUE,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::failures::one_of_each;

    /// Code and text of each failure, and none of them with internal text.
    #[test]
    fn each_failure_has_its_code() {
        let shown: Vec<String> = one_of_each().iter().map(|error| Fault::of(error, None).string()).collect();
        assert!(!shown.iter().any(|text| text.contains("secret")));
        insta::assert_snapshot!("faults", shown.join("\n"));
    }

    #[test]
    fn mistakes_in_arguments_are_told_apart() {
        let schema = Schema::input(json!({"type": "object", "properties": {"a/b": {}, "c": {}}})).unwrap();
        let Value::Object(given) = json!({"a/b": 1, "x": 2}) else { return };
        for (pointer, code) in [("/a~1b", VALUE), ("/a~1b/0", VALUE), ("/c", MISSING), ("/x", EXTRA), ("", VALUE)] {
            let error = CallError::argument(pointer, "text");
            assert_eq!(Fault::of(&error, Some((&given, &schema))).code, code, "{pointer}");
        }
    }
}
