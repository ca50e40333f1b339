//! A guest whose results are not what it promised: `lie` breaks its own schema, `lie_text` is not even JSON.
//!
//! Against the contract itself, because the SDK cannot lie.

use muster_sdk::raw;

/// What the component is.
#[derive(Debug)]
pub struct Plugin;

impl raw::Guest for Plugin {
    fn describe() -> Result<Vec<raw::Command>, String> {
        Ok(["lie", "lie_text"].map(promise_of_integer).into())
    }

    fn call(name: String, _version: u32, _input: String, _caller: raw::Caller) -> Result<String, raw::CallError> {
        match name.as_str() {
            "lie" => Ok("\"not an integer\"".into()),
            _ => Ok("not JSON".into()),
        }
    }
}

fn promise_of_integer(name: &str) -> raw::Command {
    raw::Command {
        name: name.into(),
        summary: "Promises an integer".into(),
        description: String::new(),
        tags: vec!["hostile".into()],
        input: r#"{"type": "object", "additionalProperties": false}"#.into(),
        output: r#"{"type": "integer"}"#.into(),
        examples: Vec::new(),
        effects: raw::Effects::empty(),
        version: 0,
        audience: raw::Audience::Restricted,
        deprecated: None,
    }
}

#[cfg(target_family = "wasm")]
raw::export!(Plugin with_types_in muster_sdk::raw);
