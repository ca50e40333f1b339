//! JSON Schema 2020-12, as commands declare it: compiled once, checked on every call, errors with JSON Pointers.
//!
//! Absent on purpose: fetching schemas from elsewhere (every reference must resolve inside the document) and patterns
//! that backtrack (they run on the linear engine).

mod arguments;
mod json;
mod mask;
mod references;
mod text;
mod whole;
mod work;

use jsonschema::error::ValidationErrorKind;
use jsonschema::{PatternOptions, ValidationError, Validator};
use serde_json::{Map, Value};

use crate::error::ArgumentError;

pub use arguments::{Arguments, DEPTH_MAX, Unread};
pub use json::{JsonError, parse as parse_json};
pub use mask::{MASK, mask, says_secret};
pub use text::{Pairs, TextError, TextForm};
use work::Work;

/// Longest schema text, in bytes.
pub const SCHEMA_BYTES_MAX: usize = 256 * 1024;
/// Deepest nesting of a schema.
pub const SCHEMA_DEPTH_MAX: usize = 64;
/// Largest pattern, in bytes of what is made of it: matching takes time for each of them and each byte of a text.
const PATTERN_BYTES_MAX: usize = 256 * 1024;
/// Most argument errors reported for one call.
pub const ERRORS_MAX: usize = 32;
/// Most values that are listed where one of them is wanted.
const VALUES_SHOWN_MAX: usize = 20;
/// What is said of each member where there must be none.
const NONE_TAKEN: &str = "is not an argument; this command has no arguments";
/// Deepest alternatives inside alternatives that are told apart.
const ALTERNATIVES_DEPTH_MAX: usize = 4;

/// A compiled schema.
#[derive(Debug)]
pub struct Schema {
    json: Value,
    validator: Validator,
    work: Work,
    has_no_secrets: bool,
}

impl Schema {
    /// Compiles the schema of a result.
    ///
    /// # Errors
    /// A sentence for the author when the schema is not valid or refers to something outside itself.
    pub fn output(json: Value) -> Result<Self, String> {
        let work = Work::of(&json)?;
        let validator = jsonschema::draft202012::options()
            .with_pattern_options(PatternOptions::regex().size_limit(PATTERN_BYTES_MAX))
            .offline()
            .build(&json)
            .map_err(|error| format!("is not a valid JSON Schema 2020-12: {error} at {}", pointer_or_root(&error)))?;
        let has_no_secrets = mask::has_no_secrets(&json);
        Ok(Self { json, validator, work, has_no_secrets })
    }

    /// Compiles the schema of arguments. It must describe an object; members it does not name are refused even where
    /// it does not say so.
    ///
    /// # Errors
    /// As [`Schema::output`], and when the schema's type is not `object`.
    pub fn input(mut json: Value) -> Result<Self, String> {
        let object = json.as_object_mut().ok_or("must be a JSON object")?;
        if object.get("type").and_then(Value::as_str) != Some("object") {
            return Err("must have \"type\": \"object\", since arguments are always named".to_owned());
        }
        close(object);
        Self::output(json)
    }

    /// Reads a schema from text, within bounds.
    ///
    /// # Errors
    /// When the text is too long, too deep or not JSON.
    pub fn parse_text(text: &str) -> Result<Value, String> {
        if text.len() > SCHEMA_BYTES_MAX {
            return Err(format!("has {} bytes; at most {SCHEMA_BYTES_MAX} are allowed", text.len()));
        }
        json::parse(text.as_bytes(), SCHEMA_DEPTH_MAX).map_err(|error| format!("is not readable: {error}"))
    }

    /// The schema as JSON.
    pub fn json(&self) -> &Value {
        &self.json
    }

    /// The named properties of an object schema, in declared order where the author's text had one.
    pub fn properties(&self) -> impl Iterator<Item = (&String, &Value)> {
        self.json.get("properties").and_then(Value::as_object).into_iter().flatten()
    }

    /// Whether no part of the schema says that something is secret: values that satisfy it can be shown.
    pub fn has_no_secrets(&self) -> bool {
        self.has_no_secrets
    }

