//! What a component says, read without an engine: its imports, the functions it exports, its manifest, what it asks for and
//! what an operator grants.
//!
//! Everything here looks at bytes that may be hostile, and runs none of them. What is read once is handed on:
//! [`Inspection`] is the beginning of every way a component takes through the host.

pub mod core_module;
mod error;
pub mod functions;
pub mod grants;
pub mod imports;
pub mod inspect;
pub mod manifest;
pub mod toolchain;

pub use error::LoadError;
pub use grants::Grants;
pub use inspect::{Inspection, inspect};
pub use manifest::Manifest;
