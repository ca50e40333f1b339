//! A schema and a value, a line feed between them: compiled as a command's, held against each other, masked.
#![no_main]

use libfuzzer_sys::fuzz_target;
use muster_core::schema::{Arguments, DEPTH_MAX, ERRORS_MAX, Schema, Unread, mask, parse_json};

fuzz_target!(|text: &str| {
    let (schema, value) = text.split_once('\n').unwrap_or((text, "{}"));
    let Ok(schema) = Schema::parse_text(schema) else { return };
    if let Ok(schema) = Schema::input(schema.clone()) {
        let _ = Arguments::read(Unread::Json(value.to_owned().into()), &schema);
    }
    let Ok(schema) = Schema::output(schema) else { return };
    let Ok(value) = parse_json(value.as_bytes(), DEPTH_MAX) else { return };
    if let Err(errors) = schema.check(&value) {
        assert!(!errors.is_empty() && errors.len() <= ERRORS_MAX);
    }
    let _ = mask(schema.json(), &value);
});
