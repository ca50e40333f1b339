//! Loads plugins and runs their commands. The only crate that names wasmtime.
//!
//! Loading is a one-way flow: bytes → [`inspect`] → requested against granted → linker → prepared component → `describe`
//! → commands checked → registry ([`lifecycle`]). A failure anywhere keeps what was there and names cause and fix
//! ([`LoadError`]). Running is another: [`invoke`] makes a fresh store and instance for each call, so that a bad guest
//! harms only its own call (invariant I9).

mod adapter;
mod apart;
mod bindings;
mod cache;
mod capability;
mod core_module;
mod describe;
mod doctor;
mod engine;
mod entry;
mod error;
#[cfg(fuzzing)]
pub mod fuzzing;
mod health;
mod idle;
mod inspect;
mod invoke;
mod lanes;
mod lifecycle;
mod limits;
mod load;
mod manifest;
mod nowhere;
mod pack;
mod places;
mod state;
mod toolchain;

pub use adapter::{Docs, DocsError, Function, Functions, Skipped};
pub use apart::{Apart, Trial, look_into};
pub use capability::{Grants, is_open};
pub use doctor::{Finding, Outcome, examine};
pub use engine::{EngineError, EngineInfo};
pub use error::LoadError;
pub use inspect::{Inspection, inspect};
pub use lifecycle::Lifecycle;
pub use limits::{Limit, Limits};
pub use load::{Loader, Timings};
pub use manifest::{MANIFEST_BYTES_MAX, Manifest};
pub use pack::pack;
