//! A guest that cannot describe its commands: the load must be refused, with its words.
//!
//! Against the contract itself, because the SDK's description cannot fail.

use muster_sdk::raw;

/// What the component is.
#[derive(Debug)]
pub struct Plugin;

impl raw::Guest for Plugin {
    fn describe() -> Result<Vec<raw::Command>, String> {
        Err("settings missing".into())
    }

    fn call(name: String, _version: u32, _input: String, _caller: raw::Caller) -> Result<String, raw::CallError> {
        Err(raw::CallError::Failed(format!("no such command {name}")))
    }
}

#[cfg(target_family = "wasm")]
raw::export!(Plugin with_types_in muster_sdk::raw);
