//! A guest whose input schema is a good one, but not of an object: the load must be refused.
//!
//! Against the contract itself, because the SDK makes good schemas.

use muster_sdk::raw;

/// What the component is.
#[derive(Debug)]
pub struct Plugin;

impl raw::Guest for Plugin {
    fn describe() -> Result<Vec<raw::Command>, String> {
        Ok(vec![raw::Command {
            name: "bad_schema_array".into(),
            summary: "Has arguments without names".into(),
            description: String::new(),
            tags: vec!["hostile".into()],
            input: r#"{"type": "array", "items": {"type": "integer"}}"#.into(),
            output: "true".into(),
            examples: Vec::new(),
            effects: raw::Effects::empty(),
            version: 0,
            audience: raw::Audience::Restricted,
            deprecated: None,
        }])
    }

    fn call(_name: String, _version: u32, _input: String, _caller: raw::Caller) -> Result<String, raw::CallError> {
        Ok("null".into())
    }
}

#[cfg(target_family = "wasm")]
raw::export!(Plugin with_types_in muster_sdk::raw);
