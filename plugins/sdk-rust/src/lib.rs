//! Write Muster plugins in Rust: an attribute on a function makes it a command.
//!
//! ```
//! use muster_sdk::{command, plugin};
//!
//! /// Greets a person by name
//! #[command(tags("demo"), effects(read_only, idempotent), audience = "open",
//!           example("Greet Ada", input = {"name": "Ada"}, output = "Hello, Ada!"))]
//! fn hello(
//!     /// Whom to greet.
//!     #[schemars(length(min = 1, max = 64))]
//!     name: String,
//! ) -> String {
//!     format!("Hello, {name}!")
//! }
//!
//! plugin!(hello);
//! ```
//!
//! That is a whole plugin. The host learns name, documentation, JSON Schemas and examples from it, checks every call
//! against the schemas before the function runs, and offers it on all its interfaces.
//!
//! In reading order:
//!
//! - [`command`](macro@command), [`plugin!`], [`data`](macro@data): the macros an author uses;
//! - [`Caller`] and [`CallError`]: who calls, and how a call can fail;
//! - [`store`], [`config`], [`log`], [`progress`], [`dispatch`]: what the host offers. A plugin imports only what it
//!   uses, and the operator grants it;
//! - [`raw`]: the generated bindings, for the rare plugin that computes its commands.
//!
//! Deliberately absent: an async runtime (calls to the host wait for their answer, and every call has its own instance)
//! and a way to read files or sockets (`std` has it, where the operator grants it).

// The macros' output names the SDK from outside; its own tests use them too.
#[cfg(test)]
extern crate self as muster_sdk;

mod caller;
mod command;
pub mod config;
pub mod dispatch;
mod error;
mod json;
pub mod log;
mod panic;
pub mod progress;
pub mod raw;
mod schema;
pub mod store;

pub use muster_sdk_macros::{command, data, plugin};
pub use {schemars, serde};

pub use crate::caller::Caller;
pub use crate::error::CallError;

/// What the macros' output names. Not for use by hand: it changes without notice.
#[doc(hidden)]
pub mod __private {
    pub use crate::command::{Audience, Command, Effect, Example, assert_distinct, call, describe};
    pub use crate::json::{decode, encode};
    pub use crate::schema::{input, output};
}
