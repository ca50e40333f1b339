//! Components with typed exports as plugins: each exported function over plain data is a command.
//!
//! One way through the files: [`function`] reads a component's functions out of its type, without compiling it, and says
//! of each that cannot be a command why ([`shape`] are their types, [`names`] their commands' names, [`docs`] their
//! texts); [`schema`] tells callers what to send. How a function is called is the engine's business. What becomes what:
//! `host/docs/authors/typed-components.md`.

mod docs;
mod function;
mod names;
pub mod schema;
pub mod shape;

pub use docs::{DOCS_BYTES_MAX, Docs, DocsError};
pub use function::{Answer, Function, Functions, Skipped};
pub use names::{Place, snake_case};

#[cfg(test)]
mod tests;

/// Most commands of one plugin, every version counted.
pub const COMMANDS_MAX: usize = 256;
