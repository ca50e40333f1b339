//! A guest whose input schema is not a JSON Schema: the load must be refused.
//!
//! Against the contract itself, because the SDK makes good schemas.

use muster_sdk::raw;

/// What the component is.
#[derive(Debug)]
pub struct Plugin;

impl raw::Guest for Plugin {
    fn describe() -> Result<Vec<raw::Command>, String> {
        Ok(vec![raw::Command {
            name: "bad_schema".into(),
            summary: "Has arguments nobody can check".into(),
            description: String::new(),
            tags: vec!["hostile".into()],
            input: r#"{"type": "objekt", "properties": 1}"#.into(),
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
