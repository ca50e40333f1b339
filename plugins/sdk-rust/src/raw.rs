//! The bindings `wit-bindgen` makes from the repository's `wit/` folder: the one place where the SDK meets the contract.
//!
//! The world is the one with every capability; what a plugin does not call is not in its component. A plugin that
//! computes its commands implements [`Guest`] and exports it by hand:
//!
//! ```
//! use muster_sdk::raw;
//!
//! pub struct Plugin;
//!
//! impl raw::Guest for Plugin {
//!     fn describe() -> Result<Vec<raw::Command>, String> {
//!         Err("settings missing".into())
//!     }
//!     fn call(name: String, _version: u32, _input: String, _caller: raw::Caller) -> Result<String, raw::CallError> {
//!         Err(raw::CallError::Failed(format!("no such command {name}")))
//!     }
//! }
//!
//! // The names of the exports mean something else to native linkers.
//! #[cfg(target_family = "wasm")]
//! raw::export!(Plugin with_types_in muster_sdk::raw);
//! ```

#![allow(
    missing_docs,
    unreachable_pub,
    unsafe_code,
    clippy::allow_attributes_without_reason,
    clippy::pedantic,
    clippy::indexing_slicing,
    clippy::str_to_string,
    reason = "generated"
)]

wit_bindgen::generate!({
    path: "../../wit",
    world: "plugin-with-capabilities",
    generate_all,
    pub_export_macro: true,
    default_bindings_module: "muster_sdk::raw",
});

pub use exports::muster::plugin::commands::Guest;
pub use muster::plugin::types::{ArgumentError, Audience, CallError, Caller, Command, Effects, Example};