    /// Whether an object schema names this property.
    pub fn has_property(&self, name: &str) -> bool {
        self.json.get("properties").is_some_and(|properties| properties.get(name).is_some())
    }

    /// Holds a value against the schema.
    ///
    /// # Errors
    /// Every place that does not fit, at most [`ERRORS_MAX`], without repeating values.
    pub fn check(&self, value: &Value) -> Result<(), Vec<ArgumentError>> {
        if !self.work.fits(value) {
            let message = "is too large or too deeply nested to be validated".to_owned();
            return Err(vec![ArgumentError { pointer: String::new(), message }]);
        }
        if self.validator.is_valid(value) {
            return Ok(());
        }
        let mut errors = Vec::new();
        // The library does not say which member it is about where none is named.
        if let Some(members) = value.as_object().filter(|members| !members.is_empty() && self.takes_none()) {
            let error = |name: &String| ArgumentError { pointer: below("", name), message: NONE_TAKEN.to_owned() };
            return Err(members.keys().take(ERRORS_MAX).map(error).collect());
        }
        for error in self.validator.iter_errors(value) {
            describe(&error, 0, &mut errors);
            if errors.len() >= ERRORS_MAX {
                break;
            }
        }
        errors.truncate(ERRORS_MAX);
        Err(errors)
    }

    /// Whether the object is closed and names no member.
    fn takes_none(&self) -> bool {
        let names_others =
            ["patternProperties", "$ref", "$dynamicRef", "allOf", "anyOf", "oneOf", "if", "dependentSchemas"];
        self.json.get("additionalProperties") == Some(&Value::Bool(false))
            && self.properties().next().is_none()
            && names_others.iter().all(|keyword| self.json.get(keyword).is_none())
    }
}

/// Says what does not fit, and where.
#[expect(clippy::wildcard_enum_match_arm, reason = "a foreign enum that grows")]
fn describe(error: &ValidationError<'_>, depth: usize, into: &mut Vec<ArgumentError>) {
    let place = error.instance_path().as_str();
    let below = |name: &str| below(place, name);
    let mut say = |pointer: String, message: String| into.push(ArgumentError { pointer, message });
    match error.kind() {
        ValidationErrorKind::Required { property } => {
            say(below(property.as_str().unwrap_or_default()), "is required".to_owned());
        }
        ValidationErrorKind::AdditionalProperties { unexpected }
        | ValidationErrorKind::UnevaluatedProperties { unexpected } => {
            for name in unexpected {
                say(below(name), "is not allowed here".to_owned());
            }
        }
        ValidationErrorKind::FalseSchema => say(place.to_owned(), "is not allowed".to_owned()),
        ValidationErrorKind::Constant { expected_value } => say(place.to_owned(), must_be(&[&**expected_value])),
        ValidationErrorKind::Enum { options } => {
            say(
                place.to_owned(),
                must_be(&options.as_array().map(|all| all.iter().collect::<Vec<_>>()).unwrap_or_default()),
            );
        }
        ValidationErrorKind::AnyOf { context } | ValidationErrorKind::OneOfNotValid { context } => {
            if let Some(values) = values(context, place) {
                say(place.to_owned(), must_be(&values));
            } else if let Some(nearest) = nearest(context, place).filter(|_| depth < ALTERNATIVES_DEPTH_MAX) {
                for error in nearest.iter().take(ERRORS_MAX) {
                    describe(error, depth + 1, into);
                }
            } else {
                say(place.to_owned(), "matches none of the allowed forms".to_owned());
            }
        }
        ValidationErrorKind::OneOfMultipleValid { .. } => {
            say(place.to_owned(), "matches several of the allowed forms, but must match exactly one".to_owned());
        }
        // The library's own words, with the value itself left out.
        _ => say(place.to_owned(), error.masked_with("the value").to_string()),
    }
}

/// The place of a member (RFC 6901).
fn below(place: &str, name: &str) -> String {
    format!("{place}/{}", name.replace('~', "~0").replace('/', "~1"))
}

/// The values a place may have, where every alternative is nothing but some of them.
fn values<'a>(alternatives: &'a [Vec<ValidationError<'static>>], place: &str) -> Option<Vec<&'a Value>> {
    let mut values = Vec::new();
    for errors in alternatives {
        let mut found = false;
        for error in errors.iter().filter(|error| error.instance_path().as_str() == place) {
            #[expect(clippy::wildcard_enum_match_arm, reason = "a foreign enum that grows")]
            match error.kind() {
                ValidationErrorKind::Constant { expected_value } => values.push(&**expected_value),
                ValidationErrorKind::Enum { options } => values.extend(options.as_array().into_iter().flatten()),
                _ => continue,
            }
            found = true;
        }
        if !found {
            return None;
        }
    }
    Some(values)
}

/// The alternative that was most likely meant: one whose mark fits (a constant member, or the one member it has), then the one
/// whose mistakes are deepest, then the one with the fewest, then the first.
fn nearest<'a>(
    alternatives: &'a [Vec<ValidationError<'static>>],
    place: &str,
) -> Option<&'a Vec<ValidationError<'static>>> {
    #[expect(clippy::wildcard_enum_match_arm, reason = "a foreign enum that grows")]
    let rank = |errors: &Vec<ValidationError<'static>>| {
        let is_other = errors.iter().any(|error| match error.kind() {
            ValidationErrorKind::Constant { .. }
            | ValidationErrorKind::Enum { .. }
            | ValidationErrorKind::Type { .. } => {
                error.instance_path().as_str() == place || !matches!(error.kind(), ValidationErrorKind::Type { .. })
            }
            ValidationErrorKind::AdditionalProperties { .. } | ValidationErrorKind::FalseSchema => {
                errors.iter().any(|error| matches!(error.kind(), ValidationErrorKind::Required { .. }))
            }
            _ => false,
        });
        let depth = errors.iter().map(|error| error.instance_path().as_str().matches('/').count()).max().unwrap_or(0);
        (is_other, std::cmp::Reverse(depth), errors.len())
    };
    alternatives.iter().min_by_key(|errors| rank(errors))
}

/// The values there are, as many as fit into a sentence.
fn must_be(values: &[&Value]) -> String {
    let mut texts: Vec<String> = Vec::new();
    for value in values {
        let text = value.to_string();
        if !texts.contains(&text) {
            texts.push(text);
        }
    }
    let shown: Vec<&str> =
        texts.iter().take(VALUES_SHOWN_MAX).map(String::as_str).filter(|text| text.len() <= 100).collect();
    let rest = if shown.len() < texts.len() { ", …" } else { "" };
    match (texts.as_slice(), shown.as_slice()) {
        ([_], [one]) => format!("must be {one}"),
        _ => format!("must be one of {}{rest}", shown.join(", ")),
    }
}

/// Whether a schema of arguments names none and does not say what becomes of those that are not named: the host refuses
/// them all, which its author may not have meant.
pub fn names_no_members(schema: &Value) -> bool {
    const SAID: [&str; 5] =
        ["additionalProperties", "unevaluatedProperties", "properties", "patternProperties", "propertyNames"];
    schema.as_object().is_some_and(|object| {
        ![SAID.as_slice(), COMPOSED.as_slice()].concat().iter().any(|key| object.contains_key(*key))
    })
}

/// What names members beside a schema's own.
const COMPOSED: [&str; 7] = ["$ref", "$dynamicRef", "allOf", "anyOf", "oneOf", "if", "dependentSchemas"];

/// Refuses members that are not named, unless the author said what to do with them.
fn close(object: &mut Map<String, Value>) {
    let decided = ["additionalProperties", "unevaluatedProperties"].iter().any(|key| object.contains_key(*key));
    if decided {
        return;
    }
    // Only `unevaluatedProperties` sees members that a composed schema names.
    let composed = COMPOSED.iter().any(|key| object.contains_key(*key));
    let key = if composed { "unevaluatedProperties" } else { "additionalProperties" };
    object.insert(key.to_owned(), Value::Bool(false));
}

fn pointer_or_root(error: &ValidationError<'_>) -> String {
    match error.instance_path().as_str() {
        "" => "the root".to_owned(),
        path => path.to_owned(),
    }
}

#[cfg(test)]
mod tests;
